import type { JobDemand, StageDemand } from "#agent/vram/demand.ts";
import { invariant } from "#shared/domain/fault.ts";

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type Job = Mutable<JobDemand>;

/** The jobs of a planner's world, in the order they arrived. */
export interface WorldQueue {
  readonly jobs: readonly JobDemand[];
  /** Stages that run now. */
  readonly runs: readonly WorldRun[];
  readonly maxOvertaken: number;
  readonly finished: number;
  /** A job whose shape the number decides. */
  arrive(draw: number, modelCount: number): void;
  /** @throws Error where the stage is not ready, or the overtaken are not just those earlier jobs that have one ready. */
  start(run: WorldRun, overtaken: readonly JobDemand[]): void;
  end(run: WorldRun): void;
  leave(job: JobDemand): void;
}

export interface WorldRun {
  readonly job: JobDemand;
  readonly stage: StageDemand;
}

const STAGES_MAX = 5;
const hasReady = ({ stages }: JobDemand): boolean => stages.some(({ isReady }) => isReady);

export function createWorldQueue(): WorldQueue {
  const jobs: Job[] = [];
  const runs: WorldRun[] = [];
  let arrived = 0;
  let maxOvertaken = 0;
  let finished = 0;

  function leave(job: JobDemand): void {
    const at = jobs.indexOf(job);
    if (at >= 0) jobs.splice(at, 1);
  }

  return {
    jobs,
    runs,
    get maxOvertaken() {
      return maxOvertaken;
    },
    get finished() {
      return finished;
    },
    leave,
    arrive(draw, modelCount) {
      const stages = Array.from({ length: 1 + (draw % STAGES_MAX) }, (_, nth) => ({
        id: String(nth),
        model: (draw + nth * (1 + (draw % 7))) % modelCount,
        activationBytes: (draw >> (nth + 1)) % 3,
        // Every third job begins with two stages side by side.
        isReady: nth === 0 || (nth === 1 && draw % 3 === 0),
      }));
      arrived += 1;
      jobs.push({ id: `j${arrived}`, isRunning: false, overtaken: 0, stages });
    },
    start(run, overtaken) {
      const { job, stage } = run as { job: Job; stage: StageDemand };
      invariant(stage.isReady && job.stages.includes(stage), "a stage that is ready");
      const earlier = jobs.slice(0, jobs.indexOf(job)).filter(hasReady);
      const isSame = earlier.length === overtaken.length && earlier.every((each) => overtaken.includes(each));
      invariant(isSame, "every earlier job that waits is overtaken, and no other");
      for (const each of earlier) maxOvertaken = Math.max(maxOvertaken, (each.overtaken += 1));
      job.isRunning = true;
      job.stages = job.stages.filter((each) => each !== stage);
      runs.push(run);
    },
    end(run) {
      const job: Job = run.job;
      runs.splice(runs.indexOf(run), 1);
      job.isRunning = runs.some((other) => other.job === job);
      if (job.isRunning) return;
      if (job.stages.length > 0) {
        if (!hasReady(job))
          job.stages = job.stages.map((each, nth) => (nth === 0 ? { ...each, isReady: true } : each));
        return;
      }
      // A job that was rejected while it ran has left already.
      if (jobs.includes(job)) finished += 1;
      leave(job);
    },
  };
}
