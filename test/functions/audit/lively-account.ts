/** An account with something of everything, what the audit says of it, and ways to damage it. */
import { expect } from "vitest";
import { awsEngine } from "../../contract/aws-engines.ts";
import {
  accept,
  acceptBatch,
  end,
  lease,
  moneyWorld,
  ORG,
  rate,
  type Money,
} from "../billing/money-world.ts";
import { writeRaw } from "./broken-store.ts";
import { audit, type AuditCounts } from "#functions/audit/audit.ts";
import type { Finding } from "#functions/audit/finding.ts";
import { cancelBatch, runBatch } from "#functions/billing/batch-runner.ts";
import { grantMoney } from "#functions/billing/grants.ts";
import type { MeterDoor } from "#functions/billing/meter-door.ts";
import { changeSettings } from "#functions/billing/settings.ts";
import { createMemoryStore } from "#shared/adapters/memory-store.ts";
import { jobIdOf } from "#shared/domain/money/batch.ts";
import type { Clock, Draft, Item, Key, Store, StoreScan } from "#shared/ports.ts";

type Scanned = Store & StoreScan;

export interface World {
  readonly money: Money;
  readonly store: Scanned;
}

export const DYNAMO = awsEngine("dynamodb");
export const NOVEMBER = { pk: `ORG#${ORG}`, sk: "MONTH#2026-11" };
export const ACCOUNT = { pk: `ORG#${ORG}`, sk: "ACCOUNT" };

export function world(make: (clock: Clock) => Scanned = (clock) => createMemoryStore({ clock })): World {
  let store: Scanned | undefined;
  const meter: MeterDoor = {
    send: async () => "taken",
    read: async () => 0,
    billLate: async () => undefined,
  };
  const isInvalid = (line: number) => line % 5 === 3;
  const money = moneyWorld({ store: (clock) => (store = make(clock)), isInvalid, meter });
  if (store === undefined) throw new Error("the world has made no store");
  return { money, store };
}

interface Audited {
  readonly counts: AuditCounts;
  readonly findings: readonly Finding[];
  readonly uncompared: readonly Key[];
}

/** @param meanwhile happens in every pause. */
export async function audited(
  { money, store }: World,
  meanwhile: () => Promise<void> = async () => undefined,
): Promise<Audited> {
  const findings: Finding[] = [];
  const uncompared: Key[] = [];
  const clock = { now: money.clock.now, sleep: meanwhile };
  const counts = await audit(
    { store, clock, ...(money.doors.prices === undefined ? {} : { prices: money.doors.prices }) },
    {
      parts: 1,
      onFinding: (finding) => findings.push(finding),
      onUncompared: (key) => uncompared.push(key),
      onProgress: () => undefined,
    },
  );
  return { counts, findings: findings.filter(isMoney), uncompared };
}

/** These jobs begin at their last stage, and so are no whole jobs: of them only what money says counts. */
function isMoney({ kind, key }: Finding): boolean {
  return !key.pk.startsWith("JOB#") || /^(row|units|month)_/.test(kind);
}

export async function kinds(at: World): Promise<string[]> {
  const { findings, uncompared } = await audited(at);
  expect(uncompared).toEqual([]);
  return [...new Set(findings.map(({ kind }) => kind))].toSorted();
}

/** Writes an item anew as it is, but for what `change` says. */
export async function damage(store: Store, key: Key, change: (item: Item) => Partial<Draft>): Promise<void> {
  const item = await store.get(key);
  if (item === undefined) throw new Error(`there is no ${key.pk}/${key.sk} to damage`);
  const { body, counters, indexes } = structuredClone(item);
  await writeRaw(store, { ...key, body, counters, indexes, ...change(structuredClone(item)) });
}

export const fields =
  (change: Record<string, unknown>) =>
  ({ body }: Item): Partial<Draft> => ({ body: { ...(body as object), ...change } });
export const counts =
  (change: Record<string, number>) =>
  ({ counters }: Item): Partial<Draft> => ({ counters: { ...counters, ...change } });

export const remove = async (store: Store, key: Key): Promise<void> =>
  void (await store.transact([{ op: "delete", key }]));
export const unrated = (row: string) => ({ pk: `UNRATED#${ORG}`, sk: `2026-11#${row}` });
export const ledger = (row: string) => ({ pk: `ORG#${ORG}`, sk: `LEDGER#2026-11#${row}` });

/**
 * An account with something of everything. @param look is called after every step.
 * @returns ids: a job that lives, one that waits for the rater, one that was charged, and a batch in the middle.
 */
export async function lively(at: World, look: (step: string) => Promise<void> = async () => undefined) {
  const { money } = at;
  await changeSettings(money.doors, ORG, { cap: 90_000, keyCaps: { key_1: 50_000 }, funding: "prepaid" });
  const payment = {
    org: ORG,
    id: "pay_1",
    amount: 60_000,
    reason: "payment",
    createdAt: money.clock.now(),
  } as const;
  await grantMoney(money.doors, payment);
  await look("a payment");
  const charged = await accept(money, { key: "key_1" });
  await look("an accept");
  await end(money, charged.id, "succeeded");
  await look("an end");
  await rate(money);
  await look("a rating");
  for (const how of ["failed", "canceled", "late"] as const) await end(money, (await accept(money)).id, how);
  await rate(money);
  await look("ends that cost nothing");
  const batch = await acceptBatch(money, { lines: 50, rateClass: "flex", units: 1, key: "key_1" });
  await look("a batch that has not begun");
  await runBatch(money.doors, batch.id);
  await look("a batch that was handed on");
  await lease(money, jobIdOf(batch.id, 0));
  await end(money, jobIdOf(batch.id, 0), "succeeded", 9);
  await rate(money);
  await look("a line that was rated");
  await changeSettings(money.doors, ORG, { cap: 40_000, funding: "sub_1" });
  const metered = await accept(money, { units: 2 });
  await look("a job of a subscription");
  await end(money, metered.id, "succeeded", 30);
  await rate(money);
  await look("units that are owed to the meter");
  await changeSettings(money.doors, ORG, { funding: "prepaid" });
  const other = await acceptBatch(money, { lines: 9, units: 1 });
  await cancelBatch(money.doors, other.id);
  await look("a batch that was canceled");
  const waiting = await accept(money, { key: "key_1" });
  await end(money, waiting.id, "succeeded");
  const living = await accept(money);
  const filling = await acceptBatch(money, { lines: 60, units: 1 });
  await look("something of everything");
  return { living: living.id, waiting: waiting.id, charged: charged.id, metered: metered.id, batch, filling };
}

/** The store, where something happens each time after the rows that wait for the rater were read. */
export function moving({ store }: World, what: () => Promise<void>): Scanned {
  return {
    get: (key) => store.get(key),
    transact: (writes, token) => store.transact(writes, token),
    nominate: (index, pk, range) => store.nominate(index, pk, range),
    scan: (range) => store.scan(range),
    async list(pk, range) {
      if (pk.startsWith("UNRATED#")) await what();
      return await store.list(pk, range);
    },
  };
}
