/** A BMP file from its parts, whether they fit together or not. */
export interface BmpParts {
  width: number;
  /** Negative: stored from the top. */
  height: number;
  bitsPerPixel: number;
  /** 0 plain, 1 RLE8, 2 RLE4, 3 bit fields. */
  compression?: number;
  /** 40 by default; 12, 56, 108, 124 … are filled up with zeros behind the masks. */
  headerBytes?: number;
  /** Red, green, blue. */
  palette?: readonly (readonly [number, number, number])[];
  masks?: readonly number[];
  pixels: Uint8Array;
}

export function bmpFile(parts: BmpParts): Buffer {
  const { width, height, bitsPerPixel, compression = 0, headerBytes = 40 } = parts;
  const { palette = [], masks = [], pixels } = parts;
  const isCore = headerBytes === 12;
  const header = Buffer.alloc(Math.max(headerBytes, 40 + 4 * masks.length));
  header.writeUInt32LE(headerBytes);
  if (isCore) {
    header.writeUInt16LE(width, 4);
    header.writeUInt16LE(height, 6);
    header.writeUInt16LE(1, 8);
    header.writeUInt16LE(bitsPerPixel, 10);
  } else {
    header.writeInt32LE(width | 0, 4);
    header.writeInt32LE(height | 0, 8);
    header.writeUInt16LE(1, 12);
    header.writeUInt16LE(bitsPerPixel, 14);
    header.writeUInt32LE(compression, 16);
    header.writeUInt32LE(pixels.length, 20);
    for (const [index, mask] of masks.entries()) header.writeUInt32LE(mask >>> 0, 40 + 4 * index);
  }
  const colours = Buffer.from(
    palette.flatMap(([red, green, blue]) => (isCore ? [blue, green, red] : [blue, green, red, 0])),
  );
  const body = Buffer.concat([isCore ? header.subarray(0, 12) : header, colours]);
  const start = Buffer.alloc(14);
  start.write("BM", "latin1");
  start.writeUInt32LE(start.length + body.length + pixels.length, 2);
  start.writeUInt32LE(start.length + body.length, 10);
  return Buffer.concat([start, body, pixels]);
}
