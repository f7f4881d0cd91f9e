/** Everybody who sends photographs: accounts are opened, then their jobs and batches come. */
import { openAccount, sendBatch } from "./account-holder.ts";
import { sendJob } from "./customer.ts";
import { createFates } from "./fates.ts";
import type { MoneyStory } from "./money-story.ts";
import type { Rates } from "./profile.ts";
import { createProcess } from "./simulated-process.ts";
import type { World } from "./world.ts";

/** @returns when the last single job is sent, in milliseconds from the start. */
export function startCustomers(
  world: World,
  { story, harm }: { readonly story: MoneyStory; readonly harm: Rates },
): number {
  const { loop, shape, fates } = world;
  const process = createProcess(loop, { name: "customer", kind: "customer", skewMs: 0 });
  const accounts = new Map(
    story.accounts.map((account) => [account.org, openAccount(world, process, account)]),
  );
  for (const opening of accounts.values()) void world.track(opening);
  const openedOf = (org: string): Promise<void> => accounts.get(org) ?? Promise.resolve();
  let lastAt = 0;
  for (let n = 0; n < shape.jobs; n++) {
    const fate = fates.draw();
    lastAt = fate.at;
    void world.track(sendJob(world, process, { n, fate, opened: openedOf(fate.org) }));
  }
  for (const batch of story.batches) {
    const of = { rates: harm, arrivalMs: 1, orgs: 1, shortestMs: shape.stageMs[0] };
    const { draw } = createFates(world.draws("batch fates"), of);
    void world.track(sendBatch(world, process, { story: batch, opened: openedOf(batch.org), fate: draw }));
  }
  return lastAt;
}
