import { readFileSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { createRaster } from "#agent/image/raster.ts";
import type { RasterShape, RowSource, Samples } from "#agent/image/raster-shape.ts";
import { bicubic } from "#agent/image/resample.ts";
import { resizedSource } from "#agent/image/resized-source.ts";
import { copyRows } from "#agent/image/row-source.ts";
import { seededRandom } from "../chaos/seeded-random.ts";
import type { Photograph } from "./photograph.ts";

const MOTIF = fileURLToPath(new URL("../../examples/portrait.original.png", import.meta.url));
/** Deviation of the grain, in levels of 255. */
const GRAIN_LEVELS = 8;
/** With this grain about 25 MB at 100 megapixels, in reach of what an upload may hold. */
const QUALITY = 90;

/**
 * A JPEG of about so many megapixels, 4:3, of which no more than a band is held while it is made: the example enlarged
 * row by row, with grain over it. The same bytes every time.
 * @param ask.scratch a folder where a raster of three bytes a pixel lies meanwhile; one call at a time.
 */
export async function makeLargePhotograph(ask: {
  megapixels: number;
  seed: number;
  isProgressive: boolean;
  isChromaHalved: boolean;
  scratch: string;
}): Promise<Photograph> {
  const { megapixels, seed, isProgressive, isChromaHalved, scratch } = ask;
  // Rounded down: the largest that is taken is taken to the pixel.
  const width = Math.floor(Math.sqrt((megapixels * 1e6 * 4) / 3) / 4) * 4;
  const height = (width * 3) / 4;
  const motif = grainySource(resizedSource(await motifSource(), { width, height }, bicubic), seed);
  const raster = join(scratch, "photograph.tif");
  const out = join(scratch, "photograph.jpg");
  try {
    await using writer = await createRaster(raster, motif.shape);
    await copyRows(motif, writer);
    await writer.finish();
    await sharp(raster, { sequentialRead: true })
      .jpeg({
        quality: QUALITY,
        progressive: isProgressive,
        optimiseCoding: isProgressive,
        chromaSubsampling: isChromaHalved ? "4:2:0" : "4:4:4",
      })
      .toFile(out);
    return { megapixels, bytes: await readFile(out), width, height };
  } finally {
    await Promise.all([raster, out].map((path) => rm(path, { force: true })));
  }
}

/** The example, held in memory: it is small. */
async function motifSource(): Promise<RowSource> {
  const { data, info } = await sharp(readFileSync(MOTIF))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const shape: RasterShape = { width: info.width, height: info.height, channels: 3, bits: 8 };
  const samples = new Uint8Array(data);
  const stride = shape.width * 3;
  return {
    shape,
    async readRows(y: number, count: number, into?: Samples): Promise<Samples> {
      const rows = samples.subarray(y * stride, (y + count) * stride);
      into?.set(rows);
      return into?.subarray(0, rows.length) ?? rows;
    },
  };
}

/** Reading from top to bottom lays the same grain over the same picture. */
function grainySource(source: RowSource, seed: number): RowSource {
  const random = seededRandom(seed);
  return {
    shape: source.shape,
    async readRows(y: number, count: number, into?: Samples): Promise<Samples> {
      const rows = await source.readRows(y, count, into);
      addGrain(rows, random);
      return rows;
    },
  };
}

function addGrain(rows: Samples, random: () => number): void {
  // Uniform noise of this deviation is as wide as √12 of it.
  const reach = GRAIN_LEVELS * Math.sqrt(12);
  for (let i = 0; i < rows.length; i += 1) {
    const value = rows[i]! + (random() - 0.5) * reach;
    rows[i] = value > 0 ? (value < 255 ? value : 255) : 0;
  }
}
