import { existsSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { makePhotograph } from "./photograph.ts";

const KODAK = fileURLToPath(new URL("../../../shared/benchmark/kodak24", import.meta.url));
/** Of one Kodak photograph, the upright ones turned. */
const CELL = { width: 768, height: 512 };
const COLUMNS = 6;
const ROWS = 6;
const QUALITY = 92;
const SEED = 1;

/** A JPEG of at least 12 megapixels, on disk. */
export interface PixelsPhotograph {
  readonly path: string;
  readonly width: number;
  readonly height: number;
  /** What it shows, in words. */
  readonly content: string;
}

/**
 * The 24 photographs of the Kodak set side by side at their own resolution, over and over: 14.2 megapixels of real
 * detail and grain. Where they are absent, the example enlarged with grain over it.
 */
export async function writePixelsPhotograph(path: string): Promise<PixelsPhotograph> {
  if (!existsSync(KODAK)) {
    const { bytes, width, height } = await makePhotograph(14, SEED);
    await writeFile(path, bytes);
    return {
      path,
      width,
      height,
      content: "the example enlarged, with grain (../shared/benchmark is absent)",
    };
  }
  const names = (await readdir(KODAK)).filter((name) => name.endsWith(".png")).toSorted();
  const cells = await Promise.all(names.map((name) => upright(join(KODAK, name))));
  const [width, height] = [CELL.width * COLUMNS, CELL.height * ROWS];
  await sharp({ create: { width, height, channels: 3, background: "black" } })
    .composite(
      Array.from({ length: COLUMNS * ROWS }, (_, n) => ({
        input: cells[n % cells.length]!,
        left: (n % COLUMNS) * CELL.width,
        top: Math.floor(n / COLUMNS) * CELL.height,
      })),
    )
    .removeAlpha()
    .jpeg({ quality: QUALITY })
    .toFile(path);
  return { path, width, height, content: "the Kodak photographs side by side" };
}

async function upright(path: string): Promise<Buffer> {
  const { width, height } = await sharp(path).metadata();
  return await sharp(path)
    .rotate(width < height ? 90 : 0)
    .png()
    .toBuffer();
}
