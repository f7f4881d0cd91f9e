import { crc32, deflateSync } from "node:zlib";

export interface PngParts {
  width: number;
  height: number;
  /** Bits of a sample, and the colour type: 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha. */
  bits: 1 | 2 | 4 | 8 | 16;
  colour: 0 | 2 | 3 | 4 | 6;
  /** The rows as they are compressed: one filter byte before each. */
  rows: Uint8Array;
  /** Chunks between the header and the pixels. */
  chunks?: readonly Buffer[];
}

const signature = Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** A PNG (3rd edition) that states and holds exactly this, whether it fits together or not. */
export function pngFile({ width, height, bits, colour, rows, chunks = [] }: PngParts): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = bits;
  header[9] = colour;
  return Buffer.concat([
    signature,
    pngChunk("IHDR", header),
    ...chunks,
    pngChunk("IDAT", deflateSync(rows, { level: 6 })),
    pngChunk("IEND"),
  ]);
}

export function pngChunk(type: string, data: Uint8Array = new Uint8Array()): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
}

/** An embedded profile (11.3.2.3). */
export function iccChunk(icc: Uint8Array): Buffer {
  return pngChunk("iCCP", Buffer.concat([Buffer.from("icc\0\0", "latin1"), deflateSync(icc)]));
}

/** Samples as unfiltered rows, 16-bit ones high byte first. */
export function pngRows(samples: Uint8Array | Uint16Array, rowSamples: number): Buffer {
  const bytes = samples.BYTES_PER_ELEMENT;
  const rowBytes = 1 + rowSamples * bytes;
  const rows = Buffer.alloc((samples.length / rowSamples) * rowBytes);
  for (const [at, sample] of samples.entries())
    rows.writeUIntBE(sample, Math.floor(at / rowSamples) * rowBytes + 1 + (at % rowSamples) * bytes, bytes);
  return rows;
}
