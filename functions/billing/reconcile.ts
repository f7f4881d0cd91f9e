/** Compares a window with its meter, once, and sends the difference, if there is one (shared/domain/money/window.ts). */
import { meteredName, monthKey, openName, readMonth } from "#shared/domain/money/month.ts";
import { meterPrefix, outboxPartition, type MeterEvent } from "#shared/domain/money/outbox.ts";
import {
  differenceId,
  differenceSent,
  isClosed,
  needsReading,
  nextWindow,
  windowItem,
  type Window,
  type WindowFacts,
} from "#shared/domain/money/window.ts";
import { invariant } from "#shared/domain/fault.ts";
import { backoffMs, PAGE_ROWS_MAX } from "#shared/domain/limits.ts";
import type { Log } from "#shared/log.ts";
import type { Clock, Key, Store } from "#shared/ports.ts";
import type { MeterDoor } from "./meter-door.ts";

export interface ReconcileDoors {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: MeterDoor;
}

/** How soon a difference is sent again that was not answered: long before its identifier is forgotten. */
const SEND_AGAIN_MS = backoffMs(20);

/** One step of one window, if it is due. @throws Fault busy `store_busy`, and whatever the meter's reading throws. */
export async function reconcile(doors: ReconcileDoors, key: Key): Promise<void> {
  const { store, clock, log } = doors;
  const stored = await store.get(key);
  const window = stored?.body as Window | undefined;
  if (stored === undefined || window === undefined || isClosed(window) || window.dueAt > clock.now()) return;
  const next = nextWindow(window, await factsOf(doors, window), clock.now());
  if (next.state === "disputed") log.error("meter_disputed", { window: next });
  // What the comparison settles needs no sending of its own any more. First, so that a crash in between loses nothing.
  if (isClosed(next)) await forgetEvents(store, next);
  let { rev } = stored;
  if (next !== window) {
    // Stored before it is sent: whoever repeats it repeats this value.
    if (!(await store.transact([{ op: "put", item: windowItem(next), when: { rev } }])).ok) return;
    rev += 1;
  }
  if (next.state !== "owing") return;
  const sent = await sendDifference(doors, next);
  if (sent) await forgetEvents(store, next);
  const after = sent ? differenceSent(next) : { ...next, dueAt: clock.now() + SEND_AGAIN_MS };
  await store.transact([{ op: "put", item: windowItem(after), when: { rev } }]);
}

/** The month first, then what is pending, then the meter: what is still to come makes the next look start over. */
async function factsOf({ store, meter }: ReconcileDoors, window: Window): Promise<WindowFacts> {
  const stored = await store.get(monthKey(window.org, window.month));
  invariant(stored !== undefined, `the month of the window ${window.window} is there`);
  const { counters } = readMonth(stored);
  let pending = 0;
  for await (const { body } of eventsOf(store, window))
    if ((body as MeterEvent).state === "pending") pending += 1;
  const { funding, rateClass } = window;
  return {
    open: counters[openName(window.window)] ?? 0,
    units: counters[meteredName(window.window)] ?? 0,
    pending,
    ...(needsReading(window)
      ? { reading: await meter.read({ funding, rateClass, day: dayOf(window) }) }
      : {}),
  };
}

/** Whether it has arrived for certain. */
async function sendDifference({ meter, log }: ReconcileDoors, window: Window): Promise<boolean> {
  const { difference, funding, rateClass } = window;
  invariant(difference !== undefined, "what is owing has a difference");
  const sending = {
    identifier: differenceId(window),
    funding,
    rateClass,
    units: difference.units,
    // The last moment of the window: the same month's invoice, and as young as may be.
    timestamp: Date.parse(`${dayOf(window)}T23:59:59.000Z`),
  };
  try {
    if (!difference.late) return (await meter.send(sending)) === "taken";
    await meter.billLate(sending);
    return true;
  } catch (error) {
    log.warn("difference_failed", { window: window.window, error });
    return false;
  }
}

async function forgetEvents(store: Store, window: Window): Promise<void> {
  for await (const { pk, sk } of eventsOf(store, window))
    await store.transact([{ op: "delete", key: { pk, sk } }]);
}

async function* eventsOf(store: Store, { org, window }: Window): AsyncGenerator<Key & { body: unknown }> {
  let cursor: string | undefined;
  do {
    const page = await store.list(outboxPartition("meter", org), {
      limit: PAGE_ROWS_MAX,
      prefix: meterPrefix(window),
      ...(cursor === undefined ? {} : { cursor }),
    });
    yield* page.rows;
    cursor = page.cursor;
  } while (cursor !== undefined);
}

function dayOf({ window }: Window): string {
  return window.slice(0, "yyyy-mm-dd".length);
}
