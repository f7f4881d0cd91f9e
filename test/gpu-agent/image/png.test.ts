import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { crc32, inflateSync } from "node:zlib";
import sharp from "sharp";
import { expect, test } from "vitest";
import { createPng } from "#agent/image/png.ts";
import { srgbChunk, textChunk, xmpChunk, type PngChunk } from "#agent/image/png-chunk.ts";
import { rowSamples, type RasterShape, type Samples, type WrittenFile } from "#agent/image/raster-shape.ts";
import { noise, paint, sameSamples, temporaryFolder } from "./picture-fixture.ts";

interface Written extends WrittenFile {
  path: string;
}

/** Writes a PNG in bands of `bandRows`. */
async function writePng(
  path: string,
  { shape, samples, chunks }: { shape: RasterShape; samples: Samples; chunks?: PngChunk[] },
  bandRows = 7,
): Promise<Written> {
  await using png = await createPng(path, shape, chunks);
  for (let y = 0; y < shape.height; y += bandRows) {
    await png.writeRows(samples.subarray(y * rowSamples(shape), (y + bandRows) * rowSamples(shape)));
  }
  return { path, ...(await png.finish()) };
}

/** All chunks of a PNG, their checksums verified. */
function readChunks(file: Buffer): { type: string; data: Buffer }[] {
  const chunks: { type: string; data: Buffer }[] = [];
  for (let at = 8; at < file.length;) {
    const length = file.readUInt32BE(at);
    const data = file.subarray(at + 8, at + 8 + length);
    expect(file.readUInt32BE(at + 8 + length)).toBe(crc32(file.subarray(at + 4, at + 8 + length)));
    chunks.push({ type: file.toString("latin1", at + 4, at + 8), data });
    at += 12 + length;
  }
  return chunks;
}

const shapes: RasterShape[] = ([1, 3, 4] as const).flatMap((channels) =>
  ([8, 16] as const).flatMap((bits) => [
    { width: 1, height: 1, channels, bits },
    { width: 33, height: 57, channels, bits },
    { width: 701, height: 613, channels, bits },
  ]),
);

test.each(shapes)(
  "a PNG of $width × $height × $channels at $bits bits decodes to what was written",
  async (shape) => {
    await using folder = await temporaryFolder();
    const samples = noise(shape);
    const { path } = await writePng(folder.path("a.png"), { shape, samples });
    const { channels, bits } = shape;
    const space = channels === 1 ? (bits === 8 ? "b-w" : "grey16") : bits === 8 ? "srgb" : "rgb16";
    const { data, info } = await sharp(path)
      .toColourspace(space)
      .raw({ depth: bits === 8 ? "uchar" : "ushort" })
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels]).toEqual([shape.width, shape.height, channels]);
    expect(sameSamples(data, samples)).toBe(true);
  },
);

test.each<RasterShape>([
  { width: 1400, height: 1200, channels: 3, bits: 8 },
  { width: 400_000, height: 5, channels: 3, bits: 8 },
  { width: 3, height: 50_000, channels: 3, bits: 16 },
])("strips of $width × $height join into one zlib stream with a right checksum", async (shape) => {
  await using folder = await temporaryFolder();
  const samples = paint(shape, (x, y, channel) => ((x * 7 + y * 3 + channel * 50) % 256) / 255);
  const { path } = await writePng(folder.path("a.png"), { shape, samples }, 64);
  const parts = readChunks(await readFile(path)).filter(({ type }) => type === "IDAT");
  // Verifies the Adler-32 and that nothing follows the stream.
  const lines = inflateSync(Buffer.concat(parts.map(({ data }) => data)));
  expect(parts.length).toBeGreaterThan(2);
  expect(lines.length).toBe((1 + (rowSamples(shape) * shape.bits) / 8) * shape.height);
});

test("bytes and digest of a finished PNG are those of its file", async () => {
  await using folder = await temporaryFolder();
  const shape: RasterShape = { width: 90, height: 70, channels: 3, bits: 8 };
  const { path, bytes, sha256 } = await writePng(folder.path("a.png"), { shape, samples: noise(shape) });
  const file = await readFile(path);
  expect(bytes).toBe(file.length);
  expect(sha256).toBe(createHash("sha256").update(file).digest("hex"));
});

test("the file does not depend on how its rows were handed over", async () => {
  await using folder = await temporaryFolder();
  const shape: RasterShape = { width: 800, height: 900, channels: 3, bits: 8 };
  const samples = noise(shape);
  const one = await writePng(folder.path("a.png"), { shape, samples }, 900);
  const many = await writePng(folder.path("b.png"), { shape, samples }, 1);
  expect(many.sha256).toBe(one.sha256);
});

test("colour space, text and XMP stand before the pixels and are read back", async () => {
  await using folder = await temporaryFolder();
  const shape: RasterShape = { width: 5, height: 4, channels: 3, bits: 8 };
  const xmp = '<x:xmpmeta xmlns:x="adobe:ns:meta/"/>';
  const chunks = [srgbChunk, textChunk("Description", "Großmutter, 1931 – 祖母"), xmpChunk(xmp)];
  const { path } = await writePng(folder.path("a.png"), { shape, samples: noise(shape), chunks });
  const types = readChunks(await readFile(path)).map(({ type }) => type);
  expect(types).toEqual(["IHDR", "sRGB", "iTXt", "iTXt", "IDAT", "IDAT", "IDAT", "IEND"]);
  const metadata = await sharp(path).metadata();
  expect(metadata.xmpAsString).toBe(xmp);
  expect(metadata.comments).toContainEqual({ keyword: "Description", text: "Großmutter, 1931 – 祖母" });
});

test("a flat picture compresses to almost nothing", async () => {
  await using folder = await temporaryFolder();
  const shape: RasterShape = { width: 1000, height: 1000, channels: 3, bits: 16 };
  const { bytes } = await writePng(folder.path("a.png"), { shape, samples: paint(shape, () => 0.5) });
  expect(bytes).toBeLessThan(60_000);
});

test("a PNG that was not finished leaves no file behind", async () => {
  await using folder = await temporaryFolder();
  const shape: RasterShape = { width: 2000, height: 2000, channels: 3, bits: 8 };
  {
    await using png = await createPng(folder.path("a.png"), shape);
    await png.writeRows(new Uint8Array(rowSamples(shape) * 1000));
    await expect(png.finish()).rejects.toThrow("all rows are written");
  }
  await expect(stat(folder.path("a.png"))).rejects.toThrow("ENOENT");
});
