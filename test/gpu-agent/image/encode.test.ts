import { createHash } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { encodeRaster, type EncodeRequest, type ResultFormat } from "#agent/image/encode.ts";
import type { RasterShape, Samples } from "#agent/image/raster-shape.ts";
import { noise, paint, sameSamples, temporaryFolder, writeRaster } from "./picture-fixture.ts";

const rgb: RasterShape = { width: 121, height: 67, channels: 3, bits: 16 };
const formats: ResultFormat[] = ["png", "jpeg", "webp", "tiff"];

/** Encodes a picture in memory to `folder/out`. */
async function encode(
  folder: { path: (name: string) => string },
  [shape, samples]: [RasterShape, Samples],
  request: Partial<EncodeRequest> = {},
) {
  const raster = await writeRaster(folder.path("in.tif"), shape, samples);
  const out = folder.path("out");
  const metadata = { software: "PhotoKeep 1" };
  return { out, ...(await encodeRaster({ raster, out, format: "png", bits: 8, metadata, ...request })) };
}

/** Samples of an encoded picture as they stand in the file. */
async function decode(path: string, space: "srgb" | "rgb16" | "b-w" | "grey16"): Promise<Buffer> {
  const depth = space.endsWith("16") ? "ushort" : "uchar";
  return await sharp(path, { ignoreIcc: true }).toColourspace(space).raw({ depth }).toBuffer();
}

const rounded = (samples: Samples): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(samples, (v) => Math.round(v / 257));

test.each(formats)(
  "%s: size, digest and type are told as they are, and nothing else is left behind",
  async (format) => {
    await using folder = await temporaryFolder();
    const { out, ...result } = await encode(folder, [rgb, noise(rgb)], { format });
    const file = await readFile(out);
    expect(result).toEqual({
      bytes: file.length,
      sha256: createHash("sha256").update(file).digest("hex"),
      width: 121,
      height: 67,
      format,
      contentType: `image/${format}`,
      warnings: [],
    });
    expect(await sharp(out).metadata()).toMatchObject({ format, width: 121, height: 67, channels: 3 });
    expect(await readdir(dirname(out))).toEqual(["in.tif", "out"]);
  },
);

test.each(formats)(
  "%s: the result says that it is sRGB and restored by a machine, and nothing of a camera",
  async (format) => {
    await using folder = await temporaryFolder();
    const metadata = { software: "PhotoKeep <1>", description: "Tante Käthe & ich" };
    const { out } = await encode(folder, [rgb, noise(rgb)], { format, metadata });
    const found = await sharp(out).metadata();
    expect(found.xmpAsString).toContain(
      "<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia<",
    );
    expect(found.xmpAsString).toContain("<xmp:CreatorTool>PhotoKeep &lt;1&gt;</xmp:CreatorTool>");
    expect(found.xmpAsString).toContain("Tante Käthe &amp; ich");
    expect(found.exif).toBeUndefined();
    expect(found.space).toBe("srgb");
    if (format === "png") expect((await readFile(out)).includes("sRGB")).toBe(true);
    else expect(found.icc?.includes(Buffer.from("sRGB", "utf16le").swap16())).toBe(true);
  },
);

test.each(["png", "tiff"] as const)(
  "%s holds 16 bits to the last one, and 8 bits rounded to the nearest",
  async (format) => {
    await using folder = await temporaryFolder();
    const samples = noise(rgb);
    const deep = await encode(folder, [rgb, samples], { format, bits: 16 });
    expect(sameSamples(await decode(deep.out, "rgb16"), samples)).toBe(true);
    const shallow = await encode(folder, [rgb, samples], { format, bits: 8 });
    expect(sameSamples(await decode(shallow.out, "srgb"), rounded(samples))).toBe(true);
  },
);

test("every 16-bit level is rounded to the nearest 8-bit one", async () => {
  await using folder = await temporaryFolder();
  const shape: RasterShape = { width: 256, height: 256, channels: 1, bits: 16 };
  const samples = Uint16Array.from({ length: 65_536 }, (_, level) => level);
  const { out } = await encode(folder, [shape, samples]);
  expect(sameSamples(await decode(out, "b-w"), rounded(samples))).toBe(true);
});

test("an 8-bit raster keeps its samples, and widens to 16 bits exactly", async () => {
  await using folder = await temporaryFolder();
  const shape: RasterShape = { ...rgb, bits: 8 };
  const samples = noise(shape);
  const same = await encode(folder, [shape, samples]);
  expect(sameSamples(await decode(same.out, "srgb"), samples)).toBe(true);
  const wide = await encode(folder, [shape, samples], { bits: 16 });
  expect(
    sameSamples(
      await decode(wide.out, "rgb16"),
      Uint16Array.from(samples, (v) => v * 257),
    ),
  ).toBe(true);
});

test.each(["jpeg", "webp"] as const)(
  "%s keeps the colours close, and says that it holds 8 bits",
  async (format) => {
    await using folder = await temporaryFolder();
    const samples = paint(rgb, (x, y, channel) => (channel === 0 ? x / 130 : channel === 1 ? y / 70 : 0.5));
    const { out, warnings } = await encode(folder, [rgb, samples], { format, bits: 16, quality: 95 });
    const decoded = await decode(out, "srgb");
    const farthest = rounded(samples).reduce(
      (most, value, i) => Math.max(most, Math.abs(value - decoded[i]!)),
      0,
    );
    expect(farthest).toBeLessThan(8);
    expect(warnings).toEqual([`${format.toUpperCase()} holds 8 bits a sample, not 16.`]);
  },
);

test.each(formats)("%s: gray is written as one channel where the format has one", async (format) => {
  await using folder = await temporaryFolder();
  const samples = paint(rgb, (_x, _y, channel) => [1, 0.5, 0][channel]!);
  const { out } = await encode(folder, [rgb, samples], { format, gray: true });
  expect((await sharp(out).metadata()).channels).toBe(format === "webp" ? 3 : 1);
  expect(Math.abs((await decode(out, "b-w"))[0]! - 151)).toBeLessThanOrEqual(1);
});

test("a transform sees every row once, at 16 bits, from the top", async () => {
  await using folder = await temporaryFolder();
  const shape: RasterShape = { width: 2000, height: 1500, channels: 1, bits: 8 };
  const seen: number[] = [];
  const { out } = await encode(folder, [shape, paint(shape, () => 0.2)], {
    bits: 16,
    rowTransform: (band, firstRow) => {
      for (let row = 0; row < band.length / shape.width; row += 1) {
        seen.push(firstRow + row);
        for (let x = 0; x < shape.width; x += 1) band[row * shape.width + x]! += firstRow + row;
      }
    },
  });
  expect(seen).toEqual(Array.from({ length: shape.height }, (_, row) => row));
  const decoded = await decode(out, "grey16");
  expect([decoded.readUInt16LE(0), decoded.readUInt16LE(2 * (1499 * 2000 + 7))]).toEqual([
    51 * 257,
    51 * 257 + 1499,
  ]);
});

const opacity: RasterShape = { width: 60, height: 33, channels: 1, bits: 8 };
const leftOnly = paint(opacity, (x) => (x < 30 ? 1 : 0));

test.each(["png", "webp", "tiff"] as const)(
  "%s carries alpha, enlarged to the picture's size",
  async (format) => {
    await using folder = await temporaryFolder();
    const alpha = await writeRaster(folder.path("alpha.tif"), opacity, leftOnly);
    const samples = paint(rgb, (_x, _y, channel) => [0.8, 0.4, 0.2][channel]!);
    const { out, warnings } = await encode(folder, [rgb, samples], { format, alpha });
    const metadata = await sharp(out).metadata();
    expect([metadata.width, metadata.height, metadata.channels]).toEqual([121, 67, 4]);
    const decoded = await decode(out, "srgb");
    const pixel = (x: number): number[] => [...decoded.subarray((40 * 121 + x) * 4, (40 * 121 + x) * 4 + 4)];
    for (const [i, value] of [204, 102, 51].entries())
      expect(Math.abs(pixel(10)[i]! - value)).toBeLessThan(4);
    expect(pixel(10)[3]).toBe(255);
    expect(pixel(110)[3]).toBe(0);
    expect(warnings).toEqual([]);
  },
);

test("gray with alpha keeps its brightness", async () => {
  await using folder = await temporaryFolder();
  const alpha = await writeRaster(folder.path("alpha.tif"), opacity, leftOnly);
  const { out } = await encode(folder, [rgb, paint(rgb, () => 0.4)], { alpha, gray: true, bits: 8 });
  expect([...(await decode(out, "srgb")).subarray(0, 4)]).toEqual([102, 102, 102, 255]);
});

test("JPEG lays transparency over white and says so", async () => {
  await using folder = await temporaryFolder();
  const alpha = await writeRaster(folder.path("alpha.tif"), opacity, leftOnly);
  const { out, warnings } = await encode(folder, [rgb, paint(rgb, () => 0)], { format: "jpeg", alpha });
  const decoded = await decode(out, "srgb");
  expect(decoded[40 * 121 * 3 + 30]).toBeLessThan(5);
  expect(decoded[(40 * 121 + 110) * 3]).toBeGreaterThan(250);
  expect(warnings).toEqual(["JPEG has no transparency, so the picture was laid over white."]);
});

test.each([
  ["jpeg", 65_501],
  ["webp", 16_384],
] as const)("a picture too long for %s becomes a PNG and says so", async (format, width) => {
  await using folder = await temporaryFolder();
  const shape: RasterShape = { width, height: 1, channels: 1, bits: 8 };
  const result = await encode(folder, [shape, noise(shape)], { format });
  expect(result).toMatchObject({ format: "png", contentType: "image/png" });
  expect(result.warnings[0]).toContain(
    `exceeds the ${width - 1} pixels a side that ${format.toUpperCase()} can hold`,
  );
  expect((await sharp(result.out).metadata()).format).toBe("png");
  const fitting: RasterShape = { ...shape, width: width - 1 };
  expect((await encode(folder, [fitting, noise(fitting)], { format })).format).toBe(format);
});

test.each(formats)("%s: an abort leaves nothing behind", async (format) => {
  await using folder = await temporaryFolder();
  const failure = encode(folder, [rgb, noise(rgb)], {
    format,
    signal: AbortSignal.abort(new Error("enough")),
  });
  await expect(failure).rejects.toThrow("enough");
  expect(await readdir(dirname(folder.path("out")))).toEqual(["in.tif"]);
});

test("a damaged raster is refused", async () => {
  await using folder = await temporaryFolder();
  await writeFile(folder.path("in.tif"), "not a raster");
  const request = {
    raster: folder.path("in.tif"),
    out: folder.path("out"),
    metadata: { software: "PhotoKeep" },
  };
  await expect(encodeRaster({ ...request, format: "png", bits: 8 })).rejects.toMatchObject({
    code: "raster_invalid",
  });
  await expect(stat(folder.path("out"))).rejects.toThrow("ENOENT");
});
