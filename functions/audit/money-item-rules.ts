/** What must hold of the other money items, each seen with those it speaks of: invariants 3, 11 and 16. */
import type { Breach } from "./finding.ts";
import {
  AccountRow,
  BatchRow,
  ledgerKey,
  monthKey,
  MonthRow,
  OutboxRow,
  unratedKey,
  WindowRow,
} from "./money-rows.ts";
import { timerBreaches } from "./timer-rules.ts";
import { jobKey } from "#shared/domain/job.ts";
import type { Item, Store } from "#shared/ports.ts";

type Reader = Pick<Store, "get">;

const ENDED = ["succeeded", "failed", "canceled", "expired", "invalid"] as const;

/** What is still owed to others tells of something that has happened. */
export async function outboxBreaches(store: Reader, item: Item): Promise<Breach[]> {
  const owed = OutboxRow.safeParse(item.body).data;
  if (owed === undefined) return [["item_damaged", "it does not follow the schema of the outbox"]];
  const { kind, org, id, dueAt } = owed;
  if (item.pk !== `OUTBOX#${kind}#${org}` || !item.sk.endsWith(id))
    return [["item_misfiled", `it holds ${kind} ${id}`]];
  const timer = timerBreaches(item, owed.state === "recon" ? undefined : { id, at: dueAt });
  const lie = kind === "meter" ? await meterLie(store, owed) : await eventLie(store, owed);
  return lie === undefined ? timer : [...timer, ["event_orphaned", lie]];
}

async function meterLie(
  store: Reader,
  { org, id, month = "", units }: OutboxRow,
): Promise<string | undefined> {
  const rated = ledgerKey(org, month, id);
  const row = (
    (await store.get(rated)) ??
    (await store.get(unratedKey(org, month, id))) ??
    (await store.get(rated))
  )?.body as { units?: number } | undefined;
  if (row === undefined) return `${id} has no row of its month ${month}`;
  return row.units === units ? undefined : `it reports ${units} units, and the row has ${row.units}`;
}

async function eventLie(store: Reader, { subject = "", type = "" }: OutboxRow): Promise<string | undefined> {
  if (type === "batch.completed") {
    const batch = await store.get({ pk: `BATCH#${subject}`, sk: "BATCH" });
    return batch?.counters["pending"] === 0 ? undefined : `${subject} is not complete`;
  }
  const outcome = /^restoration\.(.+)$/.exec(type)?.[1];
  if (outcome === undefined) return undefined;
  const status = ((await store.get(jobKey(subject)))?.body as { status?: string } | undefined)?.status;
  const fits = status === outcome || (status === "expired" && outcome === "succeeded");
  return fits ? undefined : `${subject} is ${status ?? "not there"}, and it tells of ${type}`;
}

/** A window waits for its comparison, or has been compared for good. */
export async function windowBreaches(store: Reader, item: Item): Promise<Breach[]> {
  const row = WindowRow.safeParse(item.body).data;
  if (row === undefined) return [["item_damaged", "it does not follow the schema of a window"]];
  const { org, month, window, state, dueAt } = row;
  if (item.pk !== `WINDOW#${org}` || item.sk !== window)
    return [["item_misfiled", `it holds the window ${window}`]];
  const isClosed = state === "settled" || state === "disputed";
  const breaches = timerBreaches(item, isClosed ? undefined : { id: `${org}#${window}`, at: dueAt });
  const { counters = {} } = (await store.get(monthKey(org, month))) ?? {};
  if (counters[`metered:${window}`] === undefined)
    breaches.push(["month_missing", `MONTH#${month} does not count metered:${window}`]);
  if (state === "settled" && (counters[`open:${window}`] ?? 0) !== 0)
    breaches.push(["month_unbalanced", `it is settled with ${counters[`open:${window}`]} jobs open`]);
  if (state === "disputed") breaches.push(["window_disputed", `${window} of MONTH#${month}`]);
  return breaches;
}

/** A batch holds the bounds of the lines it has not handed on, and counts every line once. */
export async function batchBreaches(store: Reader, item: Item): Promise<Breach[]> {
  const batch = BatchRow.safeParse(item.body).data;
  if (batch === undefined) return [["item_damaged", "it does not follow the schema of a batch"]];
  const { id, org, lines, cursor, remainder, status, terms, dueAt } = batch;
  if (item.pk !== `BATCH#${id}` || item.sk !== "BATCH")
    return [["item_misfiled", `it holds the batch ${id}`]];
  const isOpen = status === "filling" || status === "canceling";
  const breaches = timerBreaches(item, isOpen ? { id, at: dueAt } : undefined);
  const held = status === "filling" ? (lines - cursor) * terms.bound : 0;
  if (cursor > lines || (status === "filled" && cursor < lines) || remainder !== held)
    breaches.push([
      "batch_unbalanced",
      `it is ${status} at ${cursor} of ${lines} lines and holds ${remainder} instead of ${held}`,
    ]);
  const counted = ["pending", ...ENDED].reduce((sum, name) => sum + (item.counters[name] ?? Number.NaN), 0);
  if (counted !== lines)
    breaches.push(["batch_unbalanced", `it counts ${counted} lines, pending and ended, and has ${lines}`]);
  if ((await store.get(monthKey(org, terms.month))) === undefined)
    breaches.push(["month_missing", `there is no MONTH#${terms.month}, in which it was accepted`]);
  return breaches;
}

/** A month by itself; its sums are compared with its rows in month-books.ts. */
export async function monthItemBreaches(_store: Reader, item: Item): Promise<Breach[]> {
  const month = MonthRow.safeParse(item.body).data;
  if (month === undefined) return [["item_damaged", "it does not follow the schema of a month"]];
  const key = monthKey(month.org, month.month);
  if (item.pk !== key.pk || item.sk !== key.sk) return [["item_misfiled", `it holds ${key.pk}/${key.sk}`]];
  const lacking = ["cap", "left", "open", "spent"].filter((name) => item.counters[name] === undefined);
  if (lacking.length === 0) return [];
  return [["month_unbalanced", `it does not count ${lacking.join(", ")}`]];
}

/** An account by itself; its balance is compared with its rows in account-books.ts. */
export async function accountItemBreaches(_store: Reader, item: Item): Promise<Breach[]> {
  const isWhole =
    AccountRow.safeParse(item.body).success &&
    item.counters["granted"] !== undefined &&
    item.counters["available"] !== undefined;
  return isWhole ? [] : [["item_damaged", "it does not follow the schema of an account"]];
}
