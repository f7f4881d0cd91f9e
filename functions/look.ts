/**
 * A look: is a leased stage still held by a living agent that says it runs it? Driven by the sweeper and by every
 * redelivery of a doorbell; either alone suffices.
 */
import { isHeld, nextLook } from "#shared/domain/lease.ts";
import type { Job } from "#shared/domain/job.ts";
import { isLeased } from "#shared/domain/stage.ts";
import { readAgent } from "./agents/agent-item.ts";
import { apply, loadJob, type ApplyDoors } from "./apply.ts";

/** Looks at every leased stage of the job; what is not held becomes ready again. Answers with the job as it is then. */
export async function look(doors: ApplyDoors, jobId: string): Promise<Job> {
  // The job first, then the agent, both strongly consistent: an agent read before its claim would look dead.
  let { job } = await loadJob(doors.store, jobId);
  for (const stage of job.stages.filter(isLeased)) {
    const agent = stage.agent === undefined ? undefined : await readAgent(doors.store, stage.agent);
    const now = doors.clock.now();
    const held = isHeld({ jobId, stage, agent }, now);
    const lookAt = nextLook(stage, agent, now);
    ({ job } = await apply(doors, jobId, {
      type: "looked",
      stage: stage.kind,
      epoch: stage.epoch,
      held,
      lookAt,
    }));
  }
  return job;
}
