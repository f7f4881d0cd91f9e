import { availableParallelism } from "node:os";
import { promisify } from "node:util";
import { constants, deflateRaw, type ZlibOptions } from "node:zlib";
import { invariant } from "#shared/domain/fault.ts";
import { createHashedFile } from "./hashed-file.ts";
import { chunkBytes, type PngChunk } from "./png-chunk.ts";
import { adler32, filterSub } from "./png-filter.ts";
import { countRows, rowBytes, rowSamples, rowsWithin, sampleBits } from "./raster-shape.ts";
import type { RasterShape, RowSink, Samples, WrittenFile } from "./raster-shape.ts";

/**
 * Writes a PNG from top to bottom. One of 8 bits also takes rows of 16 and rounds them. Disposing one that was not
 * finished removes its file.
 */
export interface PngWriter extends RowSink, AsyncDisposable {
  /** Writes what is left and closes the file. Throws when rows are missing: that is a bug. */
  finish(): Promise<WrittenFile>;
}

/** Scanlines are compressed in strips of about this size: large enough that a strip's own start costs nothing. */
const stripBytes = 1 << 20;
/** Strips under way at once: one per thread of the pool that finds a core, one waiting. This bounds the memory. */
const stripsMax = Math.min(8, availableParallelism()) + 1;
/** The largest side a PNG can state. */
const sideMax = 2 ** 31 - 1;
const colourTypes = { 1: 0, 3: 2, 4: 6 } as const;

/**
 * Creates (or overwrites) a PNG. `chunks` stand between the header and the pixels, in the order given: profile before
 * text. Compression: the Sub filter, then run lengths and Huffman codes only (zlib's Z_RLE), which on photographs with
 * grain is both faster and smaller than searching for matches.
 *
 * Strips are compressed on their own in zlib's thread pool while the next ones are filtered, each flushed to a byte
 * boundary, and strung together into one zlib stream (as pigz does). Held at any time: a few strips of 1 MiB, or of
 * one row where rows are longer.
 */
export async function createPng(
  path: string,
  shape: RasterShape,
  chunks: readonly PngChunk[] = [],
): Promise<PngWriter> {
  invariant(Math.max(shape.width, shape.height) <= sideMax, "a PNG side fits in 31 bits");
  await using opening = new AsyncDisposableStack();
  const file = opening.use(await createHashedFile(path));
  const lineBytes = 1 + rowBytes(shape);
  const samples = rowSamples(shape);
  const newStrip = (): Uint8Array<ArrayBuffer> => new Uint8Array(lineBytes * rowsWithin(shape, stripBytes));
  const freeStrips: Uint8Array<ArrayBuffer>[] = [];
  const sent: { strip: Uint8Array<ArrayBuffer>; compressed: Promise<Buffer> }[] = [];
  let strip = newStrip();
  let filled = 0;
  let rowsWritten = 0;
  let adler = { low: 1, high: 0 };

  const appendChunk = async (type: string, data: Uint8Array): Promise<void> => {
    for (const part of chunkBytes({ type, data })) await file.append(part);
  };
  const send = (): void => {
    const lines = strip.subarray(0, filled);
    adler = adler32(lines, adler);
    const compressed = deflateStrip(lines);
    // Awaited in order, later: until then a failure must not count as unhandled.
    compressed.catch(() => {});
    sent.push({ strip, compressed });
    strip = freeStrips.pop() ?? newStrip();
    filled = 0;
  };
  const collectOldest = async (): Promise<void> => {
    const oldest = sent.shift()!;
    await appendChunk("IDAT", await oldest.compressed);
    freeStrips.push(oldest.strip);
  };

  await file.append(Buffer.from("\x89PNG\r\n\x1a\n", "latin1"));
  await appendChunk("IHDR", headerData(shape));
  for (const { type, data } of chunks) await appendChunk(type, data);
  // The two bytes that open a zlib stream (RFC 1950); chunk borders mean nothing within it.
  await appendChunk("IDAT", Uint8Array.of(0x78, 0x01));
  opening.move();
  return {
    shape,
    async writeRows(rows: Samples): Promise<void> {
      const count = countRows({ ...shape, bits: shape.bits === 8 ? sampleBits(rows) : 16 }, rows);
      rowsWritten += count;
      invariant(rowsWritten <= shape.height, "no more rows are written than the picture has");
      for (let y = 0; y < count; y += 1) {
        const line = strip.subarray(filled, filled + lineBytes);
        filterSub(rows.subarray(y * samples, (y + 1) * samples), line, shape);
        filled += lineBytes;
        if (filled < strip.length) continue;
        if (sent.length >= stripsMax) await collectOldest();
        send();
      }
    },
    async finish(): Promise<WrittenFile> {
      invariant(rowsWritten === shape.height, "all rows are written before the PNG is finished");
      if (filled > 0) send();
      while (sent.length > 0) await collectOldest();
      await appendChunk("IDAT", streamEnd(adler));
      await appendChunk("IEND", new Uint8Array());
      return await file.finish();
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await Promise.allSettled(sent.map(({ compressed }) => compressed));
      await file[Symbol.asyncDispose]();
    },
  };
}

/** How strips are compressed: run lengths and Huffman codes. */
export const deflateOptions = {
  level: 1,
  strategy: constants.Z_RLE,
  // Twice as many symbols to a block: 7 % less time, the same size.
  memLevel: 9,
  finishFlush: constants.Z_SYNC_FLUSH,
} satisfies ZlibOptions;

const deflateAsync = promisify<Uint8Array, ZlibOptions, Buffer>(deflateRaw);

/** Compresses a strip on the thread pool into whole bytes that another strip may follow. */
async function deflateStrip(lines: Uint8Array): Promise<Buffer> {
  return await deflateAsync(lines, {
    ...deflateOptions,
    // Deflate never adds more than this, so the answer comes as one piece from one visit to the pool.
    chunkSize: lines.length + (lines.length >>> 8) + 1024,
  });
}

/** An empty last block, then the checksum: what closes a zlib stream. */
function streamEnd({ low, high }: { low: number; high: number }): Uint8Array {
  return Uint8Array.of(3, 0, high >>> 8, high & 255, low >>> 8, low & 255);
}

function headerData(shape: RasterShape): Uint8Array {
  const data = Buffer.alloc(13);
  data.writeUInt32BE(shape.width, 0);
  data.writeUInt32BE(shape.height, 4);
  data[8] = shape.bits;
  data[9] = colourTypes[shape.channels];
  return data;
}
