/** A worker that computes nothing: it takes its time, writes its outputs, and fails as the seed says. */
import type { BlobRef } from "#shared/domain/blob.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { Lease } from "#shared/domain/message.ts";
import type { Failure } from "#shared/domain/stage.ts";
import type { Blobs } from "#shared/ports.ts";
import type { RunOutcome, Worker, WorkerAbility } from "#agent/worker/protocol.ts";
import { inject, injectedOf, type Fate } from "./fates.ts";
import { sampleAnalysis } from "../domain/sample-analysis.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { World } from "./world.ts";

export interface SimulatedWorker extends Worker {
  readonly isBusy: boolean;
  /** How many it has begun. */
  readonly runs: number;
  /** What it runs now. */
  readonly lease: Lease | undefined;
  /** Since when it says nothing any more. */
  readonly hungAt: number | undefined;
}

/** What is going wrong with a run besides what its job is doomed to. */
type Ill = "none" | "crash" | "hang" | "oom" | "transient" | "model" | "device";

const PROGRESS_MS = 20_000;
const BLOB_TRIES_MAX = 5;
const TILES = 10;
/** One, two and four units. */
const SIZES = [
  { width: 1_000, height: 1_000 },
  { width: 6_000, height: 6_000 },
  { width: 9_000, height: 9_000 },
] as const;
/** An innocent job is spared so many failures of a class that its budget never ends by chance alone. */
const SPARED = { death: 2, oom: 2, model: 2, transient: 4, device: 2, misreport: 1, bug: 5 } as const;
/** How soon a broken node fails. */
const BROKEN_MS = [5, 50] as const;

export function createSimulatedWorker(
  world: World,
  process: SimulatedProcess,
  parts: { readonly blobs: Blobs; readonly ability: WorkerAbility; readonly isBroken: boolean },
): SimulatedWorker {
  const draws = world.draws("worker");
  const { clock } = process;
  const { blobs, ability } = parts;
  let readyAt = clock.now() + draws.between(500, 3_000);
  let runs = 0;
  let running: Lease | undefined;
  let hungAt: number | undefined;
  let end: ((outcome: RunOutcome) => void) | undefined;
  const [shortMs, longMs] = world.shape.stageMs;

  function illness(fate: Fate, { stage }: Lease): Ill {
    const rates = world.rates();
    const roll = draws.unit();
    const isSpared = (what: keyof typeof SPARED): boolean => injectedOf(fate, stage, what) >= SPARED[what];
    let sum = rates.workerCrashes;
    if (roll < sum) return isSpared("death") ? "none" : "crash";
    sum += rates.workerHangs;
    if (roll < sum) return isSpared("death") ? "none" : "hang";
    sum += rates.workerOutOfMemory;
    if (roll < sum) return isSpared("oom") ? "none" : "oom";
    sum += rates.workerTransient;
    if (roll < sum) return isSpared("transient") ? "none" : "transient";
    sum += rates.workerBadModel;
    if (roll < sum) return isSpared("model") ? "none" : "model";
    sum += rates.deviceFaults;
    if (roll < sum) return isSpared("device") ? "none" : "device";
    return "none";
  }

  function die(how: string): RunOutcome {
    readyAt = clock.now() + draws.between(1_000, 4_000);
    return { type: "died", how };
  }

  async function work(
    lease: Lease,
    onProgress: Parameters<Worker["run"]>[1],
    stop: AbortSignal,
  ): Promise<RunOutcome> {
    const fate = world.fates.of(lease.job);
    // Misreporting counts as a bug, too: seen on two agents it would be the photograph's.
    const isMisled = injectedOf(fate, lease.stage, "misreport") > 0;
    if (parts.isBroken && !isMisled && injectedOf(fate, lease.stage, "bug") < SPARED.bug) {
      await clock.sleep(draws.between(...BROKEN_MS), stop);
      return failed(fate, lease, { what: "bug", failure: "bug" });
    }
    const ill = illness(fate, lease);
    const workMs = draws.between(shortMs, longMs);
    const isPoison = fate.poisonStage === lease.stage;
    const until = clock.now() + (isPoison || ill !== "none" ? workMs * draws.unit() : workMs);
    await insist(() => blobs.download(lease.image.key, "image"));
    for (let rest = until - clock.now(); rest > 0; rest = until - clock.now()) {
      await clock.sleep(Math.min(PROGRESS_MS, rest), stop);
      const fraction = Math.max(0, Math.min(1, 1 - (until - clock.now()) / workMs));
      onProgress({ fraction, tilesDone: Math.floor(fraction * TILES), tilesTotal: TILES, doing: "running" });
    }
    if (fate.killsAgentAt === lease.stage) {
      inject(fate, lease.stage, "agent");
      world.kill(process);
      return await new Promise(() => undefined);
    }
    if (fate.tooLargeAt === lease.stage) return failed(fate, lease, { what: "oom", failure: "gpu_oom" });
    if (isPoison || ill === "crash") {
      inject(fate, lease.stage, "death", process.name);
      return die(isPoison ? "signal SIGSEGV" : "exit code 1");
    }
    if (ill === "hang") {
      inject(fate, lease.stage, "death", process.name);
      hungAt = world.loop.now();
      // Until its supervisor kills it.
      return await new Promise(() => undefined);
    }
    if (ill === "oom") return failed(fate, lease, { what: "oom", failure: "gpu_oom" });
    if (ill === "transient") return failed(fate, lease, { what: "transient", failure: "transient_io" });
    if (ill === "device") return failed(fate, lease, { what: "device", failure: "gpu_fault" });
    if (ill === "model") return failed(fate, lease, { what: "model", failure: "model_invalid" });
    const nonce = Buffer.from(draws.entropy(8)).toString("hex");
    const key = `${lease.outputPrefix}${nonce}.image.tif`;
    const bytes = Buffer.from(`${key} by ${process.name}`);
    const image =
      lease.stage === "analyze" ? undefined : await insist(() => blobs.write(key, bytes, "image/tiff"));
    const said = image === undefined ? undefined : misreported(fate, lease, image);
    return {
      type: "done",
      result: {
        outputs: said === undefined ? {} : { image: { ...said, ...draws.pick(SIZES) } },
        timings: { seconds: workMs / 1000, modelSeconds: 0, loadSeconds: 0 },
        warnings: [],
        ...(lease.stage === "analyze" ? { analysis: sampleAnalysis({ noise: draws.unit() * 0.05 }) } : {}),
        ...(lease.model === undefined ? {} : { model: lease.model }),
      },
    };
  }

  /** As the worker tells of it; now and then another object, other bytes, or what it was given itself. */
  function misreported<T extends BlobRef>(fate: Fate, { stage, image }: Lease, written: T): T {
    const isMisled = draws.chance(world.rates().workerMisreports);
    const isSpared = injectedOf(fate, stage, "misreport") >= SPARED.misreport;
    if (!isMisled || isSpared || injectedOf(fate, stage, "bug") > 0) return written;
    inject(fate, stage, "misreport");
    return draws.pick([
      { ...written, key: `${written.key}x` },
      { ...written, sha256: "0".repeat(64) },
      { ...written, key: image.key, sha256: image.sha256, bytes: image.bytes },
    ]);
  }

  async function insist<T>(call: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof Fault && error.retryable) || tries >= BLOB_TRIES_MAX) throw error;
        await clock.sleep(200 * 2 ** tries);
      }
    }
  }

  return {
    get runs() {
      return runs;
    },
    get lease() {
      return running;
    },
    get hungAt() {
      return hungAt;
    },
    get isBusy() {
      return end !== undefined;
    },
    async ready(signal) {
      for (let rest = readyAt - clock.now(); rest > 0; rest = readyAt - clock.now())
        await clock.sleep(rest, signal);
      return ability;
    },
    run(lease, onProgress, signal) {
      runs += 1;
      running = lease;
      return new Promise((resolve) => {
        const over = new AbortController();
        const abort = (): void => {
          // Obeyed between tiles.
          process.clock.sleep(draws.between(20, 800), over.signal).then(
            () => finish({ type: "aborted" }),
            () => undefined,
          );
        };
        const finish = (outcome: RunOutcome): void => {
          if (end !== finish) return;
          end = undefined;
          running = undefined;
          hungAt = undefined;
          signal.removeEventListener("abort", abort);
          over.abort();
          resolve(outcome);
        };
        end = finish;
        if (signal.aborted) abort();
        else signal.addEventListener("abort", abort, { once: true });
        work(lease, onProgress, over.signal).then(finish, (error: unknown) => {
          if (over.signal.aborted) return;
          if (!(error instanceof Fault)) world.bug("a worker threw", error);
          inject(world.fates.of(lease.job), lease.stage, "transient");
          finish({
            type: "failed",
            result: { failure: "transient_io", message: "An object could not be read or written." },
          });
        });
      });
    },
    kill() {
      end?.(die("signal SIGKILL"));
    },
    hot: () => [],
    foresee: () => undefined,
  };
}

function failed(
  fate: Fate,
  { stage }: Lease,
  as: { readonly what: "oom" | "transient" | "model" | "device" | "bug"; readonly failure: Failure },
): RunOutcome {
  inject(fate, stage, as.what);
  return { type: "failed", result: { failure: as.failure, message: "As the seed says." } };
}
