/**
 * Invariants 11 and 16 of one account: what was granted is available, charged, or held by what is not rated yet; and no
 * payment is credited twice. Compared over all its months.
 */
import type { Breach } from "./finding.ts";
import {
  charged,
  heldByBatch,
  openBatches,
  TooMany,
  unrated,
  type Holding,
  type MoneyReader,
} from "./holdings.ts";
import type { BookDoors } from "./month-books.ts";
import { pages } from "./pages.ts";
import { compareSettled, frameOf, type Compared } from "./snapshot.ts";
import type { Key } from "#shared/ports.ts";

/** Payments of one account that are told apart, and its months; beyond, it is not compared. */
const GRANTS_MAX = 100_000;
const MONTHS_MAX = 1_200;

/** @param pk of an account. @returns undefined when it kept moving, or holds more than is remembered. */
export async function accountBookBreaches(
  doors: BookDoors,
  { pk }: Pick<Key, "pk">,
  signal?: AbortSignal,
): Promise<Compared> {
  const org = pk.slice("ORG#".length);
  try {
    return await compareSettled(doors, (tries) => compareAccount(doors.store, org, tries), signal);
  } catch (error) {
    if (error instanceof TooMany) return undefined;
    throw error;
  }
}

async function compareAccount(store: MoneyReader, org: string, tries: number): Promise<Compared> {
  const batches = tries === 1 ? [] : await openBatches(store);
  const months = await monthKeys(store, org);
  const keys = [{ pk: `ORG#${org}`, sk: "ACCOUNT" }, ...months, ...batches];
  const frame = await frameOf(store, keys);
  const [account] = frame.items;
  if (account === undefined) return [];
  let held = 0;
  const add = ({ terms, micros }: Holding): void => void (held += terms.funding === "prepaid" ? micros : 0);
  for (const item of frame.items.slice(1 + months.length)) {
    const batch = heldByBatch(item?.body, { org });
    if (batch !== undefined) add(batch);
  }
  const isOpen = frame.items.slice(1, 1 + months.length).map((item) => (item?.counters["open"] ?? 0) > 0);
  const since = months[isOpen.indexOf(true)]?.sk.slice("MONTH#".length);
  for await (const each of unrated(store, { org }, since)) add(each);
  const grants = new Set<string>();
  const breaches: Breach[] = [];
  let granted = 0;
  const onGrant = ({ id, amount }: { id: string; amount: number }): void => {
    granted += amount;
    if (grants.has(id)) breaches.push(["credit_doubled", `the payment ${id} is credited twice`]);
    if (grants.add(id).size > GRANTS_MAX) throw new TooMany();
  };
  for await (const each of charged(store, { org }, onGrant)) add(each);
  const { granted: counted, available = Number.NaN } = account.counters;
  if (counted !== granted)
    breaches.push(["account_unbalanced", `${counted} is granted, the ledger says ${granted}`]);
  if (counted !== available + held)
    breaches.push(["account_unbalanced", `${counted} is granted, ${available} available and ${held} held`]);
  return (await frameOf(store, keys)).mark === frame.mark ? breaches : undefined;
}

/** In the order of time. */
async function monthKeys(store: MoneyReader, org: string): Promise<Key[]> {
  const keys: Key[] = [];
  for await (const items of pages((range) => store.list(`ORG#${org}`, { ...range, prefix: "MONTH#" }))) {
    keys.push(...items.map(({ pk, sk }) => ({ pk, sk })));
    if (keys.length > MONTHS_MAX) throw new TooMany();
  }
  return keys;
}
