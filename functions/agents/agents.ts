/**
 * The control API of agents. An agent holds no table rights: it says what it did, and the control plane decides what
 * that means. Every call is idempotent by epoch and claim id; an agent can act only on leases it holds.
 */
import { hash, timingSafeEqual } from "node:crypto";
import { apply, leftToSweeper, loadJob, type ApplyDoors } from "../apply.ts";
import { look } from "../look.ts";
import { agentItem, readAgent, type AgentRecord } from "./agent-item.ts";
import { leaseOf, outputPrefix } from "./lease-offer.ts";
import { lookAhead } from "./look-ahead.ts";
import { decide } from "#shared/domain/decide.ts";
import type { JobEvent } from "#shared/domain/event.ts";
import { Fault } from "#shared/domain/fault.ts";
import { newId } from "#shared/domain/id.ts";
import { duePartition, isTerminal, readyPartition, stageOf, timeKey, type Job } from "#shared/domain/job.ts";
import { INDEX_SHARDS, LEASE_MS, PAGE_ROWS_MAX } from "#shared/domain/limits.ts";
import type {
  BeatAnswer,
  BeatAsk,
  Capabilities,
  ClaimAnswer,
  ClaimAsk,
  CompleteAnswer,
  CompleteAsk,
  FailAsk,
  RegisterAnswer,
  ReleaseAsk,
  Verdict,
} from "#shared/domain/message.ts";
import type { Stage } from "#shared/domain/stage.ts";
import type { Blobs, Store } from "#shared/ports.ts";

export interface AgentDoors extends ApplyDoors {
  readonly blobs: Blobs;
  /** Whoever knows it may start an agent. */
  readonly fleetSecret: string;
  readonly beatMs: number;
}

/** Pages of a shard that are searched for what an agent held; what lies beyond is free when its own timer says so. */
const GONE_PAGES_MAX = 20;
/** Rows of a page, and pages of a shard, that an agent which asks for any work has read: not all may be for it. */
const ASK_ROWS_MAX = 5;
const ASK_PAGES_MAX = 3;

/** Before anything else that it sends is read. @throws Fault auth `secret_invalid`. */
export function demandSecret({ fleetSecret }: Pick<AgentDoors, "fleetSecret">, secret: string): void {
  if (!sameText(secret, fleetSecret)) throw new Fault("auth", "secret_invalid", "The fleet secret is wrong.");
}

/** Of an agent that has shown the fleet's secret. @throws Fault busy `store_busy`. */
export async function register(doors: AgentDoors, can: Capabilities): Promise<RegisterAnswer> {
  const now = doors.clock.now();
  const id = newId("agt", now, doors.entropy(10));
  const token = Buffer.from(doors.entropy(32)).toString("base64url");
  const record: AgentRecord = {
    id,
    can,
    hot: [],
    runs: [],
    registeredAt: now,
    expiresAt: now + LEASE_MS,
    tokenHash: sha256(token),
  };
  const committed = await doors.store.transact([{ op: "put", item: agentItem(record, 0), when: "absent" }]);
  if (!committed.ok)
    throw new Fault("busy", "store_busy", "The agent could not be registered; please repeat the call.");
  return { agent: id, token: `${id}.${token}`, beatMs: doors.beatMs };
}

/** The agent a token belongs to. @throws Fault auth `token_invalid`: register anew. */
export async function authenticate(doors: Pick<AgentDoors, "store">, token: string): Promise<AgentRecord> {
  const [id = "", secret = ""] = token.split(".", 2);
  const agent = id.startsWith("agt_") && id.length <= 40 ? await readAgent(doors.store, id) : undefined;
  if (agent === undefined || agent.gone === true || !sameText(sha256(secret), agent.tokenHash)) {
    throw new Fault("auth", "token_invalid", "This agent is not known here; it must register anew.");
  }
  return agent;
}

/** One conditional write: a beat that was overtaken by a later one changes nothing. */
export async function beat(doors: AgentDoors, agent: AgentRecord, ask: BeatAsk): Promise<BeatAnswer> {
  const record: AgentRecord = {
    ...agent,
    expiresAt: doors.clock.now() + LEASE_MS,
    runs: ask.runs,
    hot: ask.hot,
  };
  await doors.store.transact([
    { op: "put", item: agentItem(record, ask.seq), when: { below: "seq", than: ask.seq } },
  ]);
  const drop: BeatAnswer["drop"] = [];
  for (const { job: jobId, stage: kind, epoch } of ask.runs) {
    const job = await loadJob(doors.store, jobId).catch(leftToSweeper);
    const stage = job === undefined ? undefined : stageOf(job.job, kind);
    const own = stage?.status === "leased" && stage.epoch === epoch && stage.agent === agent.id;
    if (!own) drop.push({ job: jobId, stage: kind, epoch });
  }
  return { drop, ahead: ask.ahead ? await lookAhead(doors, agent, ask.runs) : [] };
}

/**
 * A repeated claim of a job is answered with the lease that was granted the first time. Without a job nothing is claimed:
 * one that the agent could be given is named, for whoever repeats a search may find another.
 */
export async function claim(doors: AgentDoors, agent: AgentRecord, ask: ClaimAsk): Promise<ClaimAnswer> {
  return ask.job === undefined
    ? await findJob(doors, agent, ask)
    : await claimJob(doors, agent, { ...ask, job: ask.job });
}

/** Among the oldest that are ready, from a shard drawn by chance on. */
async function findJob(doors: AgentDoors, agent: AgentRecord, ask: ClaimAsk): Promise<ClaimAnswer> {
  const { store, clock, entropy, policy } = doors;
  const first = (entropy(1)[0] ?? 0) % INDEX_SHARDS;
  const event = claimOf(agent, ask);
  for (let i = 0; i < INDEX_SHARDS; i++) {
    let cursor: string | undefined;
    for (let pages = 0; pages < ASK_PAGES_MAX; pages++) {
      const page = await store.nominate("ready", readyPartition((first + i) % INDEX_SHARDS), {
        limit: ASK_ROWS_MAX,
        // Without the jobs that pause after a failed try.
        upTo: timeKey(clock.now() + 1),
        ...(cursor === undefined ? {} : { cursor }),
      });
      for (const { pk } of page.rows) {
        const found = await loadJob(store, pk.slice("JOB#".length)).catch(leftToSweeper);
        const isForIt =
          found !== undefined && decide(found.job, event, clock.now(), policy).job !== found.job;
        if (isForIt) return { verdict: "found", job: found.job.id };
      }
      cursor = page.cursor;
      if (cursor === undefined) break;
    }
  }
  return { verdict: "gone" };
}

function claimOf(agent: AgentRecord, { claimId, idle }: ClaimAsk) {
  return {
    type: "claimed" as const,
    agent: agent.id,
    claimId,
    can: agent.can,
    // An agent of an earlier version does not say so: then its last beat does.
    idle: idle ?? agent.runs.length === 0,
  };
}

async function claimJob(
  doors: AgentDoors,
  agent: AgentRecord,
  ask: ClaimAsk & { job: string },
): Promise<ClaimAnswer> {
  const event = claimOf(agent, ask);
  const found = await loadJob(doors.store, ask.job).catch(leftToSweeper);
  if (found === undefined || isTerminal(found.job.status)) return { verdict: "gone" };
  let { job } = await apply(doors, ask.job, event);
  if (grantedTo(job, ask.claimId) === undefined && job.stages.some((stage) => stage.status === "leased")) {
    job = await look(doors, ask.job);
    if (job.stages.some((stage) => stage.status === "ready")) ({ job } = await apply(doors, ask.job, event));
  }
  const stage = grantedTo(job, ask.claimId);
  if (stage !== undefined)
    return {
      verdict: "granted",
      lease: await leaseOf(doors.store, { job, stage, can: agent.can, now: doors.clock.now() }),
    };
  const pending =
    !isTerminal(job.status) && job.stages.some(({ status }) => status === "ready" || status === "leased");
  return { verdict: pending ? "wait" : "gone" };
}

/**
 * Commits a finished stage, and with `nextClaimId` claims the next one in the same transaction. A repeat is answered
 * with the lease that was granted the first time.
 * @throws Fault input `output_invalid` when an output of its own stage is not what and where the agent says.
 */
export async function complete(
  doors: AgentDoors,
  agent: AgentRecord,
  ask: CompleteAsk,
): Promise<CompleteAnswer> {
  const invalid = await findInvalid(doors.blobs, ask);
  // Of a job that is over or erased the bytes may be gone: a latecomer hears that it is late, not that it erred.
  if (invalid !== undefined && (await isHolder(doors.store, agent, ask)))
    throw new Fault("input", "output_invalid", `The output ${invalid} is not stored as it was described.`);
  const applied = await apply(doors, ask.job, {
    type: "completed",
    stage: ask.stage,
    epoch: ask.epoch,
    agent: agent.id,
    outputs: ask.outputs,
    timings: ask.timings,
    warnings: ask.warnings,
    can: agent.can,
    ...(ask.analysis === undefined ? {} : { analysis: ask.analysis }),
    ...(ask.model === undefined ? {} : { model: ask.model }),
    ...(ask.nextClaimId === undefined ? {} : { nextClaimId: ask.nextClaimId }),
  }).catch(leftToSweeper);
  if (applied === undefined) return { verdict: "stale" };
  const { job } = applied;
  const done = stageOf(job, ask.stage);
  if (done.status !== "done" || done.epoch !== ask.epoch || done.agent !== agent.id)
    return { verdict: "stale" };
  const stage = ask.nextClaimId === undefined ? undefined : grantedTo(job, ask.nextClaimId);
  if (stage === undefined) return { verdict: "accepted" };
  return {
    verdict: "accepted",
    next: await leaseOf(doors.store, { job, stage, can: agent.can, now: doors.clock.now() }),
  };
}

export async function fail(doors: AgentDoors, agent: AgentRecord, ask: FailAsk): Promise<Verdict> {
  const { job: jobId, stage, epoch, failure, message } = ask;
  return settle(doors, jobId, { type: "failed", stage, epoch, agent: agent.id, failure, message });
}

export async function release(doors: AgentDoors, agent: AgentRecord, ask: ReleaseAsk): Promise<Verdict> {
  const { job: jobId, stage, epoch } = ask;
  return settle(doors, jobId, { type: "released", stage, epoch, agent: agent.id });
}

/** A latecomer, a repeat and a job that has been erased are all answered alike. */
async function settle(doors: AgentDoors, jobId: string, event: JobEvent): Promise<Verdict> {
  const applied = await apply(doors, jobId, event).catch(leftToSweeper);
  return { verdict: applied?.changed === true ? "accepted" : "stale" };
}

/**
 * The agent's process is known to have ended: no beat of it counts any more, and what it held is free at once
 * instead of after its lease. Called by the agent itself at a clean exit, or by the parent that reaped it.
 */
export async function gone(doors: AgentDoors, agentId: string): Promise<void> {
  const agent = await readAgent(doors.store, agentId);
  if (agent === undefined) return;
  const item = agentItem({ ...agent, runs: [], gone: true }, Number.MAX_SAFE_INTEGER);
  await doors.store.transact([{ op: "put", item, when: "exists" }]);
  // What it said it runs comes first; what it claimed since then is found among all that is leased.
  for (const { job } of agent.runs) await freeOf(doors, job, agentId);
  for (let shard = 0; shard < INDEX_SHARDS; shard++) {
    let cursor: string | undefined;
    for (let pages = 0; pages < GONE_PAGES_MAX; pages++) {
      const page = await doors.store.nominate("due", duePartition("lease", shard), {
        limit: PAGE_ROWS_MAX,
        ...(cursor === undefined ? {} : { cursor }),
      });
      for (const { pk, sk } of page.rows)
        if (sk === "JOB") await freeOf(doors, pk.slice("JOB#".length), agentId);
      cursor = page.cursor;
      if (cursor === undefined) break;
    }
  }
}

/** Looks at a job when this agent, which is gone, holds a stage of it. */
async function freeOf(doors: AgentDoors, jobId: string, agentId: string): Promise<void> {
  const found = await loadJob(doors.store, jobId).catch(leftToSweeper);
  if (found?.job.stages.some((stage) => stage.status === "leased" && stage.agent === agentId))
    await look(doors, jobId);
}

function grantedTo(job: Job, claimId: string): Stage | undefined {
  return job.stages.find((stage) => stage.status === "leased" && stage.claimId === claimId);
}

/** The name of an output that is not stored, or not as described, or without which the job could not go on. */
async function findInvalid(blobs: Blobs, ask: CompleteAsk): Promise<string | undefined> {
  if (ask.stage === "analyze" && ask.analysis === undefined) return "analysis";
  if (ask.stage === "finish" && ask.outputs["image"] === undefined) return "image";
  const prefix = outputPrefix(ask.job, ask.stage, ask.epoch);
  for (const [name, output] of Object.entries(ask.outputs)) {
    const stored = output.key.startsWith(prefix) ? await blobs.head(output.key) : undefined;
    if (stored === undefined || stored.sha256 !== output.sha256 || stored.bytes !== output.bytes) return name;
  }
  return undefined;
}

/** Whether the stage is still the agent's own. Once it is not, at this epoch it never will be again. */
async function isHolder(store: Store, agent: AgentRecord, ask: CompleteAsk): Promise<boolean> {
  const found = await loadJob(store, ask.job).catch(leftToSweeper);
  if (found === undefined) return false;
  const { status, epoch, agent: holder } = stageOf(found.job, ask.stage);
  return status === "leased" && epoch === ask.epoch && holder === agent.id;
}

function sha256(text: string): string {
  return hash("sha256", text);
}

/** In constant time for texts of any length. */
function sameText(a: string, b: string): boolean {
  return timingSafeEqual(hash("sha256", a, "buffer"), hash("sha256", b, "buffer"));
}
