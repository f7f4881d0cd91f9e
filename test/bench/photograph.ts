import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { seededRandom } from "../chaos/seeded-random.ts";

const MOTIF = fileURLToPath(new URL("../../examples/portrait.original.png", import.meta.url));
/** Deviation of the grain, in levels of 255: so much that no encoder finds it easy. */
const GRAIN_LEVELS = 8;

export interface Photograph {
  readonly megapixels: number;
  readonly bytes: Buffer;
  readonly width: number;
  readonly height: number;
}

/** A JPEG of about so many megapixels, 4:3: the example, enlarged, with grain over it. The same bytes every time. */
export async function makePhotograph(megapixels: number, seed: number): Promise<Photograph> {
  const width = Math.round(Math.sqrt((megapixels * 1e6 * 4) / 3));
  const height = Math.round((width * 3) / 4);
  const { data } = await sharp(readFileSync(MOTIF))
    .removeAlpha()
    .resize(width, height, { fit: "cover" })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const random = seededRandom(seed);
  // Uniform noise of this deviation is as wide as √12 of it.
  const reach = GRAIN_LEVELS * Math.sqrt(12);
  for (let i = 0; i < data.length; i += 1) {
    data[i] = Math.max(0, Math.min(255, data[i]! + (random() - 0.5) * reach));
  }
  const raw = { width, height, channels: 3 } as const;
  return { megapixels, bytes: await sharp(data, { raw }).jpeg({ quality: 90 }).toBuffer(), width, height };
}
