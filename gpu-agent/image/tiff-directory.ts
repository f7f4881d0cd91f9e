import { Fault } from "#shared/domain/fault.ts";
import { rowBytes, rowsWithin, type RasterShape } from "./raster-shape.ts";

/** Pixels start here, after the eight bytes of the TIFF header. */
export const pixelOffset = 8;
/** Classic TIFF counts in 32 bits: header, pixels and directory together stay under this. */
export const fileBytesMax = 2 ** 32 - 1;
/** Pixels are one block, yet listed as strips of about this size, so that every viewer reads them piecemeal. */
const stripBytes = 1 << 20;
/** More entries than any writer of plain pictures emits (libvips: 15 to 20). */
const entriesMax = 64;

const tag = {
  width: 256,
  height: 257,
  bits: 258,
  compression: 259,
  photometric: 262,
  fillOrder: 266,
  stripOffsets: 273,
  orientation: 274,
  channels: 277,
  rowsPerStrip: 278,
  stripByteCounts: 279,
  planar: 284,
  predictor: 317,
  extraSamples: 338,
  sampleFormat: 339,
  profile: 34_675,
} as const;

/** Types of entries, and the bytes of one value of each (TIFF 6.0, section 2). */
const short = 3;
const long = 4;
const opaque = 7;
const valueBytes = { [short]: 2, [long]: 4, [opaque]: 1 } as const;
type EntryType = keyof typeof valueBytes;

/** Reads `length` bytes at `offset` of the file; rejects when they are not all there. */
export type ReadBytes = (offset: number, length: number) => Promise<Buffer>;

/** The Fault of every raster that is not what this project writes: damaged in transit, or not made by it. */
export function rasterInvalid(what: string): Fault {
  return new Fault(
    "input",
    "raster_invalid",
    `The intermediate picture is unusable: ${what}. Make it again.`,
  );
}

/** Bytes of the pixel block. */
export const pixelBytes = (shape: RasterShape): number => rowBytes(shape) * shape.height;

/** Where the directory of a raster of this shape begins: behind the pixels, on an even byte (TIFF 6.0, section 2). */
export const directoryOffset = (shape: RasterShape): number => {
  const end = pixelOffset + pixelBytes(shape);
  return end + (end % 2);
};

/** The eight bytes in front of the pixels: byte order, version, offset of the directory. */
export function tiffHeader(shape: RasterShape): Buffer {
  const header = Buffer.alloc(pixelOffset);
  header.write("II", "latin1");
  header.writeUInt16LE(42, 2);
  header.writeUInt32LE(directoryOffset(shape), 4);
  return header;
}

/** The image file directory of a baseline TIFF (TIFF 6.0, sections 4, 6 and 18), with an ICC profile where given. */
export function tiffDirectory(shape: RasterShape, profile?: Uint8Array): Buffer {
  const rowsPerStrip = rowsWithin(shape, stripBytes);
  const strips = Math.ceil(shape.height / rowsPerStrip);
  const full = rowsPerStrip * rowBytes(shape);
  const offsets = Array.from({ length: strips }, (_, strip) => pixelOffset + strip * full);
  const counts = offsets.map((offset) => Math.min(full, pixelOffset + pixelBytes(shape) - offset));
  const each = (value: number): number[] => Array.from({ length: shape.channels }, () => value);
  const entries: [id: number, type: EntryType, values: readonly number[]][] = [
    [tag.width, long, [shape.width]],
    [tag.height, long, [shape.height]],
    [tag.bits, short, each(shape.bits)],
    [tag.compression, short, [1]],
    [tag.photometric, short, [shape.channels === 1 ? 1 : 2]],
    [tag.stripOffsets, long, offsets],
    [tag.orientation, short, [1]],
    [tag.channels, short, [shape.channels]],
    [tag.rowsPerStrip, long, [rowsPerStrip]],
    [tag.stripByteCounts, long, counts],
    [tag.planar, short, [1]],
    // 2 = unassociated alpha: colours are not multiplied by it.
    [tag.extraSamples, short, shape.channels === 4 ? [2] : []],
    [tag.sampleFormat, short, each(1)],
    [tag.profile, opaque, profile === undefined ? [] : [...profile]],
  ];
  return packDirectory(
    directoryOffset(shape),
    entries.filter(([, , values]) => values.length > 0),
  );
}

function packDirectory(
  start: number,
  entries: readonly [id: number, type: EntryType, values: readonly number[]][],
): Buffer {
  const table = Buffer.alloc(2 + entries.length * 12 + 4);
  table.writeUInt16LE(entries.length, 0);
  const outside: Buffer[] = [];
  let outsideBytes = 0;
  for (const [index, [id, type, values]] of entries.entries()) {
    const at = 2 + index * 12;
    const packed = packValues(type, values);
    table.writeUInt16LE(id, at);
    table.writeUInt16LE(type, at + 2);
    table.writeUInt32LE(values.length, at + 4);
    if (packed.length <= 4) {
      packed.copy(table, at + 8);
    } else {
      table.writeUInt32LE(start + table.length + outsideBytes, at + 8);
      outside.push(packed);
      outsideBytes += packed.length;
    }
  }
  return Buffer.concat([table, ...outside]);
}

/**
 * Reads and checks the one directory of a plain TIFF: little endian, uncompressed, interleaved unsigned samples of 8
 * or 16 bits, 1, 3 or 4 channels, upright, its strips one gapless block from byte 8 that lies wholly in the file.
 * Unknown entries (resolution, profiles) are passed over. Throws Fault `raster_invalid` on anything else.
 */
export async function readTiffShape(read: ReadBytes, fileBytes: number): Promise<RasterShape> {
  const need = async (offset: number, length: number): Promise<Buffer> => {
    if (offset + length > fileBytes) throw rasterInvalid("the file is cut short");
    return await read(offset, length);
  };
  const header = await need(0, pixelOffset);
  if (header.toString("latin1", 0, 2) !== "II" || header.readUInt16LE(2) !== 42) {
    throw rasterInvalid("it is not a little-endian TIFF");
  }
  const start = header.readUInt32LE(4);
  const count = (await need(start, 2)).readUInt16LE(0);
  if (count > entriesMax) throw rasterInvalid(`its directory has ${count} entries`);
  const table = await need(start + 2, count * 12 + 4);
  if (table.readUInt32LE(count * 12) !== 0) throw rasterInvalid("it holds more than one picture");
  const entries = new Map<number, Buffer>();
  for (let at = 0; at < count * 12; at += 12)
    entries.set(table.readUInt16LE(at), table.subarray(at, at + 12));

  const values = async (id: number, expected: number): Promise<number[]> => {
    const entry = entries.get(id);
    if (entry === undefined) throw rasterInvalid(`its directory lacks entry ${id}`);
    const type = entry.readUInt16LE(2);
    const length = entry.readUInt32LE(4);
    if ((type !== short && type !== long) || length !== expected)
      throw rasterInvalid(`entry ${id} is malformed`);
    const bytes = length * valueBytes[type];
    return unpackValues(
      type,
      bytes <= 4 ? entry.subarray(8, 8 + bytes) : await need(entry.readUInt32LE(8), bytes),
    );
  };
  const single = async (id: number, fallback?: number): Promise<number> =>
    fallback !== undefined && !entries.has(id) ? fallback : (await values(id, 1))[0]!;
  const demand = async (id: number, wanted: number, what: string): Promise<void> => {
    if ((await single(id, 1)) !== wanted) throw rasterInvalid(what);
  };

  const width = await single(tag.width);
  const height = await single(tag.height);
  const channels = await single(tag.channels, 1);
  if (width < 1 || height < 1) throw rasterInvalid("it has no pixels");
  if (channels !== 1 && channels !== 3 && channels !== 4) throw rasterInvalid(`it has ${channels} channels`);
  const depths = await values(tag.bits, channels);
  const bits = depths[0];
  if ((bits !== 8 && bits !== 16) || depths.some((depth) => depth !== bits)) {
    throw rasterInvalid(`its samples have ${depths.join("/")} bits`);
  }
  await demand(tag.compression, 1, "it is compressed");
  await demand(tag.planar, 1, "its channels are not interleaved");
  await demand(tag.orientation, 1, "it is not upright");
  await demand(tag.fillOrder, 1, "its bits are reversed");
  await demand(tag.predictor, 1, "its samples are differences");
  await demand(tag.photometric, channels === 1 ? 1 : 2, "its colour model is neither gray nor RGB");
  const formats = entries.has(tag.sampleFormat) ? await values(tag.sampleFormat, channels) : [];
  if (formats.some((format) => format !== 1)) throw rasterInvalid("its samples are not unsigned integers");

  const shape: RasterShape = { width, height, channels, bits };
  if (pixelOffset + pixelBytes(shape) > fileBytes) throw rasterInvalid("the file is cut short");
  const rowsPerStrip = Math.min(await single(tag.rowsPerStrip, height), height);
  if (rowsPerStrip < 1) throw rasterInvalid("its strips are empty");
  const strips = Math.ceil(height / rowsPerStrip);
  const offsets = await values(tag.stripOffsets, strips);
  const counts = await values(tag.stripByteCounts, strips);
  let next = pixelOffset;
  for (let strip = 0; strip < strips; strip += 1) {
    const rows = Math.min(rowsPerStrip, height - strip * rowsPerStrip);
    if (offsets[strip] !== next || counts[strip] !== rows * rowBytes(shape)) {
      throw rasterInvalid("its pixels are not one block");
    }
    next += rows * rowBytes(shape);
  }
  return shape;
}

function packValues(type: EntryType, values: readonly number[]): Buffer {
  const size = valueBytes[type];
  const packed = Buffer.alloc(values.length * size);
  for (const [index, value] of values.entries()) packed.writeUIntLE(value, index * size, size);
  return packed;
}

function unpackValues(type: EntryType, packed: Buffer): number[] {
  const size = valueBytes[type];
  return Array.from({ length: packed.length / size }, (_, index) => packed.readUIntLE(index * size, size));
}
