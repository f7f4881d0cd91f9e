import { invariant } from "#shared/domain/fault.ts";
import { allocateRows, rowBuffer, rowSamples, rowsWithin, toByte } from "./raster-shape.ts";
import type { RasterShape, RowSink, RowSource, Samples } from "./raster-shape.ts";

/** Rows travel in bands of about this size. */
const bandBytes = 4 << 20;

/** Pours all rows of a source into a sink of the same shape, band by band. Rejects with the signal's reason. */
export async function copyRows(source: RowSource, sink: RowSink, signal?: AbortSignal): Promise<void> {
  const { shape } = source;
  const band = allocateRows(shape, rowsWithin(shape, bandBytes));
  const count = band.length / rowSamples(shape);
  for (let y = 0; y < shape.height; y += count) {
    signal?.throwIfAborted();
    await sink.writeRows(await source.readRows(y, Math.min(count, shape.height - y), band));
  }
}

/** The same picture at 16 bits. */
export function widenedSource(source: RowSource): RowSource {
  if (source.shape.bits === 16) return source;
  return derivedSource(source, { ...source.shape, bits: 16 }, widen);
}

// Loops over samples are functions of their own: a closure made anew for each picture would be compiled anew with it.
function widen(from: Samples, into: Samples): void {
  for (let i = 0; i < into.length; i += 1) into[i] = from[i]! * 257;
}

/** The same picture at 8 bits, rounded to the nearest. */
export function narrowedSource(source: RowSource): RowSource {
  if (source.shape.bits === 8) return source;
  return derivedSource(source, { ...source.shape, bits: 8 }, narrow);
}

function narrow(from: Samples, into: Samples): void {
  for (let i = 0; i < into.length; i += 1) into[i] = toByte(from[i]!);
}

/** Changes bands of 16-bit samples in place; `firstRow` is the band's place in the picture. */
export type RowTransform = (band: Uint16Array, firstRow: number) => void;

/** The picture as `transform` changes it. */
export function transformedSource(source: RowSource, transform: RowTransform): RowSource {
  return {
    shape: source.shape,
    async readRows(y: number, count: number, into?: Samples): Promise<Samples> {
      const rows = await source.readRows(y, count, into);
      invariant(rows instanceof Uint16Array, "transforms see 16 bits");
      transform(rows, y);
      return rows;
    },
  };
}

/** An RGB picture as gray: its luma (BT.601). A gray one stays as it is. */
export function lumaSource(source: RowSource): RowSource {
  if (source.shape.channels === 1) return source;
  invariant(source.shape.channels === 3, "luma is made of three channels");
  return derivedSource(source, { ...source.shape, channels: 1 }, toLuma);
}

function toLuma(from: Samples, into: Samples): void {
  for (let i = 0, at = 0; i < into.length; i += 1, at += 3) {
    into[i] = 0.299 * from[at]! + 0.587 * from[at + 1]! + 0.114 * from[at + 2]! + 0.5;
  }
}

/** A gray or RGB picture with `alpha` (one channel, same size and bits, not premultiplied) as the fourth channel. */
export function alphaSource(source: RowSource, alpha: RowSource): RowSource {
  demandAlpha(source.shape, alpha.shape);
  const step = source.shape.channels === 1 ? 0 : 1;
  return joinedSource([source, alpha], { ...source.shape, channels: 4 }, ([from, opacity], into) => {
    for (let i = 0, at = 0, to = 0; i < opacity!.length; i += 1, at += 2 * step + 1, to += 4) {
      into[to] = from![at]!;
      into[to + 1] = from![at + step]!;
      into[to + 2] = from![at + 2 * step]!;
      into[to + 3] = opacity![i]!;
    }
  });
}

/** A gray or RGB picture laid over white through `alpha` (one channel, same size and bits, not premultiplied). */
export function flattenedSource(source: RowSource, alpha: RowSource): RowSource {
  demandAlpha(source.shape, alpha.shape);
  const { channels, bits } = source.shape;
  const white = bits === 8 ? 255 : 65_535;
  return joinedSource([source, alpha], source.shape, ([from, opacity], into) => {
    for (let i = 0, at = 0; i < opacity!.length; i += 1) {
      const share = opacity![i]! / white;
      for (const end = at + channels; at < end; at += 1)
        into[at] = white + share * (from![at]! - white) + 0.5;
    }
  });
}

function demandAlpha(picture: RasterShape, alpha: RasterShape): void {
  invariant(
    alpha.width === picture.width && alpha.height === picture.height,
    "alpha has the size of the picture",
  );
  invariant(alpha.channels === 1 && alpha.bits === picture.bits, "alpha is one channel of the same bits");
  invariant(picture.channels !== 4, "the picture has no alpha of its own");
}

/** A source whose rows are computed from the rows of another. */
function derivedSource(
  source: RowSource,
  shape: RasterShape,
  derive: (from: Samples, into: Samples) => void,
): RowSource {
  return joinedSource([source], shape, ([from], into) => derive(from!, into));
}

/** A source whose rows are computed from the same rows of others. Buffers for those are kept from call to call. */
function joinedSource(
  sources: readonly RowSource[],
  shape: RasterShape,
  join: (rows: Samples[], into: Samples) => void,
): RowSource {
  const buffers: (Samples | undefined)[] = sources.map(() => undefined);
  return {
    shape,
    async readRows(y: number, count: number, into?: Samples): Promise<Samples> {
      const rows: Samples[] = [];
      for (const [index, source] of sources.entries()) {
        const last = buffers[index];
        const isEnough = last !== undefined && last.length >= count * rowSamples(source.shape);
        const buffer = isEnough ? last : allocateRows(source.shape, count);
        buffers[index] = buffer;
        rows.push(await source.readRows(y, count, buffer));
      }
      const result = rowBuffer(shape, count, into);
      join(rows, result);
      return result;
    },
  };
}
