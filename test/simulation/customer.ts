/** A customer's program: creates a restoration under a key, sends the bytes, may cancel; repeats what was not answered. */
import { demandJob, readRestoration } from "#functions/api/restoration-object.ts";
import { createOnce } from "#functions/api/idempotency.ts";
import { prepareRestoration, startRestoration } from "#functions/api/restoration-create.ts";
import { apply } from "#functions/apply.ts";
import { uploadArrived } from "#functions/intake/arrival.ts";
import { Fault, invariant } from "#shared/domain/fault.ts";
import { jobKey, type Job } from "#shared/domain/job.ts";
import { Options } from "#shared/domain/options.ts";
import { callControl } from "./control-call.ts";
import type { ControlInstance } from "./control-instance.ts";
import type { Fate } from "./fates.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { World } from "./world.ts";

const TIMEOUT_MS = 10_000;
const AGAIN_MS = 1_000;
const AGAIN_MS_MAX = 30_000;
const UPLOAD_EVENT_TRIES = 3;

/** One job from its creation to the last thing its customer does about it. */
export async function sendJob(
  world: World,
  caller: SimulatedProcess,
  ask: { n: number; fate: Fate; opened: Promise<void> },
): Promise<void> {
  const { fate, n } = ask;
  await ask.opened;
  const { loop, engines, trace } = world;
  const draws = world.draws("customer");
  await caller.clock.sleep(Math.max(0, fate.at - (loop.now() - world.startMs)));
  const body = {
    ...Options.parse({
      retention_hours: 1,
      operations: { upscale: draws.pick([1, 2, 4] as const) },
      deadline: fate.deadline,
    }),
    input: { file: { content_type: "image/jpeg" as const, content_length: 1_000 } },
  };
  const create = async (instance: ControlInstance): Promise<string> => {
    const call = { route: "/v1/restorations", body };
    const { answer, replayed } = await createOnce(instance, { org: fate.org, key: `key-${n}`, call }, () =>
      prepareRestoration(instance, fate.org, body),
    );
    if (!replayed) await startRestoration(instance, answer.id);
    else world.sometimes.count("create repeated");
    return answer.id;
  };
  const id = await insist(world, caller, { op: "create", act: create }).catch((error: unknown) =>
    refused(world, error),
  );
  if (id === undefined) return;
  if (fate.repeatsCreate) {
    const again = await insist(world, caller, { op: "create", act: create });
    if (again !== id) world.bug(`one key created ${id} and ${again}`);
  }
  world.fates.assign(id, fate);
  world.accepted(id);
  trace.note(`${id} is sent by ${fate.org}`);
  if (fate.cancelAfterMs !== undefined) {
    loop.after(fate.cancelAfterMs, () => void world.track(cancel(world, caller, { id, org: fate.org })));
  }
  if (fate.eraseAfterMs !== undefined) {
    loop.after(fate.eraseAfterMs, () => void world.track(erase(world, caller, { id, org: fate.org })));
  }
  if (fate.neverUploads) return;
  await caller.clock.sleep(draws.between(50, 3_000));
  const stored = engines.store.get(jobKey(id));
  invariant(stored !== undefined, "what was accepted is stored");
  const { input, uploadBy } = stored.body as Job;
  const { key } = input;
  const isSent = await repeat(caller, () =>
    world.network.call(caller, "blobs", "customer.put", () => {
      // The address was signed until then.
      if (loop.now() >= uploadBy) return false;
      engines.blobs.put(key, key, "image/jpeg");
      return true;
    }),
  );
  if (!isSent) {
    fate.missesSlot = true;
    return;
  }
  if (fate.losesUploadEvent) return;
  await caller.clock.sleep(fate.uploadEventLateMs);
  // The event is delivered a few times, then given up.
  for (let tries = 1; tries <= UPLOAD_EVENT_TRIES; tries += 1) {
    try {
      const event = { caller, op: "upload-event", timeoutMs: TIMEOUT_MS };
      return await callControl(world, event, (instance) => uploadArrived(instance, key));
    } catch {
      await caller.clock.sleep(AGAIN_MS * 10 ** tries);
    }
  }
}

async function cancel(
  world: World,
  caller: SimulatedProcess,
  { id, org }: { id: string; org: string },
): Promise<void> {
  await insist(world, caller, {
    op: "cancel",
    act: async (instance) => {
      try {
        await readRestoration(instance.store, org, id);
      } catch (error) {
        if (!isErased(world, id, error)) throw error;
        return;
      }
      const { changed, job } = await apply(instance, id, { type: "cancel-asked" });
      if (changed) world.sometimes.count("cancel wins");
      else if (job.status === "succeeded") world.sometimes.count("complete wins against cancel");
    },
  });
}

async function erase(
  world: World,
  caller: SimulatedProcess,
  { id, org }: { id: string; org: string },
): Promise<void> {
  await insist(world, caller, {
    op: "erase",
    act: async (instance) => {
      await demandJob(instance.store, org, id);
      await apply(instance, id, { type: "erase-asked" });
    },
  });
}

function isErased(world: World, id: string, error: unknown): boolean {
  return (
    error instanceof Fault && error.kind === "missing" && world.checker.jobs.get(id)?.erasure !== undefined
  );
}

/** Nothing was taken, so nothing is lost. @throws any other error. */
export function refused(world: World, error: unknown): undefined {
  const code = error instanceof Fault ? error.code : undefined;
  if (code === "cap_reached") world.sometimes.count("cap reached");
  else if (code === "balance_exhausted") world.sometimes.count("balance exhausted");
  else throw error;
}

/** Calls again until there is an answer. @throws Fault that no repetition cures. */
export function insist<T>(
  world: World,
  caller: SimulatedProcess,
  ask: { readonly op: string; readonly act: (instance: ControlInstance) => Promise<T> },
): Promise<T> {
  return repeat(caller, () => callControl(world, { caller, op: ask.op, timeoutMs: TIMEOUT_MS }, ask.act));
}

async function repeat<T>(caller: SimulatedProcess, call: () => Promise<T>): Promise<T> {
  for (let pause = AGAIN_MS; ; pause = Math.min(AGAIN_MS_MAX, pause * 2)) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof Fault && error.retryable)) throw error;
      await caller.clock.sleep(pause);
    }
  }
}
