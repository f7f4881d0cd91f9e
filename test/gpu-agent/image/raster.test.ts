import { createHash } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import sharp from "sharp";
import { expect, test } from "vitest";
import { createRaster, openRaster } from "#agent/image/raster.ts";
import { rowSamples, type RasterShape } from "#agent/image/raster-shape.ts";
import { Fault } from "#shared/domain/fault.ts";
import { noise, readRaster, sameSamples, temporaryFolder, writeRaster } from "./picture-fixture.ts";

const shapes: RasterShape[] = [
  { width: 1, height: 1, channels: 1, bits: 8 },
  { width: 7, height: 5, channels: 3, bits: 8 },
  { width: 300, height: 400, channels: 4, bits: 16 },
  { width: 641, height: 811, channels: 3, bits: 16 },
  { width: 1, height: 2000, channels: 1, bits: 16 },
  { width: 2000, height: 1, channels: 3, bits: 8 },
];

test.each(shapes)(
  "a raster of $width × $height × $channels at $bits bits reads back to the last bit",
  async (shape) => {
    await using folder = await temporaryFolder();
    const samples = noise(shape);
    const path = await writeRaster(folder.path("a.tif"), shape, samples);
    const back = await readRaster(path);
    expect(back.shape).toEqual(shape);
    expect(sameSamples(back.samples, samples)).toBe(true);
  },
);

test.each(shapes)("libvips reads our raster of $width × $height × $channels at $bits bits", async (shape) => {
  await using folder = await temporaryFolder();
  const samples = noise(shape);
  const path = await writeRaster(folder.path("a.tif"), shape, samples);
  const space =
    shape.channels === 1 ? (shape.bits === 8 ? "b-w" : "grey16") : shape.bits === 8 ? "srgb" : "rgb16";
  const { data, info } = await sharp(path)
    .toColourspace(space)
    .raw({ depth: shape.bits === 8 ? "uchar" : "ushort" })
    .toBuffer({ resolveWithObject: true });
  expect([info.width, info.height, info.channels]).toEqual([shape.width, shape.height, shape.channels]);
  expect(sameSamples(data, samples)).toBe(true);
});

test("an uncompressed TIFF by sharp opens as it is, profile or not", async () => {
  await using folder = await temporaryFolder();
  const shape: RasterShape = { width: 301, height: 517, channels: 3, bits: 8 };
  const samples = noise(shape);
  const raw = sharp(samples, { raw: { width: shape.width, height: shape.height, channels: 3 } });
  await raw.clone().tiff({ compression: "none" }).toFile(folder.path("a.tif"));
  await raw.clone().withIccProfile("srgb").tiff({ compression: "none" }).toFile(folder.path("b.tif"));
  for (const name of ["a.tif", "b.tif"]) {
    const back = await readRaster(folder.path(name));
    expect(back.shape).toEqual(shape);
    expect(sameSamples(back.samples, samples)).toBe(true);
  }
});

test("bytes and digest of a finished raster are those of its file", async () => {
  await using folder = await temporaryFolder();
  const shape: RasterShape = { width: 33, height: 17, channels: 3, bits: 8 };
  await using raster = await createRaster(folder.path("a.tif"), shape);
  const samples = noise(shape);
  for (let y = 0; y < shape.height; y += 5) {
    await raster.writeRows(samples.subarray(y * rowSamples(shape), (y + 5) * rowSamples(shape)));
  }
  const written = await raster.finish();
  const file = await readFile(folder.path("a.tif"));
  expect(written).toEqual({ bytes: file.length, sha256: createHash("sha256").update(file).digest("hex") });
});

test("bands are read into the caller's buffer, wherever they lie", async () => {
  await using folder = await temporaryFolder();
  const shape: RasterShape = { width: 40, height: 90, channels: 3, bits: 16 };
  const samples = noise(shape);
  await using raster = await openRaster(await writeRaster(folder.path("a.tif"), shape, samples));
  const buffer = new Uint16Array(rowSamples(shape) * 20);
  for (const [y, count] of [
    [70, 20],
    [0, 1],
    [33, 7],
  ] as const) {
    const rows = await raster.readRows(y, count, buffer);
    expect(rows.buffer).toBe(buffer.buffer);
    expect(rows).toEqual(samples.subarray(y * rowSamples(shape), (y + count) * rowSamples(shape)));
  }
});

test("a raster that was not finished leaves no file behind", async () => {
  await using folder = await temporaryFolder();
  {
    await using raster = await createRaster(folder.path("a.tif"), {
      width: 4,
      height: 4,
      channels: 1,
      bits: 8,
    });
    await raster.writeRows(new Uint8Array(8));
  }
  await expect(stat(folder.path("a.tif"))).rejects.toThrow("ENOENT");
});

test("missing, surplus and torn rows are refused", async () => {
  await using folder = await temporaryFolder();
  await using raster = await createRaster(folder.path("a.tif"), {
    width: 4,
    height: 4,
    channels: 1,
    bits: 8,
  });
  await expect(raster.writeRows(new Uint8Array(5))).rejects.toThrow("rows are whole");
  await expect(raster.writeRows(new Uint16Array(4))).rejects.toThrow("sample size");
  await raster.writeRows(new Uint8Array(12));
  await expect(raster.finish()).rejects.toThrow("all rows are written");
  await expect(raster.writeRows(new Uint8Array(8))).rejects.toThrow("no more rows");
});

test("a raster beyond 4 GiB is refused before anything is written", async () => {
  await using folder = await temporaryFolder();
  const huge: RasterShape = { width: 40_000, height: 40_000, channels: 3, bits: 8 };
  await expect(createRaster(folder.path("a.tif"), huge)).rejects.toMatchObject({ code: "raster_invalid" });
  await expect(stat(folder.path("a.tif"))).rejects.toThrow("ENOENT");
});

test("anything but one plain upright picture in one block is refused with raster_invalid", async () => {
  await using folder = await temporaryFolder();
  const pixels = sharp(noise({ width: 64, height: 64, channels: 3, bits: 8 }), {
    raw: { width: 64, height: 64, channels: 3 },
  });
  const plain = await pixels.clone().tiff({ compression: "none" }).toBuffer();
  const directory = plain.readUInt32LE(4);
  const entry = (id: number): number => {
    for (let at = directory + 2; ; at += 12) if (plain.readUInt16LE(at) === id) return at;
  };
  const changed = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(plain);
    change(bytes);
    return bytes;
  };
  const broken: Record<string, Buffer> = {
    empty: Buffer.alloc(0),
    "a PNG": await pixels.clone().png().toBuffer(),
    "a compressed TIFF": await pixels.clone().tiff({ compression: "deflate" }).toBuffer(),
    "a tiled TIFF": await pixels.clone().tiff({ compression: "none", tile: true }).toBuffer(),
    "cut in its pixels": plain.subarray(0, 500),
    "cut in its directory": plain.subarray(0, directory + 30),
    "big endian": changed((bytes) => bytes.write("MM")),
    "directory outside": changed((bytes) => bytes.writeUInt32LE(0xffff_fff0, 4)),
    "a thousand entries": changed((bytes) => bytes.writeUInt16LE(1000, directory)),
    "no pixels": changed((bytes) => bytes.writeUInt16LE(0, entry(256) + 8)),
    "taller than the file": changed((bytes) => bytes.writeUInt16LE(65_000, entry(257) + 8)),
    "two channels": changed((bytes) => bytes.writeUInt16LE(2, entry(277) + 8)),
    "strips elsewhere": changed((bytes) => bytes.writeUInt32LE(16, entry(273) + 8)),
    "strips too long": changed((bytes) => bytes.writeUInt32LE(64 * 64 * 3 + 1, entry(279) + 8)),
    "on its side": changed((bytes) => bytes.writeUInt16LE(6, entry(274) + 8)),
    "separate planes": changed((bytes) => bytes.writeUInt16LE(2, entry(284) + 8)),
    "a second picture": changed((bytes) =>
      bytes.writeUInt32LE(8, directory + 2 + bytes.readUInt16LE(directory) * 12),
    ),
  };
  for (const [what, bytes] of Object.entries(broken)) {
    await writeFile(folder.path("a.tif"), bytes);
    const error: unknown = await openRaster(folder.path("a.tif")).catch((error: unknown) => error);
    expect(error, what).toBeInstanceOf(Fault);
    expect((error as Fault).code, what).toBe("raster_invalid");
  }
});
