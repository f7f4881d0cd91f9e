import sharp from "sharp";
import type { MemoryPicture } from "./memory-picture.ts";

/** A picture file as 8-bit sRGB, upright, alpha left out: three channels, or one where the file itself is gray. */
export async function readPicture(file: string | Buffer): Promise<MemoryPicture> {
  const { space } = await sharp(file).metadata();
  const channels = space === "b-w" || space === "grey16" ? 1 : 3;
  const { data, info } = await sharp(file)
    .autoOrient()
    .removeAlpha()
    .toColourspace(channels === 1 ? "b-w" : "srgb")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  return { data: new Uint8Array(data), width: info.width, height: info.height, channels };
}
