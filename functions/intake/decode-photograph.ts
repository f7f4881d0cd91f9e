import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import sharp, { type Metadata, type Sharp } from "sharp";
import { alphaName, imageName } from "./decoder-protocol.ts";
import type { Decoded, DecodeRequest, DecoderMessage, Refused, Remark } from "./decoder-protocol.ts";
import { estimateJpegQuality, jpegHeadBytes } from "./jpeg-quality.ts";
import { flatShareAtEnd, isFull } from "./plain-raster.ts";

/** Four colours and alpha: with more channels it is no photograph. */
const channelsMax = 5;
const detailsCharactersMax = 2_000;
/** A file that breaks off earlier than this leaves no photograph. */
const missingShareMax = 0.95;

/**
 * Decodes the first picture of a file to uncompressed TIFF: upright, sRGB, three channels of 8 or 16 bits as the file
 * has them, without metadata; alpha apart, and only where something is transparent. A file that breaks off is decoded as
 * far as it goes. Runs in the quarantined process only; whatever goes wrong is an answer.
 */
export async function decodePhotograph(
  request: DecodeRequest,
  say: (message: DecoderMessage) => Promise<void>,
): Promise<Decoded | Refused> {
  let size = {};
  try {
    // The limit is checked below, on the same numbers: here it would only blur the answer.
    const header = await openPhotograph(request, { pixelsMax: false, failOn: "none" }).metadata();
    const { width, height } = header.autoOrient;
    size = { width, height };
    if (width * height > request.pixelsMax) return { kind: "refused", because: "too_large", ...size };
    if (!isPhotographic(header)) return { kind: "refused", because: "unsupported", ...size };
    await say({ kind: "opened", width, height });
    return await decode(request, header);
  } catch (error) {
    return { ...refusalFor(error), ...size };
  }
}

async function decode(request: DecodeRequest, header: Metadata): Promise<Decoded | Refused> {
  const { width, height } = header.autoOrient;
  const bits = has16Bits(header) ? 16 : 8;
  const image = { path: join(request.outDir, imageName), width, height, channels: 3, bits } as const;
  const alpha = { ...image, path: join(request.outDir, alphaName), channels: 1 } as const;
  const remarks = remarksOn(header);

  const write = async (failOn: "error" | "none") => {
    const file = openPhotograph(request, { pixelsMax: request.pixelsMax, failOn });
    await toSrgb(file.clone(), header).tiff({ compression: "none" }).toFile(image.path);
    if (!header.hasAlpha) return false;
    const space = bits === 16 ? "grey16" : "b-w";
    await file
      .clone()
      .extractChannel("alpha")
      .toColourspace(space)
      .tiff({ compression: "none" })
      .toFile(alpha.path);
    if (!(await isFull(alpha))) return true;
    await rm(alpha.path);
    return false;
  };
  let hasAlpha: boolean;
  try {
    hasAlpha = await write("error");
  } catch (error) {
    const refusal = refusalFor(error);
    if (refusal.because !== "broken") return { ...refusal, width, height };
    // Once more with whatever can be saved: the only way to what a cut file still holds.
    hasAlpha = await write("none");
    const missing = await flatShareAtEnd(image);
    if (missing >= missingShareMax) return { ...refusal, width, height };
    remarks.push({ kind: "damaged", missing });
  }
  const jpegQuality =
    header.format === "jpeg" ? estimateJpegQuality(await readHead(request.path)) : undefined;
  return {
    kind: "decoded",
    width,
    height,
    bits,
    isGray: header.space === "b-w" || header.space === "grey16",
    hasAlpha,
    ...(jpegQuality === undefined ? {} : { jpegQuality }),
    remarks,
  };
}

function openPhotograph(
  request: DecodeRequest,
  options: { pixelsMax: number | false; failOn: "error" | "none" },
): Sharp {
  return sharp(request.path, {
    autoOrient: true,
    sequentialRead: true,
    pages: 1,
    limitInputPixels: options.pixelsMax,
    limitInputChannels: channelsMax,
    unlimited: false,
    failOn: options.failOn,
  });
}

/**
 * Three channels of sRGB by the embedded profile, if there is one. sharp works on 16-bit RGB with a profile in Display P3
 * and stays there unless an output profile is named; without a profile naming one would convert from P3 what never was.
 */
function toSrgb(file: Sharp, header: Metadata): Sharp {
  const rgb = file.removeAlpha();
  if (!has16Bits(header)) return rgb.toColourspace("srgb");
  const deep = rgb.toColourspace("rgb16");
  const isConverted = header.space === "rgb16" && isRgbProfile(header.icc);
  return isConverted ? deep.withIccProfile("srgb", { attach: false }) : deep;
}

/** 8 or 16 bits a channel, or a colour space that is always stored in other numbers. Not 1-bit masks of 32-bit maps. */
function isPhotographic(header: Metadata): boolean {
  return header.depth === "uchar" || header.depth === "ushort" || /^(lab|labs|scrgb)$/.test(header.space);
}

function has16Bits(header: Metadata): boolean {
  return header.space === "rgb16" || header.space === "grey16";
}

function remarksOn(header: Metadata): Remark[] {
  const remarks: Remark[] = [];
  if ((header.pages ?? 1) > 1) remarks.push({ kind: "frames", count: header.pages! });
  if (header.space === "cmyk") remarks.push({ kind: "converted", from: "cmyk" });
  else if (isRgbProfile(header.icc) && !isSrgbProfile(header.icc))
    remarks.push({ kind: "converted", from: "profile" });
  return remarks;
}

/** By the profile's header (ICC.1:2022, 7.2): signature at 36, colour space of the data at 16. */
function isRgbProfile(icc: Buffer | undefined): icc is Buffer {
  return icc?.toString("latin1", 36, 40) === "acsp" && icc.toString("latin1", 16, 20) === "RGB ";
}

/** Descriptions are Latin or UTF-16; without the zeros both read alike. */
function isSrgbProfile(icc: Buffer): boolean {
  return icc.toString("latin1").replaceAll("\0", "").includes("sRGB");
}

/** libvips has no error codes: its words are all there is. */
function refusalFor(error: unknown): Refused {
  const details = String(error instanceof Error ? error.message : error).slice(0, detailsCharactersMax);
  const is = (words: RegExp) => words.test(details);
  if (is(/no space left|disk quota|file too large/i))
    return { kind: "refused", because: "disk_full", details };
  if (is(/out of memory|memory allocation|unable to allocate|cannot allocate/i))
    return { kind: "refused", because: "memory", details };
  if (is(/pixel limit/i)) return { kind: "refused", because: "too_large", details };
  if (is(/channel limit|unsupported codec|decoder plugin/i))
    return { kind: "refused", because: "unsupported", details };
  return { kind: "refused", because: "broken", details };
}

async function readHead(path: string): Promise<Uint8Array> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(new Uint8Array(jpegHeadBytes), 0, jpegHeadBytes, 0);
  return buffer.subarray(0, bytesRead);
}
