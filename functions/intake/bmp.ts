import type { BmpHeader } from "./bmp-header.ts";
import { writePlainTiff } from "./plain-tiff.ts";

/** The pixels of a BMP as they lie in memory: one byte a colour index for 8 bits and less, else packed as in the file. */
type Pixels = { bytes: Buffer; rowBytes: number; bitsPerPixel: number; present: number };

/**
 * Unpacks a BMP to a plain TIFF: gray where all colours of its palette are gray, with alpha where its masks name one
 * and any pixel uses it. The header must have been judged: its size decides what is allocated (a byte a pixel at most).
 *
 * @returns the share of rows for which the file holds no pixels; they are black, or the palette's first colour.
 */
export async function unpackBmp(file: Buffer, header: BmpHeader, path: string): Promise<number> {
  const { width, height } = header;
  const pixels = header.packing === "plain" ? plainPixels(file, header) : runLengths(file, header);
  const { channels, fillRow } = rowFiller(header, pixels);
  const icc = header.icc !== undefined && channels > 1 ? { icc: header.icc } : {};
  await writePlainTiff(path, { width, height, channels, bits: 8, ...icc }, (row, y) => {
    const at = (header.isTopDown ? y : height - 1 - y) * pixels.rowBytes;
    // Where the file has ended its last row is filled up with zeros.
    const source = pixels.bytes.subarray(at, at + pixels.rowBytes);
    fillRow(row, source.length === pixels.rowBytes ? source : padded(source, pixels.rowBytes));
  });
  return 1 - Math.min(1, pixels.present);
}

/** Rows are filled up to whole groups of four bytes. */
function plainPixels(file: Buffer, { width, height, bitsPerPixel, firstByte }: BmpHeader): Pixels {
  const rowBytes = Math.ceil((width * bitsPerPixel) / 32) * 4;
  const bytes = file.subarray(firstByte, firstByte + rowBytes * height);
  return { bytes, rowBytes, bitsPerPixel, present: bytes.length / (rowBytes * height) };
}

/** RLE4 and RLE8: pairs of a count and a colour; a count of 0 ends a row or the picture, moves on, or spells colours out. */
function runLengths(file: Buffer, { width, height, bitsPerPixel, firstByte }: BmpHeader): Pixels {
  const bytes = Buffer.alloc(width * height);
  const isNibbles = bitsPerPixel === 4;
  let at = firstByte;
  let x = 0;
  let y = 0;
  const put = (colour: number) => {
    if (x < width && y < height) bytes[y * width + x] = colour;
    x += 1;
  };
  while (at + 1 < file.length && y < height) {
    const count = file[at]!;
    const value = file[at + 1]!;
    at += 2;
    if (count > 0) {
      for (let i = 0; i < count; i += 1) put(isNibbles ? (i % 2 === 0 ? value >> 4 : value & 15) : value);
    } else if (value === 0) {
      x = 0;
      y += 1;
    } else if (value === 1) {
      return { bytes, rowBytes: width, bitsPerPixel: 8, present: 1 };
    } else if (value === 2) {
      x += file[at] ?? 0;
      y += file[at + 1] ?? 0;
      at += 2;
    } else {
      for (let i = 0; i < value; i += 1) {
        const byte = file[at + (isNibbles ? i >> 1 : i)] ?? 0;
        put(isNibbles ? (i % 2 === 0 ? byte >> 4 : byte & 15) : byte);
      }
      // Spelt-out colours are filled up to whole groups of two bytes.
      at += 2 * Math.ceil((isNibbles ? value / 2 : value) / 2);
    }
  }
  return { bytes, rowBytes: width, bitsPerPixel: 8, present: y / height };
}

type RowFiller = { channels: 1 | 3 | 4; fillRow: (row: Uint8Array, source: Buffer) => void };

function rowFiller({ width, palette, masks }: BmpHeader, pixels: Pixels): RowFiller {
  const { bitsPerPixel } = pixels;
  if (bitsPerPixel <= 8) {
    const channels = isGray(palette) ? 1 : 3;
    return {
      channels,
      fillRow: (row, source) => fillIndexed(row, source, { bitsPerPixel, palette, channels }),
    };
  }
  if (bitsPerPixel === 24) return { channels: 3, fillRow: fillBgr };
  const pixelBytes = bitsPerPixel / 8;
  const fields = masks.map(fieldOf);
  // Many programs name an alpha channel and leave it empty.
  const hasAlpha = masks[3] !== 0 && usesAlpha(pixels, { width, mask: masks[3] });
  const channels = hasAlpha ? 4 : 3;
  const used = fields.slice(0, channels);
  return {
    channels,
    fillRow(row, source) {
      for (let x = 0, to = 0; x < width; x += 1, to += channels) {
        const pixel = source.readUIntLE(x * pixelBytes, pixelBytes);
        for (let channel = 0; channel < channels; channel += 1)
          row[to + channel] = level(pixel, used[channel]!);
      }
    },
  };
}

function fillIndexed(
  row: Uint8Array,
  source: Buffer,
  { bitsPerPixel, palette, channels }: { bitsPerPixel: number; palette: Uint8Array; channels: 1 | 3 },
): void {
  const perByte = 8 / bitsPerPixel;
  const mask = 2 ** bitsPerPixel - 1;
  for (let x = 0, to = 0; to < row.length; x += 1, to += channels) {
    const shift = 8 - bitsPerPixel * ((x % perByte) + 1);
    const colour = (source[Math.floor(x / perByte)]! >> shift) & mask;
    for (let channel = 0; channel < channels; channel += 1)
      row[to + channel] = palette[3 * colour + channel] ?? 0;
  }
}

function fillBgr(row: Uint8Array, source: Buffer): void {
  for (let at = 0; at < row.length; at += 3) {
    row[at] = source[at + 2]!;
    row[at + 1] = source[at + 1]!;
    row[at + 2] = source[at]!;
  }
}

/** Where a channel lies in a pixel and how large it can get. */
type Field = { mask: number; shift: number; most: number };

function fieldOf(mask: number): Field {
  const shift = mask === 0 ? 0 : 31 - Math.clz32(mask & -mask);
  return { mask, shift, most: mask >>> shift };
}

function level(pixel: number, { mask, shift, most }: Field): number {
  return most === 0 ? 0 : Math.round((((pixel & mask) >>> shift) * 255) / most);
}

function usesAlpha(
  { bytes, rowBytes, bitsPerPixel }: Pixels,
  alpha: { width: number; mask: number },
): boolean {
  const pixelBytes = bitsPerPixel / 8;
  for (let row = 0; row + rowBytes <= bytes.length; row += rowBytes) {
    for (let at = row; at < row + alpha.width * pixelBytes; at += pixelBytes)
      if ((bytes.readUIntLE(at, pixelBytes) & alpha.mask) !== 0) return true;
  }
  return false;
}

function isGray(palette: Uint8Array): boolean {
  return palette.every((value, at) => value === palette[at - (at % 3)]);
}

function padded(source: Buffer, length: number): Buffer {
  return Buffer.concat([source], length);
}
