import type { RasterShape, RowSink, RowSource, Samples } from "./raster-shape.ts";
import { countRows, rowBuffer, rowSamples } from "./raster-shape.ts";
import { reflect } from "./tensor.ts";

/** A picture with `margin` pixels of its own reflection on every side: for pictures that are hardly more than edge. */
export function withMargin(source: RowSource, margin: number): RowSource {
  const inner = source.shape;
  const shape: RasterShape = { ...inner, width: inner.width + 2 * margin, height: inner.height + 2 * margin };
  return {
    shape,
    async readRows(y: number, count: number, into?: Samples): Promise<Samples> {
      const rows = rowBuffer(shape, count, into);
      for (let i = 0; i < count; i += 1) {
        const row = await source.readRows(mirrored(y + i - margin, inner.height), 1);
        spread(row, rows.subarray(i * rowSamples(shape), (i + 1) * rowSamples(shape)), {
          margin,
          shape: inner,
        });
      }
      return rows;
    },
  };
}

/** Takes a picture with a margin and passes on what lies within it. `sink` has the shape of the inner picture. */
export function withoutMargin(sink: RowSink, margin: number): RowSink {
  const inner = sink.shape;
  const shape: RasterShape = { ...inner, width: inner.width + 2 * margin, height: inner.height + 2 * margin };
  let y = 0;
  return {
    shape,
    async writeRows(rows: Samples): Promise<void> {
      const count = countRows(shape, rows);
      const line = rowSamples(shape);
      for (let i = 0; i < count; i += 1, y += 1) {
        if (y < margin || y >= margin + inner.height) continue;
        const from = i * line + margin * inner.channels;
        await sink.writeRows(rows.slice(from, from + rowSamples(inner)));
      }
    },
  };
}

function spread(
  row: Samples,
  into: Samples,
  { margin, shape }: { margin: number; shape: RasterShape },
): void {
  const { width, channels } = shape;
  for (let x = 0; x < width + 2 * margin; x += 1) {
    const from = mirrored(x - margin, width) * channels;
    for (let channel = 0; channel < channels; channel += 1)
      into[x * channels + channel] = row[from + channel]!;
  }
}

/** `reflect` for indexes on both sides of the row. */
const mirrored = (i: number, length: number): number => reflect(Math.abs(i), length);
