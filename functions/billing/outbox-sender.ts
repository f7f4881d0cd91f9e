/**
 * Sends what is owed: one row at a time, each by its own timer, so that one which fails holds up no other. A row goes
 * when it has arrived. Two senders at once send the same identifier twice, which is received once.
 */
import {
  isBlind,
  isGivenUp,
  outboxItem,
  putOffOwed,
  toRecon,
  type CustomerEvent,
  type MeterEvent,
  type Owed,
} from "#shared/domain/money/outbox.ts";
import type { Log } from "#shared/log.ts";
import type { Clock, Item, Key, Store } from "#shared/ports.ts";
import type { MeterDoor } from "./meter-door.ts";

export interface SenderDoors {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Absent: nothing is metered here. */
  readonly meter?: MeterDoor;
  /** Answers whether everybody who wants to know it has it. Absent: nobody wants to. */
  readonly deliver?: (event: CustomerEvent) => Promise<boolean>;
}

/** Sends one row, if it is due. Never throws for what the other side does; @throws Fault busy `store_busy`. */
export async function sendOwed(doors: SenderDoors, key: Key): Promise<void> {
  const stored = await doors.store.get(key);
  if (stored === undefined) return;
  const owed = stored.body as Owed;
  if (owed.dueAt > doors.clock.now()) return;
  switch (owed.kind) {
    case "meter":
      return sendMeterEvent(doors, stored, owed);
    case "event":
      return sendCustomerEvent(doors, stored, owed);
  }
}

async function sendMeterEvent(doors: SenderDoors, stored: Item, event: MeterEvent): Promise<void> {
  const { clock, log, meter } = doors;
  if (event.state === "recon") return;
  const { id: identifier, funding, rateClass, units, timestamp } = event;
  if (isBlind(event, clock.now())) {
    log.warn("meter_event_blind", { id: identifier, tries: event.tries });
    return replace(doors, stored, toRecon(event));
  }
  try {
    if (meter === undefined) throw new Error("no meter is set up");
    const answer = await meter.send({ identifier, funding, rateClass, units, timestamp });
    if (answer === "taken") return await remove(doors, stored);
    log.error("meter_event_refused", { id: identifier });
  } catch (error) {
    log.warn("meter_event_failed", { id: identifier, error });
    return replace(doors, stored, putOffOwed(event, clock.now()));
  }
  return replace(doors, stored, toRecon(event));
}

async function sendCustomerEvent(doors: SenderDoors, stored: Item, event: CustomerEvent): Promise<void> {
  const { clock, log, deliver } = doors;
  if (deliver === undefined) return remove(doors, stored);
  const isTaken = await deliver(event).catch((error: unknown) => {
    log.warn("event_failed", { id: event.id, error });
    return false;
  });
  if (isTaken) return remove(doors, stored);
  if (!isGivenUp(event, clock.now())) return replace(doors, stored, putOffOwed(event, clock.now()));
  log.warn("event_given_up", { id: event.id, tries: event.tries });
  return remove(doors, stored);
}

/** Refused where another sender was faster: then its word stands. */
async function replace({ store }: SenderDoors, { rev }: Item, owed: Owed): Promise<void> {
  await store.transact([{ op: "put", item: outboxItem(owed), when: { rev } }]);
}

async function remove({ store }: SenderDoors, { pk, sk, rev }: Item): Promise<void> {
  await store.transact([{ op: "delete", key: { pk, sk }, when: { rev } }]);
}
