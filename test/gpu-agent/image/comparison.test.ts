import { readdir } from "node:fs/promises";
import { dirname } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { writeComparison } from "#agent/image/comparison.ts";
import type { RasterShape } from "#agent/image/raster-shape.ts";
import { paint, temporaryFolder, writeRaster } from "./picture-fixture.ts";

const before: RasterShape = { width: 30, height: 20, channels: 1, bits: 8 };
const after: RasterShape = { width: 120, height: 80, channels: 3, bits: 16 };

test("before stands on the left, after on the right, at one size, with a white line between", async () => {
  await using folder = await temporaryFolder();
  const out = folder.path("out.jpg");
  const size = await writeComparison({
    before: await writeRaster(
      folder.path("a.tif"),
      before,
      paint(before, () => 0.2),
    ),
    after: await writeRaster(
      folder.path("b.tif"),
      after,
      paint(after, (_x, _y, channel) => [0.8, 0.4, 0][channel]!),
    ),
    out,
  });
  expect(size).toEqual({ width: 244, height: 80 });
  const { data, info } = await sharp(out).raw().toBuffer({ resolveWithObject: true });
  expect([info.width, info.height, info.format]).toEqual([244, 80, "raw"]);
  const near = (x: number, colour: number[]): void => {
    const at = (40 * 244 + x) * 3;
    for (const [i, value] of colour.entries()) expect(Math.abs(data[at + i]! - value)).toBeLessThan(24);
  };
  near(60, [51, 51, 51]);
  near(122, [255, 255, 255]);
  near(180, [204, 102, 0]);
  expect((await readdir(dirname(out))).sort()).toEqual(["a.tif", "b.tif", "out.jpg"]);
});

test.each([
  [400, 100],
  [100, 400],
  [50, 50],
])("a comparison of %i × %i pictures stays within its longest side, in proportion", async (width, height) => {
  await using folder = await temporaryFolder();
  const shape: RasterShape = { ...after, width, height };
  const path = await writeRaster(
    folder.path("a.tif"),
    shape,
    paint(shape, () => 0.5),
  );
  const size = await writeComparison({
    before: path,
    after: path,
    out: folder.path("out.jpg"),
    maxSidePixels: 200,
  });
  expect(Math.max(size.width, size.height)).toBeLessThanOrEqual(200);
  expect(Math.abs(((size.width - 4) / 2 / size.height) * (height / width) - 1)).toBeLessThan(0.05);
});

test("an encoded after is decoded, and what is transparent in it is white", async () => {
  await using folder = await temporaryFolder();
  const red = {
    create: { width: 60, height: 40, channels: 4, background: { r: 255, g: 0, b: 0, alpha: 0 } },
  } as const;
  await sharp(red).png().toFile(folder.path("b.png"));
  const size = await writeComparison({
    before: await writeRaster(
      folder.path("a.tif"),
      before,
      paint(before, () => 0),
    ),
    after: folder.path("b.png"),
    out: folder.path("out.jpg"),
  });
  expect(size).toEqual({ width: 124, height: 40 });
  const data = await sharp(folder.path("out.jpg")).raw().toBuffer();
  expect(data[(20 * 124 + 100) * 3 + 1]).toBeGreaterThan(245);
  expect(data[(20 * 124 + 10) * 3 + 1]).toBeLessThan(10);
});
