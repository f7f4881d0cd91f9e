/** Carries out what a job is owed. Every command may be repeated; a failure is logged and left to the job's timer. */
import type { JobEvent } from "#shared/domain/event.ts";
import { blobPrefix, type Command } from "#shared/domain/job.ts";
import { PAGE_ROWS_MAX, QUEUE_DELAY_MS_MAX } from "#shared/domain/limits.ts";
import type { Blobs, Queue } from "#shared/ports.ts";
import type { Log } from "#shared/log.ts";

export interface PerformDoors {
  readonly queue: Queue;
  readonly blobs: Blobs;
  readonly log: Log;
  /** Starts reading the upload in the background. */
  readonly startIntake: (jobId: string) => void;
  /** Tells a job what was done for it. */
  readonly tell: (jobId: string, event: JobEvent) => Promise<unknown>;
  /** Has a month rated soon. Absent: the timers of its rows do it, a minute after each end. */
  readonly rate?: (org: string, month: string) => void;
}

export async function perform(doors: PerformDoors, command: Command): Promise<void> {
  try {
    await carryOut(doors, command);
  } catch (error) {
    doors.log.warn("command_failed", { command: command.do, job: command.job, error });
  }
}

async function carryOut(
  { queue, blobs, startIntake, tell, rate }: PerformDoors,
  command: Command,
): Promise<void> {
  switch (command.do) {
    case "ring": {
      // Beyond the queue's longest delay the job's own timer rings.
      if (command.delayMs > QUEUE_DELAY_MS_MAX) return;
      await queue.send([
        { body: JSON.stringify({ job: command.job }), group: command.org, delayMs: command.delayMs },
      ]);
      return;
    }
    case "intake":
      startIntake(command.job);
      return;
    case "discard": {
      await discard(blobs, command);
      await tell(command.job, { type: "discarded", kept: command.keep, at: command.at });
      return;
    }
    case "rate":
      rate?.(command.org, command.month);
      return;
  }
}

/** Deletes the upload and everything under the job's prefix but the keys to keep. */
async function discard(blobs: Blobs, command: Command & { do: "discard" }): Promise<void> {
  const keep = new Set(command.keep);
  if (!keep.has(command.input)) await blobs.delete(command.input);
  let cursor: string | undefined;
  do {
    const page = await blobs.list(blobPrefix(command.job), {
      limit: PAGE_ROWS_MAX,
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const key of page.rows) if (!keep.has(key)) await blobs.delete(key);
    cursor = page.cursor;
  } while (cursor !== undefined);
}
