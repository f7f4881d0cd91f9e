import { apply, leftToSweeper, loadJob } from "#functions/apply.ts";
import { gone, type AgentDoors } from "#functions/agents/agents.ts";
import { DUE_CLASSES, duePartition } from "#shared/domain/job.ts";
import { INDEX_SHARDS, PAGE_ROWS_MAX } from "#shared/domain/limits.ts";

/**
 * After a restart nobody from before is alive (the folder's lock says so): agents are gone, intakes are lost, and
 * uploads may have come unseen. All is said at once instead of being found by their timers. Costs no try of any image.
 */
export async function recover(doors: AgentDoors): Promise<void> {
  const dead = new Set<string>();
  for (const dueClass of DUE_CLASSES.filter((each) => each !== "retention")) {
    for (let shard = 0; shard < INDEX_SHARDS; shard++) {
      let cursor: string | undefined;
      do {
        const page = await doors.store.nominate("due", duePartition(dueClass, shard), {
          limit: PAGE_ROWS_MAX,
          ...(cursor === undefined ? {} : { cursor }),
        });
        for (const key of page.rows.filter((each) => each.sk === "JOB")) {
          const found = await loadJob(doors.store, key.pk.slice("JOB#".length)).catch(leftToSweeper);
          if (found === undefined) continue;
          const { job } = found;
          // The bytes may have arrived in the very moment the process died.
          const objectThere =
            job.status === "awaiting_upload" && (await doors.blobs.head(job.input.key)) !== undefined;
          // Repeats what is owed, too: whoever was to read it is gone.
          if (objectThere || job.intake.status === "ready") await apply(doors, job.id, { type: "uploaded" });
          if (job.intake.status === "running")
            await apply(doors, job.id, { type: "intake-lost", epoch: job.intake.epoch, why: "reader" });
          for (const stage of job.stages)
            if (stage.status === "leased" && stage.agent !== undefined) dead.add(stage.agent);
        }
        cursor = page.cursor;
      } while (cursor !== undefined);
    }
  }
  for (const agent of dead) await gone(doors, agent);
}
