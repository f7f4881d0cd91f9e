/** Whether the bell of a job came into the queue: where the sweeper is off, nobody else makes good for one that did not. */
import { readDoorbell } from "#shared/domain/message.ts";
import type { Job } from "#shared/domain/job.ts";

export interface Bells {
  /** A message the queue has taken, and keeps. */
  readonly sent: (body: string) => void;
  /** A job as it was and as it is now stored. */
  readonly stored: (before: Job | undefined, after: Job) => void;
  /** Whether one came since a stage of it last became ready. */
  readonly hasBell: (jobId: string) => boolean;
}

export function createBells(now: () => number): Bells {
  const sentAt = new Map<string, number>();
  const readyAt = new Map<string, number>();
  return {
    sent(body) {
      const job = readDoorbell(body)?.job;
      if (job !== undefined) sentAt.set(job, now());
    },
    stored(before, after) {
      const isNew = after.stages.some(
        ({ status }, i) => status === "ready" && before?.stages[i]?.status !== "ready",
      );
      if (isNew) readyAt.set(after.id, now());
    },
    hasBell: (jobId) => (sentAt.get(jobId) ?? -1) >= (readyAt.get(jobId) ?? 0),
  };
}
