import { open, type FileHandle } from "node:fs/promises";
import { invariant } from "#shared/domain/fault.ts";

/** What is unpacked here and not by libvips, as libvips reads it: an uncompressed TIFF whose samples begin at byte 8. */
export type PlainTiffShape = {
  width: number;
  height: number;
  /** Gray, RGB, RGB with alpha that is not premultiplied. */
  channels: 1 | 3 | 4;
  bits: 8 | 16;
  icc?: Uint8Array;
  /** How it lies, as EXIF says it; upright by default. */
  orientation?: number;
};

const firstByte = 8;
const bandBytesMax = 1 << 20;

/**
 * Writes the picture row by row; `fillRow` fills one row of samples (of 16 bits in the order of this machine). TIFF 6.0.
 */
export async function writePlainTiff(
  path: string,
  shape: PlainTiffShape,
  fillRow: (row: Uint8Array, y: number) => void,
): Promise<void> {
  const { width, height } = shape;
  const rowBytes = (width * shape.channels * shape.bits) / 8;
  const size = rowBytes * height;
  invariant(firstByte + size < 2 ** 32 - 2 ** 24, "the picture fits in a TIFF");
  const bandRows = Math.max(1, Math.floor(bandBytesMax / rowBytes));
  const band = Buffer.alloc(Math.min(bandRows, height) * rowBytes);

  await using file = await open(path, "w");
  const directory = size + (size % 2);
  await put(file, Buffer.from([0x49, 0x49, 0x2a, 0, ...u32(firstByte + directory)]), 0);
  for (let y = 0; y < height; y += bandRows) {
    const rows = Math.min(bandRows, height - y);
    for (let row = 0; row < rows; row += 1)
      fillRow(band.subarray(row * rowBytes, (row + 1) * rowBytes), y + row);
    await put(file, band.subarray(0, rows * rowBytes), firstByte + y * rowBytes);
  }
  await put(file, directoryBytes(shape, { size, at: firstByte + directory }), firstByte + directory);
}

/** Field types of TIFF: 16 bits, 32 bits, bytes of any meaning. */
const short = 3;
const long = 4;
const undefinedBytes = 7;

function directoryBytes(shape: PlainTiffShape, block: { size: number; at: number }): Buffer {
  const { width, height, channels, bits, icc, orientation } = shape;
  const fields: (readonly [tag: number, type: number, values: readonly number[] | Uint8Array])[] = [
    [256, long, [width]],
    [257, long, [height]],
    [258, short, Array.from({ length: channels }, () => bits)],
    [259, short, [1]],
    [262, short, [channels === 1 ? 1 : 2]],
    [273, long, [firstByte]],
    ...(orientation === undefined ? [] : ([[274, short, [orientation]]] as const)),
    [277, short, [channels]],
    [278, long, [height]],
    [279, long, [block.size]],
    ...(channels === 4 ? ([[338, short, [2]]] as const) : []),
    ...(icc === undefined ? [] : ([[34_675, undefinedBytes, icc]] as const)),
  ];
  const entries: Buffer[] = [];
  const extras: Buffer[] = [];
  let extraAt = block.at + 2 + 12 * fields.length + 4;
  for (const [tag, type, values] of fields) {
    const value =
      values instanceof Uint8Array
        ? Buffer.from(values)
        : Buffer.from(values.flatMap((each) => (type === short ? u16(each) : u32(each))));
    const entry = Buffer.alloc(12);
    entry.writeUInt16LE(tag, 0);
    entry.writeUInt16LE(type, 2);
    entry.writeUInt32LE(values.length, 4);
    if (value.length <= 4) value.copy(entry, 8);
    else {
      entry.writeUInt32LE(extraAt, 8);
      const padded = Buffer.concat([value, Buffer.alloc(value.length % 2)]);
      extras.push(padded);
      extraAt += padded.length;
    }
    entries.push(entry);
  }
  return Buffer.concat([Buffer.from(u16(fields.length)), ...entries, Buffer.alloc(4), ...extras]);
}

async function put(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}

function u16(value: number): number[] {
  return [value & 255, (value >>> 8) & 255];
}

function u32(value: number): number[] {
  return [...u16(value & 0xffff), ...u16(value >>> 16)];
}
