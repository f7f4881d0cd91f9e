import { createHash } from "node:crypto";
import { deflateRawSync } from "node:zlib";
import sharp from "sharp";
import { createBlender } from "#agent/image/blend.ts";
import { deflateOptions } from "#agent/image/png.ts";
import { adler32, filterSub } from "#agent/image/png-filter.ts";
import type { RasterShape } from "#agent/image/raster-shape.ts";
import { packPlanes, plainLayout } from "#agent/image/tensor.ts";
import { planTiles } from "#agent/image/tile.ts";
import { median } from "./bench-stack.ts";
import { TILE } from "./pixels-job.ts";

/** A loop over all pixels of the picture, on one thread and without files. */
interface Part {
  readonly name: string;
  /** Bytes it reads and writes for one pixel of the picture. */
  readonly bytesPerPixel: number;
  readonly run: () => void;
}

/** What a loop costs. */
export interface PartSpent {
  readonly name: string;
  /** Processor time, ms for a megapixel. */
  readonly msPerMegapixel: number;
  /** The same over a plain copy that reads and writes as many bytes. */
  readonly overCopy: number;
}

/** Far more than a cache holds. */
const COPY_BYTES = 64 << 20;
const STRIP_BYTES = 1 << 20;

/**
 * The loops of the CPU half one by one, each beside a copy between two typed arrays of as many bytes, round after
 * round: medians of processor time.
 */
export async function measureParts(path: string, rounds: number): Promise<PartSpent[]> {
  const { data, info } = await sharp(path).raw().toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const pixels = width * height;
  const parts = partsOf(new Uint8Array(data), { width, height, channels: 3, bits: 8 });
  const spent = parts.map(() => ({ own: [] as number[], copy: [] as number[] }));
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, { run, bytesPerPixel }] of parts.entries()) {
      spent[index]!.own.push(cpuMs(run));
      spent[index]!.copy.push(cpuMs(() => copyBytes((pixels * bytesPerPixel) / 2)));
    }
  }
  return parts.map(({ name }, index) => {
    const { own, copy } = spent[index]!;
    return {
      name,
      msPerMegapixel: median(own) / (pixels / 1e6),
      overCopy: median(own.map((ms, round) => ms / copy[round]!)),
    };
  });
}

function partsOf(bytes: Uint8Array<ArrayBuffer>, shape: RasterShape): Part[] {
  const { width, height } = shape;
  const deep: RasterShape = { ...shape, bits: 16 };
  const plan = planTiles({ width, height, ...TILE });
  /** Tiles overlap: a pixel is packed and blended so many times. */
  const times = plan.computedPixels / (width * height);
  const size = { width: plan.x.tile, height: plan.y.tile };
  const tensor = new Float32Array(3 * size.width * size.height);
  const words = Uint16Array.from(bytes, (value) => value * 257);
  const row = width * 3;
  const lines = new Uint8Array(height * (row + 1));
  const strip = Math.floor(STRIP_BYTES / (row + 1)) * (row + 1);
  const strips = Array.from({ length: Math.ceil(lines.length / strip) }, (_, n) =>
    lines.slice(n * strip, (n + 1) * strip),
  );
  const filter = (): void => {
    for (let y = 0; y < height; y += 1)
      filterSub(words.subarray(y * row, (y + 1) * row), lines.subarray(y * (row + 1), (y + 1) * (row + 1)), {
        channels: 3,
        bits: 8,
      });
  };
  filter();
  for (const [n, each] of strips.entries()) each.set(lines.subarray(n * strip, n * strip + each.length));

  return [
    {
      name: "pack: bytes to three float planes",
      bytesPerPixel: 15 * times,
      run() {
        for (const y of plan.y.starts)
          for (const x of plan.x.starts)
            packPlanes({ shape, rows: bytes, firstRow: 0, x, y, ...size }, tensor, plainLayout);
      },
    },
    {
      name: "blend: three float planes to words",
      bytesPerPixel: 18 * times,
      run() {
        const blender = createBlender({ plan, scale: 1 }, deep, plainLayout);
        for (const y of plan.y.starts.keys()) {
          for (const x of plan.x.starts.keys()) blender.add({ data: tensor, ...size }, x, y);
          for (const band of blender.finishedBands(y)) band.at(0);
        }
      },
    },
    { name: "SHA-256 of the 16-bit raster", bytesPerPixel: 6, run: () => void hashOf([words]) },
    { name: "round to 8 bits and filter for PNG", bytesPerPixel: 9, run: filter },
    {
      name: "Adler-32",
      bytesPerPixel: 3,
      run() {
        let sums = { low: 1, high: 0 };
        for (const each of strips) sums = adler32(each, sums);
      },
    },
    {
      name: "deflate (native, on the thread pool in a job)",
      bytesPerPixel: 3,
      run() {
        for (const each of strips) deflateRawSync(each, deflateOptions);
      },
    },
  ];
}

function hashOf(buffers: readonly Uint16Array[]): Buffer {
  const hash = createHash("sha256");
  for (const buffer of buffers) hash.update(buffer);
  return hash.digest();
}

const from = new Uint8Array(COPY_BYTES).fill(1);
const to = new Uint8Array(COPY_BYTES);

function copyBytes(count: number): void {
  for (let left = Math.round(count); left > 0; left -= COPY_BYTES)
    to.set(left < COPY_BYTES ? from.subarray(0, left) : from);
}

function cpuMs(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
