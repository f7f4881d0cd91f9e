/** The consumer of doorbells that were heard too often. The queue is no truth: what a dead letter means, the store says. */
import { leftToSweeper, loadJob, type ApplyDoors } from "./apply.ts";
import { look } from "./look.ts";
import { Fault } from "#shared/domain/fault.ts";
import { isTerminal } from "#shared/domain/job.ts";
import { readDoorbell } from "#shared/domain/message.ts";
import type { Queue } from "#shared/ports.ts";

/**
 * A job that has ended, or is gone, needs no bell any more; any other is looked at and rung for again, so that a bell
 * that died costs nothing but time.
 * @throws Fault input `message_unreadable` for what is no doorbell.
 */
export async function deadLetter(doors: ApplyDoors & { readonly queue: Queue }, body: string): Promise<void> {
  const bell = readDoorbell(body);
  if (bell === undefined) throw new Fault("input", "message_unreadable", "The message is no doorbell.");
  const found = await loadJob(doors.store, bell.job).catch(leftToSweeper);
  if (found === undefined || isTerminal(found.job.status)) return;
  const job = await look(doors, bell.job);
  if (!isTerminal(job.status)) await doors.queue.send([{ body, group: job.org }]);
}
