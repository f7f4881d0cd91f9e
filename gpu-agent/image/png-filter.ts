import { toByte, type Samples } from "./raster-shape.ts";

/**
 * Writes one row of samples as a PNG scanline into `line`: the filter type Sub, then each byte less the byte one pixel
 * to the left (PNG 3rd edition, section 9.2), words with the high byte first. Grain hardly compresses unfiltered;
 * choosing among filters per row costs more than it saves.
 *
 * @param bits of a sample in the PNG: rows of 16 are rounded to 8 on the way.
 */
export function filterSub(
  row: Samples,
  line: Uint8Array,
  { channels, bits }: { channels: number; bits: 8 | 16 },
): void {
  line[0] = 1;
  if (!(row instanceof Uint16Array)) filterBytes(row, line, channels);
  else if (bits === 16) filterWords(row, line, channels);
  else if (channels === 3) filterRoundedColour(row, line);
  else filterRounded(row, line, channels);
}

function filterBytes(row: Uint8Array, line: Uint8Array, channels: number): void {
  for (let i = 0; i < channels; i += 1) line[i + 1] = row[i]!;
  for (let i = channels; i < row.length; i += 1) line[i + 1] = row[i]! - row[i - channels]!;
}

function filterWords(row: Uint16Array, line: Uint8Array, channels: number): void {
  for (let i = 0, at = 1; i < row.length; i += 1, at += 2) {
    const value = row[i]!;
    const left = i < channels ? 0 : row[i - channels]!;
    line[at] = (value >>> 8) - (left >>> 8);
    line[at + 1] = value - left;
  }
}

/** What nearly every result is made of: one pass, each sample rounded once. */
function filterRoundedColour(row: Uint16Array, line: Uint8Array): void {
  let red = 0;
  let green = 0;
  let blue = 0;
  for (let i = 0; i < row.length; i += 3) {
    const nextRed = toByte(row[i]!);
    const nextGreen = toByte(row[i + 1]!);
    const nextBlue = toByte(row[i + 2]!);
    line[i + 1] = nextRed - red;
    line[i + 2] = nextGreen - green;
    line[i + 3] = nextBlue - blue;
    red = nextRed;
    green = nextGreen;
    blue = nextBlue;
  }
}

function filterRounded(row: Uint16Array, line: Uint8Array, channels: number): void {
  for (let i = 0; i < row.length; i += 1)
    line[i + 1] = toByte(row[i]!) - (i < channels ? 0 : toByte(row[i - channels]!));
}

/** The two sums of Adler-32; both begin as `{ low: 1, high: 0 }`. */
export interface Adler {
  low: number;
  high: number;
}

/**
 * Continues an Adler-32 (RFC 1950, section 9) over `data`, which begins at a multiple of 4 in its buffer: four bytes a
 * step. zlib's own is not reachable from Node.
 */
export function adler32(data: Uint8Array, { low, high }: Adler): Adler {
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length >>> 2);
  for (let at = 0; at < words.length;) {
    // Both sums stay below 2^31, and so in machine integers, for this many words between two reductions.
    const end = Math.min(words.length, at + 950);
    for (; at < end; at += 1) {
      const word = words[at]!;
      const a = word & 255;
      const b = (word >>> 8) & 255;
      const c = (word >>> 16) & 255;
      const d = word >>> 24;
      high += 4 * low + 4 * a + 3 * b + 2 * c + d;
      low += a + b + c + d;
    }
    low %= 65_521;
    high %= 65_521;
  }
  for (let at = words.length * 4; at < data.length; at += 1) {
    low += data[at]!;
    high += low;
  }
  return { low: low % 65_521, high: high % 65_521 };
}
