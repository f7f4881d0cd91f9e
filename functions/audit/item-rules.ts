/**
 * What must hold of an item and of those it speaks of. Each kind of item has its function here; they read what they
 * compare with, strongly consistent, and write nothing.
 */
import { z } from "zod";
import { billedJobBreaches, ledgerBreaches, unratedBreaches } from "./charge-rules.ts";
import type { Breach } from "./finding.ts";
import {
  accountItemBreaches,
  batchBreaches,
  monthItemBreaches,
  outboxBreaches,
  windowBreaches,
} from "./money-item-rules.ts";
import { jobBreaches, SLACK_MS } from "./job-rules.ts";
import { instant, SKEW_MS } from "./stage-rules.ts";
import { Fault } from "#shared/domain/fault.ts";
import { isTerminal, jobKey, type Job } from "#shared/domain/job.ts";
import { readJob } from "#shared/domain/job-schema.ts";
import { LEASE_GUARD_MS, LEASE_MS } from "#shared/domain/limits.ts";
import type { IndexName, Item, Key, Store } from "#shared/ports.ts";

/** After so long without an owner a lease was overlooked: the longest failover that is allowed. */
const ORPHANED_MS = 300_000;
const ENTRIES_LOOKED_AT = 10;

interface ItemRule {
  /** Which items it is about. */
  readonly about: (item: Item) => boolean;
  readonly breaches: (store: Pick<Store, "get" | "nominate">, item: Item, now: number) => Promise<Breach[]>;
}

/** Every kind of item that is understood. An item of no kind is counted, and left to a newer version. */
export const ITEM_RULES: readonly ItemRule[] = [
  { about: ({ pk, sk }) => pk.startsWith("JOB#") && sk === "JOB", breaches: jobItemBreaches },
  { about: ({ pk, sk }) => pk.startsWith("JOB#") && sk === "PLAN", breaches: planBreaches },
  { about: ({ pk }) => pk.startsWith("AGENT#"), breaches: agentBreaches },
  { about: ({ pk }) => pk.startsWith("UPLOAD#"), breaches: uploadBreaches },
  { about: ({ pk }) => pk.startsWith("IDEM#"), breaches: async () => [] },
  { about: ({ pk }) => pk.startsWith("UNRATED#"), breaches: unratedBreaches },
  { about: ({ pk }) => pk.startsWith("OUTBOX#"), breaches: outboxBreaches },
  { about: ({ pk }) => pk.startsWith("WINDOW#"), breaches: windowBreaches },
  { about: ({ pk }) => pk.startsWith("BATCH#"), breaches: batchBreaches },
  { about: ({ pk, sk }) => pk.startsWith("ORG#") && sk.startsWith("LEDGER#"), breaches: ledgerBreaches },
  { about: isMonth, breaches: monthItemBreaches },
  { about: isAccount, breaches: accountItemBreaches },
];

export function isMonth({ pk, sk }: Key): boolean {
  return pk.startsWith("ORG#") && sk.startsWith("MONTH#");
}

export function isAccount({ pk, sk }: Key): boolean {
  return pk.startsWith("ORG#") && sk === "ACCOUNT";
}

/** Holds for items of every kind: what is due is handled. */
export function dueBreaches(item: Item, now: number): Breach[] {
  const at = Number(item.indexes.due?.sk.split("#", 1)[0] ?? Number.NaN);
  if (!(at + SLACK_MS < now)) return [];
  return [["timer_overdue", `it was due at ${instant(at)}`]];
}

/** @returns the job; undefined when it cannot be read. */
export function jobOf(item: Item): Job | undefined {
  try {
    return readJob(item.body);
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

async function jobItemBreaches(
  store: Pick<Store, "get" | "nominate">,
  item: Item,
  now: number,
): Promise<Breach[]> {
  let job: Job;
  try {
    job = readJob(item.body);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return [["item_damaged", `it does not follow its schema: ${JSON.stringify(error.details)}`]];
  }
  const breaches = [...jobBreaches(item, job, now), ...(await billedJobBreaches(store, job))];
  if (isTerminal(job.status)) return breaches;
  return [
    ...breaches,
    ...(await orphanBreaches(store, job, now)),
    ...(await planlessBreaches(store, job)),
    ...(await entryBreaches(store, item)),
  ];
}

/** Invariant 8 over two items: leased to nobody who lives. */
async function orphanBreaches(store: Pick<Store, "get">, job: Job, now: number): Promise<Breach[]> {
  const breaches: Breach[] = [];
  for (const stage of job.stages) {
    if (stage.status !== "leased" || stage.agent === undefined || stage.startedAt === undefined) continue;
    const heldUntil = stage.startedAt + LEASE_MS + LEASE_GUARD_MS;
    if (heldUntil + ORPHANED_MS >= now) continue;
    const agent = await store.get({ pk: `AGENT#${stage.agent}`, sk: "AGENT" });
    const known = AgentDocument.safeParse(agent?.body).data;
    if (known !== undefined && known.gone !== true && known.expiresAt + ORPHANED_MS >= now) continue;
    breaches.push([
      "lease_orphaned",
      `the stage ${stage.kind} is leased to ${stage.agent}, last heard of at ${instant(known?.expiresAt)}`,
    ]);
  }
  return breaches;
}

/** What the stages after the analysis are told lies in a row of its own. */
async function planlessBreaches(store: Pick<Store, "get">, job: Job): Promise<Breach[]> {
  const analyzed = job.stages.some(({ kind, status }) => kind === "analyze" && status === "done");
  if (!analyzed || (await store.get({ pk: jobKey(job.id).pk, sk: "PLAN" })) !== undefined) return [];
  return [["plan_missing", "its analysis is done and it has no plan"]];
}

/** What an item says that an index holds, the index holds. Asked for open jobs alone: they hang on it. */
async function entryBreaches(store: Pick<Store, "nominate">, item: Item): Promise<Breach[]> {
  const breaches: Breach[] = [];
  for (const name of ["due", "ready"] satisfies IndexName[]) {
    const entry = item.indexes[name];
    if (entry === undefined) continue;
    const { rows } = await store.nominate(name, entry.pk, { limit: ENTRIES_LOOKED_AT, prefix: entry.sk });
    if (!rows.some(({ pk, sk, at }) => pk === item.pk && sk === item.sk && at === entry.sk))
      breaches.push(["entry_missing", `the index ${name} does not hold ${entry.pk}/${entry.sk}`]);
  }
  return breaches;
}

async function planBreaches(store: Pick<Store, "get">, item: Item): Promise<Breach[]> {
  if ((await store.get({ pk: item.pk, sk: "JOB" })) !== undefined) return [];
  return [["plan_orphaned", "its job is not there"]];
}

const AgentDocument = z.looseObject({
  id: z.string(),
  expiresAt: z.number(),
  runs: z.array(z.looseObject({ job: z.string(), stage: z.string(), epoch: z.number() })),
  gone: z.literal(true).optional(),
});

async function agentBreaches(_store: unknown, item: Item, now: number): Promise<Breach[]> {
  const agent = AgentDocument.safeParse(item.body).data;
  const seq = item.counters["seq"];
  if (agent === undefined || seq === undefined || seq < 0)
    return [["item_damaged", "it does not follow the schema of an agent"]];
  if (`AGENT#${agent.id}` !== item.pk) return [["item_misfiled", `it holds the agent ${agent.id}`]];
  if (agent.expiresAt <= now + LEASE_MS + SKEW_MS) return [];
  return [["agent_immortal", `it counts as alive until ${instant(agent.expiresAt)}`]];
}

async function uploadBreaches(store: Pick<Store, "get">, item: Item): Promise<Breach[]> {
  const upload = z.looseObject({ usedBy: z.string().optional() }).safeParse(item.body).data;
  if (upload === undefined) return [["item_damaged", "it does not follow the schema of an upload"]];
  if (upload.usedBy === undefined || (await store.get(jobKey(upload.usedBy))) !== undefined) return [];
  return [["upload_orphaned", `it is used by ${upload.usedBy}, which is not there`]];
}
