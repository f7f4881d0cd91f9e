import { invariant } from "#shared/domain/fault.ts";

/** Size and sample layout of an interleaved picture: gray, RGB or RGBA; unsigned samples of 8 or 16 bits. */
export interface RasterShape {
  width: number;
  height: number;
  channels: 1 | 3 | 4;
  bits: 8 | 16;
}

/** Interleaved samples of whole rows: bytes at 8 bits, 16-bit words at 16. Full scale is white. */
export type Samples = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

/** Anything that yields rows on demand: a file, or a picture that is resized while it is read. */
export interface RowSource {
  readonly shape: RasterShape;
  /**
   * Rows `y` to `y + count`, interleaved. Into `into` where given (it must hold them and match `shape.bits`); the
   * answer is then a view of it, and is overwritten by the caller's next use of that buffer.
   */
  readRows(y: number, count: number, into?: Samples): Promise<Samples>;
}

/** Anything that takes rows from top to bottom. Once the promise resolves the caller may reuse the buffer. */
export interface RowSink {
  readonly shape: RasterShape;
  writeRows(rows: Samples): Promise<void>;
}

/** What a finished file is known by: its size and the SHA-256 (hex) of all of its bytes, hashed while written. */
export interface WrittenFile {
  bytes: number;
  sha256: string;
}

/** Samples of one row. */
export const rowSamples = (shape: RasterShape): number => shape.width * shape.channels;

/** Bytes of one row. */
export const rowBytes = (shape: RasterShape): number => rowSamples(shape) * (shape.bits / 8);

/** A sample of 16 bits at 8: exactly round(sample / 257), in integers. */
export const toByte = (sample: number): number => (sample * 255 + 32_895) >>> 16;

/** A buffer for `count` rows, black. */
export function allocateRows(shape: RasterShape, count: number): Samples {
  const samples = rowSamples(shape) * count;
  return shape.bits === 8 ? new Uint8Array(samples) : new Uint16Array(samples);
}

/** Bits of a sample. */
export const sampleBits = (rows: Samples): 8 | 16 => (rows.BYTES_PER_ELEMENT === 1 ? 8 : 16);

/** How many whole rows fit in `bytesMax`: at least one, at most all of them. */
export function rowsWithin(shape: RasterShape, bytesMax: number): number {
  return Math.min(shape.height, Math.max(1, Math.floor(bytesMax / rowBytes(shape))));
}

/** A buffer for `count` rows: `into` when the caller brought one (checked), else a new one. */
export function rowBuffer(shape: RasterShape, count: number, into?: Samples): Samples {
  if (into === undefined) return allocateRows(shape, count);
  invariant(into.BYTES_PER_ELEMENT * 8 === shape.bits, "the row buffer has the sample size of the picture");
  invariant(into.length >= rowSamples(shape) * count, "the row buffer holds the rows asked for");
  return into.subarray(0, rowSamples(shape) * count);
}

/** How many whole rows `rows` holds. Throws on a torn row or the wrong sample size: both are bugs of the caller. */
export function countRows(shape: RasterShape, rows: Samples): number {
  invariant(sampleBits(rows) === shape.bits, "rows have the sample size of the picture");
  const count = rows.length / rowSamples(shape);
  invariant(Number.isInteger(count), "rows are whole");
  return count;
}
