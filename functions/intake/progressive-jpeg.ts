import { closeSync, openSync, readSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import sharp, { type Metadata } from "sharp";
import { invariant } from "#shared/domain/fault.ts";
import { splitJpeg } from "./jpeg-planes.ts";
import { writePlainTiff } from "./plain-tiff.ts";

/** Coefficients that libjpeg may hold: those of 100 megapixels with chroma halved both ways, as nearly all files have it. */
const coefficientBytesMax = 300_000_000;
const firstByte = 8;

/** A progressive JPEG with full chroma of which libjpeg would hold more than it may. */
export function isHeavyJpeg({ format, isProgressive, chromaSubsampling, width, height }: Metadata): boolean {
  const coefficientBytes = 2 * 3 * width * height;
  return (
    format === "jpeg" &&
    isProgressive &&
    chromaSubsampling === "4:4:4" &&
    coefficientBytes > coefficientBytesMax
  );
}

/**
 * Unpacks a progressive JPEG with full chroma to a plain TIFF with a third of the memory: its components are decoded one
 * after another. The samples are libjpeg's to the bit.
 *
 * @param paths.planes three files that are needed meanwhile and gone afterwards.
 * @returns false for a file that cannot be taken apart, or is damaged: then libjpeg must see the whole of it.
 */
export async function unpackProgressiveJpeg(
  file: { path: string; pixelsMax: number; icc: Uint8Array | undefined; orientation: number | undefined },
  paths: { unpacked: string; planes: readonly string[] },
): Promise<boolean> {
  const split = splitJpeg(await readFile(file.path));
  if (split === undefined || split.width * split.height > file.pixelsMax) return false;
  const { width, height, isRgb } = split;
  try {
    for (const [index, plane] of split.files.entries()) {
      await sharp(plane, { sequentialRead: true, limitInputPixels: file.pixelsMax, failOn: "error" })
        .toColourspace("b-w")
        .tiff({ compression: "none" })
        .toFile(paths.planes[index]!);
    }
    using planes = openPlanes(paths.planes, width);
    const shape = { width, height, channels: 3, bits: 8 } as const;
    const { icc, orientation } = file;
    await writePlainTiff(
      paths.unpacked,
      {
        ...shape,
        ...(icc === undefined ? {} : { icc }),
        ...(orientation === undefined ? {} : { orientation }),
      },
      (row, y) => {
        const [first, second, third] = planes.read(y);
        (isRgb ? joinRgb : joinYcc)(row, first, second, third);
      },
    );
    return true;
  } catch {
    await rm(paths.unpacked, { force: true });
    return false;
  } finally {
    await Promise.all(paths.planes.map((path) => rm(path, { force: true })));
  }
}

type Row = Uint8Array;

/** Reads the same row of plain gray rasters. */
function openPlanes(paths: readonly string[], width: number) {
  const planes = paths.map((path) => ({ file: openSync(path, "r"), row: new Uint8Array(width) }));
  return {
    read(y: number): [Row, Row, Row] {
      for (const { file, row } of planes)
        invariant(readSync(file, row, 0, width, firstByte + y * width) === width, "a plane is whole");
      return planes.map(({ row }) => row) as [Row, Row, Row];
    },
    [Symbol.dispose]() {
      for (const { file } of planes) closeSync(file);
    },
  };
}

function joinRgb(into: Row, red: Row, green: Row, blue: Row): void {
  for (let x = 0, at = 0; x < red.length; x += 1, at += 3) {
    into[at] = red[x]!;
    into[at + 1] = green[x]!;
    into[at + 2] = blue[x]!;
  }
}

/** JFIF's equations in 16 fractional bits, rounded as libjpeg rounds them (`ycc_rgb_convert` of jdcolor.c). */
function joinYcc(into: Row, luma: Row, blueness: Row, redness: Row): void {
  const half = 1 << 15;
  for (let x = 0, at = 0; x < luma.length; x += 1, at += 3) {
    const y = luma[x]!;
    const cb = blueness[x]! - 128;
    const cr = redness[x]! - 128;
    into[at] = level(y + ((91_881 * cr + half) >> 16));
    into[at + 1] = level(y + ((-22_554 * cb - 46_802 * cr + half) >> 16));
    into[at + 2] = level(y + ((116_130 * cb + half) >> 16));
  }
}

function level(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}
