import { VISIBILITY_MS } from "#shared/domain/limits.ts";
import { readDoorbell } from "#shared/domain/message.ts";
import type { Log } from "#shared/log.ts";
import type { Queue } from "#shared/ports.ts";

/** A message that names a job which may have work. It is no truth: lost or doubled, it changes nothing but latency. */
export interface HeardBell {
  readonly job: string;
  readonly receipt: string;
}

/**
 * Waits up to `waitMs` for one doorbell. What is no doorbell is deleted with a warning.
 * @throws what the queue throws, the signal's reason included.
 */
export async function hearDoorbell(
  doors: { queue: Queue; log: Log },
  waitMs: number,
  signal: AbortSignal,
): Promise<HeardBell | undefined> {
  const [delivery] = await doors.queue.receive({ max: 1, waitMs, visibilityMs: VISIBILITY_MS }, signal);
  if (delivery === undefined) return undefined;
  const bell = readDoorbell(delivery.body);
  if (bell !== undefined) return { job: bell.job, receipt: delivery.receipt };
  doors.log.warn("doorbell-unreadable", { id: delivery.id, bytes: delivery.body.length });
  await doors.queue.delete([delivery.receipt]);
  return undefined;
}
