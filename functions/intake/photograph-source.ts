import { readFile } from "node:fs/promises";
import { join } from "node:path";
import sharp, { type Metadata, type Sharp } from "sharp";
import { unpackBmp } from "./bmp.ts";
import { readBmpHeader } from "./bmp-header.ts";
import { creditsOf } from "./credits.ts";
import {
  planeNames,
  unpackedName,
  type DecodeRequest,
  type Refused,
  type Remark,
} from "./decoder-protocol.ts";
import { unpackHeic } from "./heic.ts";
import { isHeavyJpeg, unpackProgressiveJpeg } from "./progressive-jpeg.ts";
import type { Credits } from "#shared/domain/analysis.ts";

/** Four colours and alpha: with more channels it is no photograph. */
const channelsMax = 5;
/** A file that breaks off earlier than this leaves no photograph. */
export const missingShareMax = 0.95;

/** What the decoder will not go on with. */
export class Refusal extends Error {
  readonly because: Refused["because"];
  constructor(because: Refused["because"]) {
    super(because);
    this.because = because;
  }
}

/** What libvips decodes: the upload itself, or what was unpacked from it. */
export type PhotographSource = {
  path: string;
  header: Metadata;
  remarks: Remark[];
  credits?: Credits | undefined;
};

/** Judges a size as soon as it is known; rejects with a Refusal. */
export type Admit = (size: { width: number; height: number }) => Promise<void>;

/** Reads the header, has its size judged, and only then unpacks what libvips does not read itself. */
export async function openSource(request: DecodeRequest, admit: Admit): Promise<PhotographSource> {
  if (request.format === "bmp") return openBmp(request, admit);
  const header = await readHeader(request.path);
  if (!isPhotographic(header)) throw new Refusal("unsupported");
  await admit(header.autoOrient);
  const credits = request.keepsCredits ? creditsOf(header) : undefined;
  const source = { path: request.path, header, remarks: remarksOn(header), credits };
  if (header.compression === "hevc") return unpacked(request, source);
  return isHeavyJpeg(header) ? inPlanes(request, source) : source;
}

async function openBmp(request: DecodeRequest, admit: Admit): Promise<PhotographSource> {
  const path = join(request.outDir, unpackedName);
  const file = await readFile(request.path);
  const bmp = readBmpHeader(file);
  if (typeof bmp === "string") throw new Refusal(bmp);
  await admit(bmp);
  const missing = await unpackBmp(file, bmp, path);
  if (missing >= missingShareMax) throw new Refusal("broken");
  const header = await readHeader(path);
  const remarks = remarksOn(header);
  // A BMP is stored from its foot: what is missing is its head.
  if (missing > 0) remarks.push({ kind: "damaged", missing: 0 });
  return { path, header, remarks };
}

async function unpacked(
  request: DecodeRequest,
  { header, remarks, credits }: PhotographSource,
): Promise<PhotographSource> {
  const path = join(request.outDir, unpackedName);
  const { hasAlpha, icc } = header;
  const bits = has16Bits(header) ? 16 : 8;
  await unpackHeic({ path: request.path, pixelsMax: request.pixelsMax, hasAlpha, bits, icc }, path);
  return { path, header: await readHeader(path), remarks, credits };
}

/** The source itself where it cannot be taken apart. */
async function inPlanes(request: DecodeRequest, source: PhotographSource): Promise<PhotographSource> {
  const path = join(request.outDir, unpackedName);
  const planes = planeNames.map((name) => join(request.outDir, name));
  const { icc, orientation } = source.header;
  const file = { path: request.path, pixelsMax: request.pixelsMax, icc, orientation };
  const isUnpacked = await unpackProgressiveJpeg(file, { unpacked: path, planes });
  return isUnpacked ? { ...source, path, header: await readHeader(path) } : source;
}

/** Limits of pixels are checked on these numbers: libvips' own would only blur the answer. */
function readHeader(path: string): Promise<Metadata> {
  return openPhotograph(path, { pixelsMax: false, failOn: "none" }).metadata();
}

export function openPhotograph(
  path: string,
  options: { pixelsMax: number | false; failOn: "error" | "none" },
): Sharp {
  return sharp(path, {
    autoOrient: true,
    sequentialRead: true,
    pages: 1,
    limitInputPixels: options.pixelsMax,
    limitInputChannels: channelsMax,
    unlimited: false,
    failOn: options.failOn,
  });
}

/** 8 or 16 bits a channel, or a colour space that is always stored in other numbers. Not 1-bit masks of 32-bit maps. */
function isPhotographic(header: Metadata): boolean {
  return header.depth === "uchar" || header.depth === "ushort" || /^(lab|labs|scrgb)$/.test(header.space);
}

export function has16Bits(header: Metadata): boolean {
  return header.space === "rgb16" || header.space === "grey16";
}

function remarksOn(header: Metadata): Remark[] {
  const remarks: Remark[] = [];
  if ((header.pages ?? 1) > 1) remarks.push({ kind: "frames", count: header.pages! });
  if (header.space === "cmyk") remarks.push({ kind: "converted", from: "cmyk" });
  else if (hasUsedProfile(header) && !isSrgbProfile(header.icc))
    remarks.push({ kind: "converted", from: "profile" });
  return remarks;
}

/** The profile fits the samples: one that does not is left aside. */
function hasUsedProfile(header: Metadata): header is Metadata & { icc: Buffer } {
  const isGray = header.space === "b-w" || header.space === "grey16";
  return hasProfile(header.icc, isGray ? "GRAY" : "RGB ");
}

/** By the profile's header (ICC.1:2022, 7.2): signature at 36, colour space of the data at 16. */
export function hasProfile(icc: Buffer | undefined, space: "RGB " | "GRAY"): icc is Buffer {
  return icc?.toString("latin1", 36, 40) === "acsp" && icc.toString("latin1", 16, 20) === space;
}

/** Descriptions are Latin or UTF-16; without the zeros both read alike. */
function isSrgbProfile(icc: Buffer): boolean {
  return icc.toString("latin1").replaceAll("\0", "").includes("sRGB");
}
