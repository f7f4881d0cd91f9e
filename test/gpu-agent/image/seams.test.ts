import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLog } from "#shared/log.ts";
import type { RasterShape } from "#agent/image/raster-shape.ts";
import { planTiles, seamLines, type TilePlan } from "#agent/image/tile.ts";
import { runTiled } from "#agent/image/tiled.ts";
import { createTileModel, planesOf } from "#agent/stages/tile-model.ts";
import { openModelSource } from "#agent/worker/model-source.ts";
import { openSession, type Session } from "#agent/worker/session.ts";
import type { MemoryPicture } from "../../measures/memory-picture.ts";
import { seamScore } from "../../measures/seam-score.ts";
import { memorySink, memorySource, paint } from "./picture-fixture.ts";

/** Tiles of the real model that comes with the installed packages, not of a stand-in. */
const MODELS = fileURLToPath(new URL("../../../.photokeep/models-npm", import.meta.url));
const MODEL = "esrgan-thick";
const SHAPE: RasterShape = { width: 64, height: 48, channels: 3, bits: 8 };
const TILE_PIXELS_MAX = 44 * 36;
/** Above it seams show. */
const SEAM_SCORE_MAX = 1.05;

let session: Session;

beforeAll(async () => {
  const source = await openModelSource({
    dir: MODELS,
    extraDirs: [],
    licences: ["commercial", "attribution"],
    log: createLog({ level: "error", now: () => 0, write: () => undefined }),
  });
  session = await openSession(await source.locate(MODEL), { threads: availableParallelism() });
});

afterAll(() => session.release());

type Level = (x: number, y: number, channel: number) => number;

async function enlarge(level: Level, plan: TilePlan): Promise<MemoryPicture> {
  const { scale } = session.entry;
  const size = { width: SHAPE.width * scale, height: SHAPE.height * scale };
  const sink = memorySink({ ...size, channels: 3, bits: 16 });
  await runTiled({
    reader: memorySource(SHAPE, paint(SHAPE, level)),
    writer: sink,
    plan,
    run: createTileModel(session, {}),
    scale,
    input: planesOf(session),
  });
  return { data: sink.samples, ...size, channels: 3 };
}

/** The score of tiles with so much context, against the model run once over the whole picture. */
async function score(level: Level, context: number): Promise<number> {
  const limits = { width: SHAPE.width, height: SHAPE.height, multiple: session.entry.tile.multiple };
  const plan = planTiles({ ...limits, context, tilePixelsMax: TILE_PIXELS_MAX });
  expect(plan.tiles).toBeGreaterThan(1);
  const whole = planTiles({ ...limits, context, tilePixelsMax: SHAPE.width * SHAPE.height });
  expect(whole.tiles).toBe(1);
  const reference = await enlarge(level, whole);
  const tiled = await enlarge(level, plan);
  return seamScore(tiled, { ...seamLines(plan, session.entry.scale), reference });
}

const flat: Level = () => 0.5;
const gradient: Level = (x, y, channel) =>
  0.1 + (0.8 * (channel === 2 ? y / SHAPE.height : x / SHAPE.width + y / SHAPE.height)) / 2;
const checkerboard: Level = (x, y) => ((x >> 3) + (y >> 3)) % 2;

test.each([
  ["a flat", flat],
  ["a gradient", gradient],
  ["a checkerboard", checkerboard],
])("%s picture comes out of the real model's tiles without seams", async (_name, level) => {
  expect(await score(level, session.entry.tile.context)).toBeLessThanOrEqual(SEAM_SCORE_MAX);
});

test("the score would tell: without context the same tiles show", async () => {
  expect(await score(flat, 0)).toBeGreaterThan(SEAM_SCORE_MAX);
});
