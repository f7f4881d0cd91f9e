import * as fc from "fast-check";
import sharp from "sharp";
import { expect, test } from "vitest";
import { encodeRaster } from "#agent/image/encode.ts";
import { createRaster, openRaster } from "#agent/image/raster.ts";
import type { RasterShape } from "#agent/image/raster-shape.ts";
import { planTiles, type TileRequest } from "#agent/image/tile.ts";
import { runTiled, type TileModel } from "#agent/image/tiled.ts";
import {
  memorySink,
  memorySource,
  noise,
  readRaster,
  sameSamples,
  temporaryFolder,
  writeRaster,
} from "./picture-fixture.ts";
import { enlargingModel, identityModel } from "./stand-in-model.ts";

const metadata = { software: "PhotoKeep" };
const wishes = {
  oblong: { context: 6, multiple: 8, tilePixelsMax: 64 ** 2 },
  square: { context: 6, multiple: 16, tilePixelsMax: 96 ** 2, square: true },
  fixed: { context: 8, multiple: 64, tilePixelsMax: 64 ** 2, fixed: 64 },
} satisfies Record<string, Omit<TileRequest, "width" | "height">>;

/** One pass from raster to raster, in files as between stages. */
async function passFile(
  [from, to]: [string, string],
  wish: Omit<TileRequest, "width" | "height">,
  { run, scale }: { run: TileModel; scale: number },
): Promise<void> {
  await using reader = await openRaster(from);
  const { width, height } = reader.shape;
  const shape: RasterShape = { ...reader.shape, width: width * scale, height: height * scale, bits: 16 };
  await using writer = await createRaster(to, shape);
  await runTiled({ reader, writer, plan: planTiles({ width, height, ...wish }), run, scale });
  await writer.finish();
}

test.each(
  (
    [
      [1, 1, 3],
      [1, 1, 1],
      [1, 20_000, 3],
      [20_000, 1, 3],
      [3, 20_000, 1],
      [331, 257, 3],
    ] as const
  ).flatMap(([width, height, channels]) =>
    (["oblong", "square", "fixed"] as const).map((name) => ({ width, height, channels, name })),
  ),
)(
  "$width × $height × $channels keeps every bit of 16 through $name tiles, twice, into PNG and TIFF",
  async ({ width, height, channels, name }) => {
    await using folder = await temporaryFolder();
    const shape: RasterShape = { width, height, channels, bits: 16 };
    const samples = noise(shape);
    const [first, second, third] = ["a.tif", "b.tif", "c.tif"].map(folder.path) as [string, string, string];
    await writeRaster(first, shape, samples);
    await passFile([first, second], wishes[name], { run: identityModel, scale: 1 });
    await passFile([second, third], wishes.oblong, { run: identityModel, scale: 1 });
    const passed = await readRaster(third);
    expect(passed.shape).toEqual(shape);
    expect(sameSamples(passed.samples, samples)).toBe(true);
    for (const format of ["png", "tiff"] as const) {
      const out = folder.path(`out.${format}`);
      const written = await encodeRaster({ raster: third, out, format, bits: 16, metadata });
      expect(written).toMatchObject({ width, height, format, warnings: [] });
      const decoded = await sharp(out, { ignoreIcc: true })
        .toColourspace(channels === 1 ? "grey16" : "rgb16")
        .raw({ depth: "ushort" })
        .toBuffer();
      expect(sameSamples(decoded, samples)).toBe(true);
    }
  },
);

test("whatever the picture and the tiles a model wants, one that changes nothing changes nothing", async () => {
  const wish = fc.record({
    width: fc.integer({ min: 1, max: 200 }),
    height: fc.integer({ min: 1, max: 200 }),
    channels: fc.constantFrom<1 | 3>(1, 3),
    context: fc.integer({ min: 0, max: 12 }),
    blend: fc.integer({ min: 0, max: 12 }),
    multiple: fc.constantFrom(1, 4, 16),
    kind: fc.constantFrom("oblong", "square", "fixed"),
  });
  await fc.assert(
    fc.asyncProperty(wish, async ({ width, height, channels, multiple, kind, ...margins }) => {
      const side = Math.ceil((2 * margins.context + 3 * margins.blend + 2 * multiple) / multiple) * multiple;
      const shape: RasterShape = { width, height, channels, bits: 16 };
      const samples = noise(shape);
      const plan = planTiles({
        ...shape,
        ...margins,
        multiple,
        tilePixelsMax: side ** 2,
        square: kind === "square",
        ...(kind === "fixed" ? { fixed: side } : {}),
      });
      const sink = memorySink(shape);
      const run: TileModel = async (input, size) => {
        expect([size.width % multiple, size.height % multiple]).toEqual([0, 0]);
        if (kind === "square") expect(size.width).toBe(size.height);
        if (kind === "fixed") expect([size.width, size.height]).toEqual([side, side]);
        return await identityModel(input, size);
      };
      await runTiled({ reader: memorySource(shape, samples), writer: sink, plan, run, scale: 1 });
      expect(sameSamples(sink.samples, samples)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test("a strip of 1 × 20,000 enlarged ×4 and asked for as JPEG comes as the same pixels in a PNG, and says so", async () => {
  await using folder = await temporaryFolder();
  const shape: RasterShape = { width: 1, height: 20_000, channels: 3, bits: 8 };
  const samples = noise(shape);
  const [small, large] = ["small.tif", "large.tif"].map(folder.path) as [string, string];
  await writeRaster(small, shape, samples);
  await passFile([small, large], wishes.oblong, { run: enlargingModel({ scale: 4, blur: 0 }), scale: 4 });
  const out = folder.path("out");
  const written = await encodeRaster({ raster: large, out, format: "jpeg", bits: 8, metadata });
  expect(written).toMatchObject({ width: 4, height: 80_000, format: "png", contentType: "image/png" });
  expect(written.warnings).toEqual([
    "The picture exceeds the 65500 pixels a side that JPEG can hold, so it was written as PNG.",
  ]);
  const decoded = await sharp(out).raw().toBuffer();
  const repeated = Buffer.alloc(decoded.length);
  for (let i = 0; i < repeated.length; i += 1) {
    const pixel = Math.floor(i / 3);
    repeated[i] = samples[Math.floor(pixel / 16) * 3 + (i % 3)]!;
  }
  expect(decoded.equals(repeated)).toBe(true);
});

test("a picture of more megapixels than WebP's encoder can take becomes a PNG and says so", async () => {
  await using folder = await temporaryFolder();
  const shape: RasterShape = { width: 8000, height: 6251, channels: 1, bits: 8 };
  const raster = folder.path("in.tif");
  {
    await using writer = await createRaster(raster, shape);
    const band = new Uint8Array(shape.width * 47).fill(128);
    for (let y = 0; y < shape.height; y += 47) await writer.writeRows(band);
    await writer.finish();
  }
  const out = folder.path("out");
  const written = await encodeRaster({ raster, out, format: "webp", bits: 8, metadata });
  expect(written).toMatchObject({ width: 8000, height: 6251, format: "png" });
  expect(written.warnings).toEqual([
    "The picture exceeds the 50 megapixels that WEBP can hold, so it was written as PNG.",
  ]);
});
