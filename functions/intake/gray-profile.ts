import { open } from "node:fs/promises";
import { invariant } from "#shared/domain/fault.ts";
import type { PlainRaster } from "./plain-raster.ts";
import { rasterBytes } from "./plain-raster.ts";

/**
 * libvips converts gray of 8 bits by its profile, and gray of 16 bits not: for that the profile is applied here. A gray
 * profile says with one curve (`kTRC`, ICC.1:2022, 8.3.3) how much light a sample stands for.
 */

const levels = 65_536;
const bandBytes = 1 << 20;
const tagsMax = 100;

/** What each 16-bit sample becomes in sRGB; undefined where the profile has no curve that can be read. */
export function grayToSrgb(icc: Uint8Array): Uint16Array | undefined {
  const curve = grayCurve(icc);
  if (curve === undefined) return undefined;
  return Uint16Array.from({ length: levels }, (_, level) => {
    const light = Math.min(1, Math.max(0, curve(level / (levels - 1))));
    return Math.round(srgbEncoded(light) * (levels - 1));
  });
}

/** Replaces every sample of a raster of 16 bits, in place and band by band. */
export async function mapSamples(raster: PlainRaster, table: Uint16Array): Promise<void> {
  invariant(raster.bits === 16, "samples are mapped at 16 bits");
  await using file = await open(raster.path, "r+");
  const band = new Uint16Array(bandBytes / 2);
  const bytes = Buffer.from(band.buffer);
  const end = 8 + rasterBytes(raster);
  for (let at = 8; at < end; at += bytes.length) {
    const length = Math.min(bytes.length, end - at);
    const { bytesRead } = await file.read(bytes, 0, length, at);
    invariant(bytesRead === length, "a raster is as long as its size says");
    mapBand(band, table);
    await file.write(bytes, 0, length, at);
  }
}

function mapBand(band: Uint16Array, table: Uint16Array): void {
  for (let i = 0; i < band.length; i += 1) band[i] = table[band[i]!]!;
}

/** IEC 61966-2-1. */
function srgbEncoded(light: number): number {
  return light <= 0.003_130_8 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055;
}

/** From 0..1 to 0..1. */
type Curve = (sample: number) => number;

function grayCurve(icc: Uint8Array): Curve | undefined {
  const profile = Buffer.from(icc.buffer, icc.byteOffset, icc.byteLength);
  if (profile.length < 132) return undefined;
  const tags = Math.min(profile.readUInt32BE(128), tagsMax);
  for (let tag = 0, at = 132; tag < tags && at + 12 <= profile.length; tag += 1, at += 12) {
    if (profile.toString("latin1", at, at + 4) !== "kTRC") continue;
    const start = profile.readUInt32BE(at + 4);
    return curveOf(profile.subarray(start, start + profile.readUInt32BE(at + 8)));
  }
  return undefined;
}

function curveOf(tag: Buffer): Curve | undefined {
  if (tag.length < 12) return undefined;
  const type = tag.toString("latin1", 0, 4);
  if (type === "curv") return sampledCurve(tag);
  // Of the parametric ones only the first and the fourth are met in gray profiles: a power, and sRGB's with its foot.
  if (type !== "para" || tag.length < 16) return undefined;
  const parameter = (index: number) => tag.readInt32BE(12 + 4 * index) / 65_536;
  const kind = tag.readUInt16BE(8);
  if (kind === 0) return (sample) => sample ** parameter(0);
  if (kind !== 3 || tag.length < 32) return undefined;
  const [gamma, a, b, c, d] = [0, 1, 2, 3, 4].map(parameter) as [number, number, number, number, number];
  return (sample) => (sample >= d ? Math.max(0, a * sample + b) ** gamma : c * sample);
}

/** `curveType` (10.6): nothing for the identity, a power as u8Fixed8, or samples between which one interpolates. */
function sampledCurve(tag: Buffer): Curve | undefined {
  const count = tag.readUInt32BE(8);
  if (count === 0) return (sample) => sample;
  if (tag.length < 12 + 2 * count) return undefined;
  if (count === 1) {
    const gamma = tag.readUInt16BE(12) / 256;
    return (sample) => sample ** gamma;
  }
  const at = (index: number) => tag.readUInt16BE(12 + 2 * Math.min(index, count - 1)) / 65_535;
  return (sample) => {
    const place = sample * (count - 1);
    const below = Math.floor(place);
    return at(below) + (place - below) * (at(below + 1) - at(below));
  };
}
