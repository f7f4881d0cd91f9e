/** What a money row that is due gets: the sweeper's half of billing. */
import { rateMonth, type RaterDoors } from "./rater.ts";
import { reconcile } from "./reconcile.ts";
import { sendOwed, type SenderDoors } from "./outbox-sender.ts";
import { runBatch, type BatchDoors } from "./batch-runner.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { Key } from "#shared/ports.ts";

export type MoneyDoors = RaterDoors & SenderDoors & Omit<BatchDoors, "readLines"> & Partial<BatchDoors>;

/** Whether a key that is due is one of money. */
export function isMoney({ pk }: Key): boolean {
  return /^(UNRATED|OUTBOX|WINDOW|BATCH)#/.test(pk);
}

/**
 * @param rated the months of this round, `<org>#<month>`: many rows name the same one, which is rated once.
 * @throws Fault busy `store_busy`; anything else puts the row off and pages.
 */
export async function handleMoney(doors: MoneyDoors, key: Key, rated: Set<string>): Promise<void> {
  const [kind, rest] = split(key.pk);
  switch (kind) {
    case "UNRATED": {
      const [month] = split(key.sk);
      const name = `${rest}#${month}`;
      if (rated.has(name)) return;
      rated.add(name);
      await rateMonth(doors, { org: rest, month });
      return;
    }
    case "OUTBOX":
      return sendOwed(doors, key);
    case "WINDOW": {
      const { meter } = doors;
      if (meter === undefined) throw new Error("no meter is set up");
      return reconcile({ ...doors, meter }, key);
    }
    default: {
      const { readLines } = doors;
      if (readLines === undefined) throw new Fault("busy", "batches_closed", "No batch is run here.");
      return runBatch({ ...doors, readLines }, rest);
    }
  }
}

function split(text: string): [string, string] {
  const at = text.indexOf("#");
  return [text.slice(0, at), text.slice(at + 1)];
}
