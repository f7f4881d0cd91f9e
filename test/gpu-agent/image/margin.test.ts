import { expect, test } from "vitest";
import { withMargin, withoutMargin } from "#agent/image/margin.ts";
import type { RasterShape, RowSink, RowSource, Samples } from "#agent/image/raster-shape.ts";

const gray = (width: number, height: number): RasterShape => ({ width, height, channels: 1, bits: 8 });

function pictureOf(rows: number[][]): RowSource {
  const shape = gray(rows[0]?.length ?? 0, rows.length);
  return { shape, readRows: async (y, count) => Uint8Array.from(rows.slice(y, y + count).flat()) };
}

function collector(shape: RasterShape): RowSink & { readonly rows: number[][] } {
  const rows: number[][] = [];
  return { shape, rows, writeRows: async (band: Samples) => void rows.push([...band]) };
}

test("a margin is the picture's own reflection, without repeating its edge", async () => {
  const framed = withMargin(
    pictureOf([
      [1, 2, 3],
      [4, 5, 6],
    ]),
    2,
  );
  expect(framed.shape).toEqual(gray(7, 6));
  const rows = [...(await framed.readRows(0, 6))];
  const row = (y: number): number[] => rows.slice(y * 7, y * 7 + 7);
  expect(row(2)).toEqual([3, 2, 1, 2, 3, 2, 1]);
  expect(row(1)).toEqual([6, 5, 4, 5, 6, 5, 4]);
  expect(row(4)).toEqual(row(2));
});

test("a single pixel becomes a flat picture of any margin", async () => {
  const framed = withMargin(pictureOf([[7]]), 9);
  expect(new Set(await framed.readRows(0, 19))).toEqual(new Set([7]));
});

test("what a margin added, taking it away removes, in bands of any height", async () => {
  const rows = [
    [1, 2, 3, 4],
    [5, 6, 7, 8],
    [9, 10, 11, 12],
  ];
  const framed = withMargin(pictureOf(rows), 3);
  for (const band of [1, 2, 4, 9]) {
    const kept = collector(gray(4, 3));
    const sink = withoutMargin(kept, 3);
    for (let y = 0; y < framed.shape.height; y += band) {
      await sink.writeRows(await framed.readRows(y, Math.min(band, framed.shape.height - y)));
    }
    expect(kept.rows).toEqual(rows);
  }
});
