/** Those who own the accounts: they set caps, pay in advance and send batches; each call is repeated until it is answered. */
import { createOnce } from "#functions/api/idempotency.ts";
import { cancelBatch, prepareBatch, runBatch } from "#functions/billing/batch-runner.ts";
import { grantMoney } from "#functions/billing/grants.ts";
import { changeSettings } from "#functions/billing/settings.ts";
import { Fault } from "#shared/domain/fault.ts";
import { newId } from "#shared/domain/id.ts";
import { NO_CAP } from "#shared/domain/limits.ts";
import { jobIdOf } from "#shared/domain/money/batch.ts";
import { Options } from "#shared/domain/options.ts";
import { insist, refused } from "./customer.ts";
import type { Fate } from "./fates.ts";
import type { AccountStory, BatchStory } from "./money-story.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { World } from "./world.ts";

/** Opens the account, and goes on with what is told of it later. Answers once it can be used. */
export async function openAccount(
  world: World,
  caller: SimulatedProcess,
  { org, funding, cap = NO_CAP, capLater, payments }: AccountStory,
): Promise<void> {
  const { startMs, loop } = world;
  const setCap = (to: number): Promise<unknown> =>
    insist(world, caller, {
      op: "settings",
      act: (instance) => changeSettings(instance, org, { funding, cap: to }),
    });
  const tell = (id: string, amount: number): Promise<void> =>
    insist(world, caller, {
      op: "grant",
      act: async (instance) => {
        const ask = { org, id, amount, reason: "payment", createdAt: startMs } as const;
        if (!(await grantMoney(instance, ask))) world.sometimes.count("grant announced twice");
      },
    });
  const at = async (ms: number, act: () => Promise<unknown>): Promise<void> => {
    await caller.clock.sleep(Math.max(0, ms - (loop.now() - startMs)));
    await act();
  };
  // An account that nobody has set anything for is billed by the ledger.
  if (funding !== "ledger" || cap !== NO_CAP) await setCap(cap);
  for (const { id, amount, toldAt } of payments) if (toldAt[0] === 0) await tell(id, amount);
  for (const { id, amount, toldAt } of payments)
    for (const ms of toldAt) if (ms > 0) void world.track(at(ms, () => tell(id, amount)));
  if (capLater !== undefined) void world.track(at(capLater.at, () => setCap(capLater.cap)));
}

/** A batch whose photographs lie there already; perhaps it is canceled soon. */
export async function sendBatch(
  world: World,
  caller: SimulatedProcess,
  ask: { readonly story: BatchStory; readonly opened: Promise<void>; readonly fate: () => Fate },
): Promise<void> {
  const { n, org, at, lines, key, invalidPercent, cancelAfterMs } = ask.story;
  const { loop, engines, money } = world;
  const draws = world.draws("batch");
  await ask.opened;
  await caller.clock.sleep(Math.max(0, at - (loop.now() - world.startMs)));
  const id = newId("bat", loop.now(), draws.entropy(10));
  const options = Options.parse({ retention_hours: 1 });
  const sheet = Array.from({ length: lines }, (_, line) => {
    if (draws.chance(invalidPercent / 100)) return { invalid: "no photograph" };
    const jobId = jobIdOf(id, line);
    world.fates.assign(jobId, {
      ...ask.fate(),
      org,
      neverUploads: false,
      cancelAfterMs,
      eraseAfterMs: undefined,
    });
    const input = { key: `jobs/${jobId}/input`, contentType: "image/jpeg", bytes: 1 };
    engines.blobs.put(input.key, input.key, input.contentType);
    return { options, input };
  });
  money.sheets.set(id, sheet);
  const call = { route: "/v1/batches", body: { lines } };
  const created = await insist(world, caller, {
    op: "create-batch",
    act: async (instance) => {
      const { replayed } = await createOnce(instance, { org, key: `batch-${n}`, call }, async () => {
        const { writes } = await prepareBatch(instance, {
          org,
          rateClass: "flex",
          units: 4,
          lines,
          batch: id,
          at: instance.clock.now(),
          ...(key === undefined ? {} : { key }),
        });
        return { writes, answer: id };
      });
      // It goes on by itself; should this instance die, its timer brings it back.
      if (!replayed) runBatch(instance, id).catch((error: unknown) => ifBusy(world, error));
      return true;
    },
  }).catch((error: unknown) => refused(world, error));
  if (created === undefined || cancelAfterMs === undefined) return;
  await caller.clock.sleep(cancelAfterMs);
  await insist(world, caller, { op: "cancel-batch", act: (instance) => cancelBatch(instance, id) });
}

function ifBusy(world: World, error: unknown): void {
  if (!(error instanceof Fault && error.retryable)) world.bug("a batch's runner threw", error);
}
