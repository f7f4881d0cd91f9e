import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRaster, openRaster } from "#agent/image/raster.ts";
import { allocateRows, rowSamples } from "#agent/image/raster-shape.ts";
import type { RasterShape, RowSink, RowSource, Samples } from "#agent/image/raster-shape.ts";

/** A folder that is removed with everything in it. */
export async function temporaryFolder(): Promise<{ path: (name: string) => string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "photokeep-image-"));
  return {
    path: (name) => join(folder, name),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Numbers in 0..1 that are the same in every run (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Noise over the full range: no two neighbours alike. */
export function noise(shape: RasterShape, seed = 1): Samples {
  const random = seededRandom(seed);
  return paint(shape, () => random());
}

/** A picture whose samples are `level(x, y, channel)`, 0..1. */
export function paint(shape: RasterShape, level: (x: number, y: number, channel: number) => number): Samples {
  const samples = allocateRows(shape, shape.height);
  const white = shape.bits === 8 ? 255 : 65_535;
  for (let i = 0; i < samples.length; i += 1) {
    const pixel = Math.floor(i / shape.channels);
    const value = level(pixel % shape.width, Math.floor(pixel / shape.width), i % shape.channels);
    samples[i] = Math.round(value * white);
  }
  return samples;
}

/** A picture in memory as a source of rows. */
export function memorySource(shape: RasterShape, samples: Samples): RowSource {
  return {
    shape,
    async readRows(y: number, count: number, into?: Samples): Promise<Samples> {
      const rows = samples.subarray(y * rowSamples(shape), (y + count) * rowSamples(shape));
      into?.set(rows);
      return into?.subarray(0, rows.length) ?? rows;
    },
  };
}

/** A sink that keeps what it is given. */
export function memorySink(shape: RasterShape): RowSink & { samples: Samples; rowsMost: number } {
  let at = 0;
  const sink = {
    shape,
    samples: allocateRows(shape, shape.height),
    rowsMost: 0,
    async writeRows(rows: Samples): Promise<void> {
      sink.samples.set(rows, at);
      sink.rowsMost = Math.max(sink.rowsMost, rows.length / rowSamples(shape));
      at += rows.length;
    },
  };
  return sink;
}

/** Writes a picture as a raster file. */
export async function writeRaster(path: string, shape: RasterShape, samples: Samples): Promise<string> {
  await using raster = await createRaster(path, shape);
  await raster.writeRows(samples);
  await raster.finish();
  return path;
}

/** Reads a whole raster file. */
export async function readRaster(path: string): Promise<{ shape: RasterShape; samples: Samples }> {
  await using raster = await openRaster(path);
  return { shape: raster.shape, samples: await raster.readRows(0, raster.shape.height) };
}

/** Whether two buffers hold the same bytes: on large pictures far quicker than comparing element by element. */
export function sameSamples(a: Samples | Buffer, b: Samples | Buffer): boolean {
  return bytesOf(a).equals(bytesOf(b));
}

const bytesOf = (samples: Samples | Buffer): Buffer =>
  Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
