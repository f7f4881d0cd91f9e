import type { Samples } from "./raster-shape.ts";

/**
 * Writes one row of samples as a PNG scanline into `line`: the filter type Sub, then each byte less the byte one pixel
 * to the left (PNG 3rd edition, section 9.2), words with the high byte first. Grain hardly compresses unfiltered;
 * choosing among filters per row costs more than it saves.
 */
export function filterSub(row: Samples, line: Uint8Array, channels: number): void {
  line[0] = 1;
  if (row instanceof Uint16Array) {
    for (let i = 0, at = 1; i < row.length; i += 1, at += 2) {
      const value = row[i]!;
      const left = i < channels ? 0 : row[i - channels]!;
      line[at] = (value >>> 8) - (left >>> 8);
      line[at + 1] = value - left;
    }
    return;
  }
  for (let i = 0; i < channels; i += 1) line[i + 1] = row[i]!;
  for (let i = channels; i < row.length; i += 1) line[i + 1] = row[i]! - row[i - channels]!;
}

/** The two sums of Adler-32; both begin as `{ low: 1, high: 0 }`. */
export interface Adler {
  low: number;
  high: number;
}

/** Continues an Adler-32 (RFC 1950, section 9) over `data`; zlib's own is not reachable from Node. */
export function adler32(data: Uint8Array, { low, high }: Adler): Adler {
  for (let at = 0; at < data.length;) {
    // Both sums stay below 2^31, and so in machine integers, for this many bytes between two reductions.
    const end = Math.min(data.length, at + 3800);
    for (; at < end; at += 1) {
      low += data[at]!;
      high += low;
    }
    low %= 65_521;
    high %= 65_521;
  }
  return { low, high };
}
