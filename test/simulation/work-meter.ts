import type { Job } from "#shared/domain/job.ts";
import type { CompleteAsk } from "#shared/domain/message.ts";

/** The seconds of workers, and those of them that nobody needed. */
export interface WorkMeter {
  /** A finished stage was reported, perhaps not for the first time. */
  note(done: CompleteAsk, isAccepted: boolean): void;
  readonly seconds: number;
  /** Of stages that somebody else did, too. What a cancel made needless is not wasted. */
  readonly wastedSeconds: number;
}

export function createWorkMeter(jobs: ReadonlyMap<string, Job>): WorkMeter {
  const counted = new Set<string>();
  let seconds = 0;
  let wastedSeconds = 0;
  return {
    get seconds() {
      return seconds;
    },
    get wastedSeconds() {
      return wastedSeconds;
    },
    note(done, isAccepted) {
      const name = `${done.job} ${done.stage} ${done.epoch}`;
      if (counted.has(name)) return;
      counted.add(name);
      seconds += done.timings.seconds;
      const job = jobs.get(done.job);
      const isCanceled = job === undefined || job.status === "canceled" || job.erasure !== undefined;
      if (!isAccepted && !isCanceled) wastedSeconds += done.timings.seconds;
    },
  };
}
