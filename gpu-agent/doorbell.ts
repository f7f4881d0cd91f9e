import { UNREADABLE_CHARS_MAX, VISIBILITY_MS } from "#shared/domain/limits.ts";
import { readDoorbell, type UnreadableAsk } from "#shared/domain/message.ts";
import type { Log } from "#shared/log.ts";
import type { Queue } from "#shared/ports.ts";

const ID_CHARS_MAX = 200;

/** A message that names a job which may have work. It is no truth: lost or doubled, it changes nothing but latency. */
export interface HeardBell {
  readonly job: string;
  readonly receipt: string;
}

/**
 * Waits up to `waitMs` for one doorbell. What is no doorbell is put aside and acknowledged.
 * @throws what the queue and putting aside throw, the signal's reason included.
 */
export async function hearDoorbell(
  doors: { queue: Queue; log: Log; putAside(message: UnreadableAsk): Promise<void> },
  waitMs: number,
  signal: AbortSignal,
): Promise<HeardBell | undefined> {
  const [delivery] = await doors.queue.receive({ max: 1, waitMs, visibilityMs: VISIBILITY_MS }, signal);
  if (delivery === undefined) return undefined;
  const bell = readDoorbell(delivery.body);
  if (bell !== undefined) return { job: bell.job, receipt: delivery.receipt };
  const { id, body } = delivery;
  const reason = "it is no doorbell: not JSON with the id of a job";
  doors.log.warn("doorbell-unreadable", { id, characters: body.length, reason });
  await doors.putAside({ id: id.slice(0, ID_CHARS_MAX), body: body.slice(0, UNREADABLE_CHARS_MAX), reason });
  await doors.queue.delete([delivery.receipt]);
  return undefined;
}
