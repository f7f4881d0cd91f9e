import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Metadata, Sharp } from "sharp";
import { bleedColours } from "./alpha-bleed.ts";
import { alphaName, imageName, unpackedName } from "./decoder-protocol.ts";
import type { Decoded, DecodeRequest, DecoderMessage, Refused } from "./decoder-protocol.ts";
import { grayToSrgb, mapSamples } from "./gray-profile.ts";
import { estimateJpegQuality, jpegHeadBytes } from "./jpeg-quality.ts";
import {
  has16Bits,
  hasProfile,
  missingShareMax,
  openPhotograph,
  openSource,
  Refusal,
  type Admit,
  type PhotographSource,
} from "./photograph-source.ts";
import { flatShareAtEnd, isFull } from "./plain-raster.ts";

const detailsCharactersMax = 2_000;

/**
 * Decodes the first picture of a file to uncompressed TIFF: upright, sRGB, three channels of 8 or 16 bits as the file
 * has them, without metadata. Alpha goes apart, and only where something is transparent; what is invisible takes the
 * colours of what is beside it. A file that breaks off is decoded as far as it goes. Runs in the quarantined process
 * only; whatever goes wrong is an answer.
 */
export async function decodePhotograph(
  request: DecodeRequest,
  say: (message: DecoderMessage) => Promise<void>,
): Promise<Decoded | Refused> {
  let size = {};
  const admit: Admit = async ({ width, height }) => {
    size = { width, height };
    if (width * height > request.pixelsMax) throw new Refusal("too_large");
    await say({ kind: "opened", width, height });
  };
  try {
    return await decode(request, await openSource(request, admit));
  } catch (error) {
    return { ...refusalFor(error), ...size };
  } finally {
    await rm(join(request.outDir, unpackedName), { force: true });
  }
}

async function decode(request: DecodeRequest, source: PhotographSource): Promise<Decoded | Refused> {
  const { header, remarks, credits } = source;
  const { width, height } = header.autoOrient;
  const bits = has16Bits(header) ? 16 : 8;
  const image = { path: join(request.outDir, imageName), width, height, channels: 3, bits } as const;
  const alpha = { ...image, path: join(request.outDir, alphaName), channels: 1 } as const;

  const write = async (failOn: "error" | "none") => {
    const file = openPhotograph(source.path, { pixelsMax: request.pixelsMax, failOn });
    await toSrgb(file.clone(), header).tiff({ compression: "none" }).toFile(image.path);
    const table = deepGrayTable(header);
    if (table !== undefined) await mapSamples(image, table);
    if (!header.hasAlpha) return false;
    const space = bits === 16 ? "grey16" : "b-w";
    await file
      .clone()
      .extractChannel("alpha")
      .toColourspace(space)
      .tiff({ compression: "none" })
      .toFile(alpha.path);
    if (await isFull(alpha)) {
      await rm(alpha.path);
      return false;
    }
    await bleedColours(image, alpha);
    return true;
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
    request.format === "jpeg" ? estimateJpegQuality(await readHead(request.path)) : undefined;
  return {
    kind: "decoded",
    width,
    height,
    bits,
    isGray: header.space === "b-w" || header.space === "grey16",
    hasAlpha,
    ...(jpegQuality === undefined ? {} : { jpegQuality }),
    ...(credits === undefined ? {} : { credits }),
    remarks,
  };
}

/**
 * Three channels of sRGB by the embedded profile, if there is one. sharp works on 16-bit RGB with a profile in Display P3
 * and stays there unless an output profile is named; without a profile naming one would convert from P3 what never was.
 */
function toSrgb(file: Sharp, header: Metadata): Sharp {
  const rgb = file.removeAlpha();
  if (!has16Bits(header)) return rgb.toColourspace("srgb");
  const deep = rgb.toColourspace("rgb16");
  const isConverted = header.space === "rgb16" && hasProfile(header.icc, "RGB ");
  return isConverted ? deep.withIccProfile("srgb", { attach: false }) : deep;
}

/** What libvips leaves undone: gray of 16 bits with a profile. */
function deepGrayTable({ space, icc }: Metadata): Uint16Array | undefined {
  return space === "grey16" && hasProfile(icc, "GRAY") ? grayToSrgb(icc) : undefined;
}

/** libvips has no error codes: its words are all there is. libheif's are treated alike. */
function refusalFor(error: unknown): Refused {
  if (error instanceof Refusal) return { kind: "refused", because: error.because };
  const details = String(error instanceof Error ? error.message : error).slice(0, detailsCharactersMax);
  const is = (words: RegExp) => words.test(details);
  if (is(/no space left|disk quota|file too large/i))
    return { kind: "refused", because: "disk_full", details };
  // libheif, of a coded picture that is larger than the container says.
  if (is(/exceeds the maximum image size/)) return { kind: "refused", because: "broken", details };
  if (is(/out of memory|memory allocation|unable to allocate|cannot allocate|cannot enlarge memory|OOM/i))
    return { kind: "refused", because: "memory", details };
  if (is(/pixel limit|security limit/i)) return { kind: "refused", because: "too_large", details };
  if (is(/channel limit|unsupported (codec|feature)|decoder plugin/i))
    return { kind: "refused", because: "unsupported", details };
  return { kind: "refused", because: "broken", details };
}

async function readHead(path: string): Promise<Uint8Array> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(new Uint8Array(jpegHeadBytes), 0, jpegHeadBytes, 0);
  return buffer.subarray(0, bytesRead);
}
