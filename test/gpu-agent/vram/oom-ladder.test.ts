import { expect, test } from "vitest";
import { activationBytesOf, NO_FOOTPRINT, withSample } from "#agent/vram/footprint.ts";
import { nextOomStep, type OomCase, type OomStep } from "#agent/vram/oom-ladder.ts";
import { Fault } from "#shared/domain/fault.ts";
import { createPoolWorld, stageOf } from "./pool-world.ts";

const never = new AbortController().signal;
const MEBIBYTE = 2 ** 20;
const CASE: OomCase = {
  model: "enlarger",
  tilePixels: 4_096,
  tilePixelsMin: 256,
  sessionBytes: 64 * MEBIBYTE,
  tried: [],
};

/** All that is tried for a run that is refused memory every time. */
function climb(start: OomCase): OomStep[] {
  const steps: OomStep[] = [];
  let { tilePixels } = start;
  for (;;) {
    const step = nextOomStep({ ...start, tilePixels, tried: steps.map(({ kind }) => kind) });
    steps.push(step);
    if (step.kind === "fail") return steps;
    if (step.kind === "smaller-tile") ({ tilePixels } = step);
  }
}

const kinds = (start: OomCase): string[] => climb(start).map(({ kind }) => kind);

test("the cheapest is tried first: smaller tiles, idle models, a new worker, the processor, and then it fails", () => {
  expect(climb(CASE).slice(0, 3)).toEqual(
    [2_048, 1_024, 512].map((tilePixels) => ({ kind: "smaller-tile", tilePixels })),
  );
  expect(kinds(CASE).slice(3)).toEqual(["evict-idle", "recycle", "cpu", "fail"]);
});

test("a tile is never smaller than the model can work with", () => {
  expect(kinds({ ...CASE, tilePixelsMin: 4_096 })[0]).toBe("evict-idle");
  expect(kinds({ ...CASE, tilePixelsMin: 2_000 }).slice(0, 2)).toEqual(["smaller-tile", "evict-idle"]);
});

test("a large model is not sent to the processor", () => {
  expect(kinds({ ...CASE, sessionBytes: 2_048 * MEBIBYTE })).not.toContain("cpu");
});

test("the last failure is a typed one that names the model", () => {
  const last = climb(CASE).at(-1);
  expect(last).toMatchObject({ kind: "fail", fault: { kind: "busy", code: "memory_exhausted" } });
  expect(last?.kind === "fail" && last.fault.message).toContain("enlarger");
});

test("on a device a run that needs more than was declared climbs until it fits, and the next one begins there", async () => {
  const world = createPoolWorld({ models: { idle: 40, enlarger: 20 }, deviceBytes: 100 });
  const idle = world.use(stageOf("idle"), 10);
  await world.clock.advance(5_000);
  await idle;

  // A pixel takes what is planned for it, and three times more.
  let footprint = NO_FOOTPRINT;
  async function enlarge(tilePixelsWanted: number): Promise<string[]> {
    const tried: OomStep["kind"][] = [];
    let tilePixels = Math.min(tilePixelsWanted, footprint.tilePixelsMax ?? Infinity);
    for (;;) {
      const activationBytes = activationBytesOf(footprint, { tilePixels, declaredBytesPerPixel: 1 });
      const run = { activationBytes: 4 * tilePixels, ms: 10 };
      try {
        await using lease = await world.pool.take(stageOf("enlarger", { activationBytes }), never);
        const { peakBytes = 0 } = await lease.run(run, never);
        footprint = withSample(footprint, { what: "peak", tilePixels, bytes: peakBytes });
        return tried;
      } catch (error) {
        if (!(error instanceof Fault) || error.code !== "memory_exhausted") throw error;
        footprint = withSample(footprint, { what: "exhausted", tilePixels });
        const step = nextOomStep({ ...CASE, tilePixels, tilePixelsMin: 20, tried });
        tried.push(step.kind);
        if (step.kind === "smaller-tile") ({ tilePixels } = step);
        else if (step.kind === "evict-idle") await world.pool.evictIdle();
        else throw error;
      }
    }
  }

  const first = enlarge(40);
  await world.clock.advance(20_000);
  expect(await first).toEqual(["smaller-tile", "evict-idle"]);
  expect(footprint.peaks).toEqual([{ tilePixels: 20, bytes: [80] }]);
  const second = enlarge(40);
  await world.clock.advance(20_000);
  expect(await second).toEqual([]);
  expect(footprint.peaks).toEqual([{ tilePixels: 20, bytes: [80, 80] }]);
});
