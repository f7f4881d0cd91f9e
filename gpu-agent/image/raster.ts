import { type FileHandle, open } from "node:fs/promises";
import { invariant } from "#shared/domain/fault.ts";
import { createHashedFile } from "./hashed-file.ts";
import { countRows, rowBuffer, rowBytes } from "./raster-shape.ts";
import type { RasterShape, RowSink, RowSource, Samples, WrittenFile } from "./raster-shape.ts";
import {
  directoryOffset,
  fileBytesMax,
  pixelBytes,
  pixelOffset,
  rasterInvalid,
  readTiffShape,
  tiffDirectory,
  tiffHeader,
} from "./tiff-directory.ts";

/** More than this is never read or written in one call (Node's own limit is 2 GiB). */
const bandBytesMax = 1 << 30;

/** Rows of a raster file, read where they lie. Dispose closes the file. */
export interface RasterReader extends RowSource, AsyncDisposable {}

/** Writes a raster from top to bottom. Disposing one that was not finished removes its file. */
export interface RasterWriter extends RowSink, AsyncDisposable {
  /** Writes the directory and closes the file. Throws when rows are missing: that is a bug. */
  finish(): Promise<WrittenFile>;
}

// Samples are written as they lie in memory, and the format says little endian.
invariant(new Uint8Array(new Uint16Array([1]).buffer)[0] === 1, "this machine is little endian");

/**
 * Opens an intermediate picture: a baseline uncompressed TIFF whose pixels are one block from byte 8, as
 * {@link createRaster} and sharp's `.tiff({ compression: "none" })` write it. Reading a band is one plain read.
 * Throws Fault `raster_invalid` for any other file; the error of the file system when there is none.
 */
export async function openRaster(path: string): Promise<RasterReader> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const shape = await readTiffShape(
      (offset, length) => readExactly(file, Buffer.alloc(length), offset),
      size,
    );
    return {
      shape,
      async readRows(y: number, count: number, into?: Samples): Promise<Samples> {
        invariant(y >= 0 && count >= 1 && y + count <= shape.height, "the rows lie in the picture");
        invariant(count * rowBytes(shape) <= bandBytesMax, "a band stays under 1 GiB");
        return await readExactly(file, rowBuffer(shape, count, into), pixelOffset + y * rowBytes(shape));
      },
      [Symbol.asyncDispose]: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Creates (or overwrites) an intermediate picture, tagged with an ICC profile where one is given. Header, pixels and directory are hashed as they are written.
 * Limit: classic TIFF, so the whole file stays under 4 GiB (RGB at 16 bits: 715 megapixels). Throws Fault
 * `raster_invalid` beyond it.
 */
export async function createRaster(
  path: string,
  shape: RasterShape,
  profile?: Uint8Array,
): Promise<RasterWriter> {
  invariant(shape.width >= 1 && shape.height >= 1, "a picture has pixels");
  if (pixelBytes(shape) > fileBytesMax) throw rasterInvalid("it would exceed 4 GiB");
  const directory = tiffDirectory(shape, profile);
  if (directoryOffset(shape) + directory.length > fileBytesMax) throw rasterInvalid("it would exceed 4 GiB");
  await using opening = new AsyncDisposableStack();
  const file = opening.use(await createHashedFile(path));
  await file.append(tiffHeader(shape));
  let rowsWritten = 0;
  opening.move();
  return {
    shape,
    async writeRows(rows: Samples): Promise<void> {
      rowsWritten += countRows(shape, rows);
      invariant(rows.byteLength <= bandBytesMax, "a band stays under 1 GiB");
      invariant(rowsWritten <= shape.height, "no more rows are written than the picture has");
      await file.append(new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength));
    },
    async finish(): Promise<WrittenFile> {
      invariant(rowsWritten === shape.height, "all rows are written before the raster is finished");
      await file.append(Buffer.alloc(directoryOffset(shape) - file.bytes));
      await file.append(directory);
      return await file.finish();
    },
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}

async function readExactly<T extends Uint8Array | Uint16Array>(
  file: FileHandle,
  into: T,
  position: number,
): Promise<T> {
  const view = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
  for (let done = 0; done < view.length;) {
    const { bytesRead } = await file.read(view, done, view.length - done, position + done);
    if (bytesRead === 0) throw rasterInvalid("the file is cut short");
    done += bytesRead;
  }
  return into;
}
