import type { ExpectedJob, StageAsk } from "#agent/vram/pool-queue.ts";
import type { BenchModel, RealPool } from "./real-pool.ts";
import type { StreamJob } from "./stage-stream.ts";

const never = new AbortController().signal;

interface JobInSight {
  readonly id: string;
  readonly work: StreamJob;
  /** Stages that have begun. */
  begun: number;
}

/**
 * Sends a stream of jobs through the pool, `inSight` of them at a time: the next comes when one has ended. All of them
 * are known to the pool in the order of their arrival, and each waits with its next stage before it gives back the model
 * of the one before, so that nobody seems to have left who has not.
 */
export async function runStream(
  { pool, run }: Pick<RealPool, "pool" | "run">,
  ask: {
    readonly jobs: readonly StreamJob[];
    readonly models: readonly BenchModel[];
    readonly inSight: number;
    onStage(done: number): void;
  },
): Promise<void> {
  const { jobs, models, inSight, onStage } = ask;
  const queue: JobInSight[] = [];
  const playing = new Set<Promise<void>>();
  let arrived = 0;
  let done = 0;

  const stageOf = ({ id, work }: JobInSight, nth: number): StageAsk => ({
    job: id,
    stage: String(nth),
    model: models[work[nth]!]!.id,
    activationBytes: 0,
  });

  const expected = (job: JobInSight): ExpectedJob => ({
    id: job.id,
    stages: job.work
      .map((_, nth) => nth)
      .slice(job.begun)
      .map((nth) => {
        const { stage, model, activationBytes } = stageOf(job, nth);
        return { id: stage, model, activationBytes };
      }),
  });

  /** As many as may be in sight; all are told of before the first waits. */
  function admit(): void {
    const fresh: JobInSight[] = [];
    for (; queue.length < inSight && arrived < jobs.length; arrived += 1) {
      const job = { id: `job_${String(arrived).padStart(5, "0")}`, work: jobs[arrived]!, begun: 0 };
      queue.push(job);
      fresh.push(job);
    }
    if (fresh.length === 0) return;
    pool.expect(queue.map(expected));
    for (const job of fresh) {
      const playingJob = playJob(job).finally(() => playing.delete(playingJob));
      playing.add(playingJob);
    }
  }

  async function playJob(job: JobInSight): Promise<void> {
    let next = pool.take(stageOf(job, 0), never);
    for (let nth = 0; nth < job.work.length; nth += 1) {
      await using lease = await next;
      job.begun = nth + 1;
      await run(lease, stageOf(job, nth).model);
      onStage((done += 1));
      if (nth + 1 < job.work.length) {
        next = pool.take(stageOf(job, nth + 1), never);
        // Waited for at the next turn.
        next.catch(() => undefined);
      } else {
        queue.splice(queue.indexOf(job), 1);
        admit();
      }
    }
  }

  admit();
  while (playing.size > 0) await Promise.race(playing);
}
