import { open } from "node:fs/promises";
import type { DecodedPhotograph } from "#functions/intake/decode.ts";
import { rasterBytes } from "#functions/intake/plain-raster.ts";

/** Tags of TIFF, EXIF and their like that tell of a place, a person, a camera, or hold another picture. */
const tellingTags = new Map([
  [270, "description"],
  [271, "make"],
  [272, "model"],
  [306, "date"],
  [315, "artist"],
  [330, "sub-directories"],
  [700, "XMP"],
  [33_432, "copyright"],
  [33_723, "IPTC"],
  [34_377, "Photoshop"],
  [34_665, "EXIF"],
  [34_853, "GPS"],
  [34_675, "ICC"],
]);

/** The corpus writes this word wherever something must not come out. */
const canary = "canary";

/** What came out that should not have: telling tags of the rasters, and the canary in them or in the measures. */
export async function leaksOf(decoded: DecodedPhotograph): Promise<string[]> {
  const leaks = JSON.stringify(decoded.measures).includes(canary) ? ["measures"] : [];
  const { width, height, bits } = decoded.measures;
  const files = [
    { path: decoded.image.path, channels: 3 },
    ...(decoded.alpha === undefined ? [] : [{ path: decoded.alpha.path, channels: 1 } as const]),
  ] as const;
  for (const { path, channels } of files) {
    const pixelsEnd = 8 + rasterBytes({ width, height, channels, bits });
    leaks.push(...(await leaksIn(path, pixelsEnd)));
  }
  return leaks;
}

/** All of a plain TIFF but its pixels. */
async function leaksIn(path: string, pixelsEnd: number): Promise<string[]> {
  await using file = await open(path);
  const head = Buffer.alloc(8);
  await file.read(head, 0, 8, 0);
  const { size } = await file.stat();
  const rest = Buffer.alloc(size - pixelsEnd);
  await file.read(rest, 0, rest.length, pixelsEnd);
  const at = head.readUInt32LE(4) - pixelsEnd;
  const count = rest.readUInt16LE(at);
  const tags = Array.from({ length: count }, (_, index) => rest.readUInt16LE(at + 2 + 12 * index));
  const leaks = tags.flatMap((tag) => tellingTags.get(tag) ?? []);
  if (rest.includes(canary)) leaks.push("words");
  if (rest.readUInt32LE(at + 2 + 12 * count) !== 0) leaks.push("a second picture");
  return leaks;
}
