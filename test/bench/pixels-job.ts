import { readFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import sharp from "sharp";
import { encodeRaster } from "#agent/image/encode.ts";
import { createRaster, openRaster } from "#agent/image/raster.ts";
import type { RowSource, RowSink } from "#agent/image/raster-shape.ts";
import { planTiles } from "#agent/image/tile.ts";
import { runTiled, type TileModel } from "#agent/image/tiled.ts";
import type { Quarantine } from "#functions/intake/decode.ts";
import type { PixelsPhotograph } from "./pixels-photograph.ts";

/** Tiles as of the fast real model of the catalogue (realesr-general-x4v3). */
export const TILE = { context: 24, multiple: 1, tilePixelsMax: 262_144 } as const;
/** Until the quarantine has a decoder in reserve again. */
const SPARE_MS = 1_500;
/** zlib's default, and what most PNGs are written with. */
const VIPS_LEVEL = 6;

/** Seconds of one run, and the processor's seconds over all threads and ended children. */
export interface Spent {
  readonly wall: number;
  readonly cpu: number;
}

/** What a job spends beside its model, part by part. */
export interface HalfSpent {
  /** What a decoder's process takes to start, in advance: in `decode` and `total` it is not counted. */
  readonly start: Spent;
  readonly decode: Spent;
  /** Reading rows, packing, blending. */
  readonly tiles: Spent;
  /** Writing the raster of 16 bits, hashed. */
  readonly raster: Spent;
  /** Reading it back and writing the PNG of 8 bits, hashed. */
  readonly encode: Spent;
  readonly total: Spent;
}

/**
 * The half of a job that no model does, through the product's own code: quarantined decode with its digest, tiles in
 * and out, 16-bit raster with its digest, PNG with its digest. The model interpolates (at ×1 it
 * changes nothing); its time is not counted.
 * Leaves the result at `<folder>/out.png`.
 */
export async function runCpuHalf(
  photo: PixelsPhotograph,
  { quarantine, scale, folder }: { quarantine: Quarantine; scale: number; folder: string },
): Promise<HalfSpent> {
  const outDir = join(folder, "decoded");
  const large = join(folder, "large.tif");
  await mkdir(outDir);
  const starting = await startOfDecoder(quarantine, outDir);
  const begin = now();
  const { image } = await quarantine.decode({ path: photo.path, outDir });
  const decoded = now();

  const inModel = stopwatch();
  const storing = stopwatch();
  const model = smoothModel(scale);
  {
    await using reader = await openRaster(image.path);
    const { width, height } = reader.shape;
    const shape = { width: width * scale, height: height * scale, channels: 3, bits: 16 } as const;
    await using writer = await createRaster(large, shape);
    await runTiled({
      reader: reader satisfies RowSource,
      writer: { shape, writeRows: (rows) => storing.time(() => writer.writeRows(rows)) } satisfies RowSink,
      plan: planTiles({ width, height, ...TILE }),
      run: (input, size) => inModel.time(() => model(input, size)),
      scale,
    });
    await storing.time(() => writer.finish());
  }
  const tiled = now();
  await encodeRaster({
    raster: large,
    out: join(folder, "out.png"),
    format: "png",
    bits: 8,
    metadata: { software: "PhotoKeep" },
  });
  const encoded = now();
  await Promise.all([outDir, large].map((path) => rm(path, { recursive: true })));
  const raster = storing.spent();
  return {
    start: starting,
    decode: less(since(begin, decoded), starting),
    tiles: less(since(decoded, tiled), inModel.spent(), raster),
    raster,
    encode: since(tiled, encoded),
    total: less(since(begin, encoded), inModel.spent(), starting),
  };
}

/**
 * Processor time of a decoder that has nothing to decode. It is spent while nobody waits; what passes by the clock
 * between question and answer stays with the decode.
 */
async function startOfDecoder(quarantine: Quarantine, folder: string): Promise<Spent> {
  const path = join(folder, "pixel.jpg");
  await sharp({ create: { width: 1, height: 1, channels: 3, background: "gray" } })
    .jpeg()
    .toFile(path);
  await sleep(SPARE_MS);
  const begin = now();
  await quarantine.decode({ path, outDir: folder });
  const { cpu } = since(begin, now());
  await sleep(SPARE_MS);
  return { wall: 0, cpu };
}

/** libvips reads that PNG and writes it again, with as many threads as the machine has. */
export async function reencodeByVips(folder: string): Promise<Spent> {
  const start = now();
  await sharp(join(folder, "out.png"), { sequentialRead: true, limitInputPixels: false })
    .png({ compressionLevel: VIPS_LEVEL })
    .toFile(join(folder, "again.png"));
  return since(start, now());
}

/** Interpolates between pixels, smooth as what models make, into one buffer, as a runtime with bound outputs does. */
function smoothModel(scale: number): TileModel {
  let answer = new Float32Array(0);
  return async (input, { width, height }) => {
    if (answer.length !== input.length * scale ** 2) answer = new Float32Array(input.length * scale ** 2);
    if (scale === 1) answer.set(input);
    else
      for (let plane = 0; plane < 3; plane += 1) enlargePlane({ input, answer, width, height, scale, plane });
    return answer;
  };
}

interface Enlargement {
  readonly input: Float32Array;
  readonly answer: Float32Array;
  readonly width: number;
  readonly height: number;
  readonly scale: number;
  readonly plane: number;
}

/** Linear, on the grid that pixels' corners share. */
function enlargePlane({ input, answer, width, height, scale, plane }: Enlargement): void {
  const columns = linearTaps(width, scale);
  const rows = linearTaps(height, scale);
  for (let y = 0, to = plane * rows.length * columns.length; y < rows.length; y += 1) {
    const down = rows[y]!;
    const above = (plane * height + down.from) * width;
    const below = (plane * height + down.next) * width;
    for (const { from, next, share } of columns) {
      const top = input[above + from]! + share * (input[above + next]! - input[above + from]!);
      const bottom = input[below + from]! + share * (input[below + next]! - input[below + from]!);
      answer[to] = top + down.share * (bottom - top);
      to += 1;
    }
  }
}

function linearTaps(length: number, scale: number): { from: number; next: number; share: number }[] {
  return Array.from({ length: length * scale }, (_, i) => {
    const at = Math.max(0, (i + 0.5) / scale - 0.5);
    const from = Math.min(length - 1, Math.floor(at));
    return { from, next: Math.min(length - 1, from + 1), share: at - from };
  });
}

interface Moment {
  readonly ms: number;
  readonly cpuMs: number;
}

function now(): Moment {
  const { user, system } = process.cpuUsage();
  return { ms: performance.now(), cpuMs: (user + system) / 1000 + childrenMs() };
}

const since = (from: Moment, to: Moment): Spent => ({
  wall: (to.ms - from.ms) / 1000,
  cpu: (to.cpuMs - from.cpuMs) / 1000,
});

const less = (all: Spent, ...parts: readonly Spent[]): Spent => ({
  wall: parts.reduce((left, { wall }) => left - wall, all.wall),
  cpu: parts.reduce((left, { cpu }) => left - cpu, all.cpu),
});

/** Counts what passes while tasks run, one after the other. */
function stopwatch(): { time: <T>(task: () => Promise<T>) => Promise<T>; spent: () => Spent } {
  let [wall, cpu] = [0, 0];
  return {
    async time(task) {
      const start = now();
      const result = await task();
      const spent = since(start, now());
      wall += spent.wall;
      cpu += spent.cpu;
      return result;
    },
    spent: () => ({ wall, cpu }),
  };
}

/** Processor time of the children that have ended: fields 16 and 17 of /proc/self/stat, in hundredths of a second (Linux; elsewhere 0). */
function childrenMs(): number {
  if (process.platform !== "linux") return 0;
  const stat = readFileSync("/proc/self/stat", "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[13]) + Number(fields[14])) * 10;
}
