import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withSegment } from "../../corpus/jpeg-segment.ts";
import type { DecodedPhotograph } from "#functions/intake/decode.ts";
import { IntakeMeasures } from "#shared/domain/analysis.ts";
import { Fault } from "#shared/domain/fault.ts";
import {
  corrupted,
  deepPng,
  deepSamples,
  floatTiff,
  foreigners,
  frames,
  hugePng,
  painted,
  quarters,
  strangers,
} from "./bad-input.ts";
import { createIntakeFixture, samplesOf, type IntakeFixture } from "./intake-fixture.ts";

let fixture: IntakeFixture;

beforeAll(async () => {
  fixture = await createIntakeFixture();
});

afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

const intake: IntakeFixture["intake"] = (bytes, name) => fixture.intake(bytes, name);
const refused: IntakeFixture["refused"] = (bytes, name) => fixture.refused(bytes, name);

const quality90 = { quality: 90, chromaSubsampling: "4:4:4" };

test("every format becomes a plain RGB raster of the same picture, and its measures say what it was", async () => {
  const files = {
    jpeg: await painted().jpeg(quality90).toBuffer(),
    png: await painted().png().toBuffer(),
    webp: await painted().webp({ lossless: true }).toBuffer(),
    tiff: await painted().tiff({ compression: "lzw" }).toBuffer(),
    gif: await painted().gif().toBuffer(),
    avif: await painted().avif({ quality: 90, effort: 0, chromaSubsampling: "4:4:4" }).toBuffer(),
  };
  const truth = await painted().raw().toBuffer();
  for (const [format, bytes] of Object.entries(files)) {
    const { measures, image, alpha } = await intake(bytes);
    expect(IntakeMeasures.parse(measures)).toMatchObject({
      width: 96,
      height: 64,
      format,
      bits: 8,
      hasAlpha: false,
    });
    expect(measures).toMatchObject({ isGray: false, warnings: [], bytes: bytes.length });
    expect(measures.sha256).toBe(createHash("sha256").update(bytes).digest("hex"));
    expect(image.sha256).toBe(
      createHash("sha256")
        .update(await readFile(image.path))
        .digest("hex"),
    );
    expect(alpha).toBeUndefined();
    const samples = await samplesOf(image, 96 * 64 * 3, 8);
    const error = samples.reduce((sum, level, at) => sum + Math.abs(level - truth[at]!), 0) / samples.length;
    expect(error).toBeLessThan(format === "png" || format === "tiff" || format === "webp" ? 1e-9 : 6);
  }
});

test("the quality of a JPEG is read from its tables, and of nothing else", async () => {
  expect((await intake(await painted().jpeg({ quality: 63 }).toBuffer())).measures.jpegQuality).toBe(63);
  expect((await intake(await painted().png().toBuffer())).measures.jpegQuality).toBeUndefined();
});

test("all eight EXIF orientations come out upright, once", async () => {
  // For each orientation: which quarter of the upright picture is stored top left, top right, bottom left, bottom right.
  const stored = [
    [0, 1, 2, 3],
    [1, 0, 3, 2],
    [3, 2, 1, 0],
    [2, 3, 0, 1],
    [0, 2, 1, 3],
    [1, 3, 0, 2],
    [3, 1, 2, 0],
    [2, 0, 3, 1],
  ];
  for (const [index, places] of stored.entries()) {
    const isTurned = index >= 4;
    const [width, height] = isTurned ? [32, 48] : [48, 32];
    const data = new Uint8Array(width * height * 3);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const place = (y < height / 2 ? 0 : 2) + (x < width / 2 ? 0 : 1);
        data.set(quarters[places[place]!]!, (y * width + x) * 3);
      }
    }
    const file = sharp(data, { raw: { width, height, channels: 3 } }).withMetadata({
      orientation: index + 1,
    });
    const { measures, image } = await intake(await file.png().toBuffer());
    expect(measures).toMatchObject({ width: 48, height: 32 });
    const samples = await samplesOf(image, 48 * 32 * 3, 8);
    const at = (x: number, y: number) => [...samples.subarray((y * 48 + x) * 3, (y * 48 + x) * 3 + 3)];
    expect([at(4, 4), at(40, 4), at(4, 28), at(40, 28)]).toEqual(quarters);
  }
});

test("an orientation is applied once in every format that carries one", async () => {
  for (const format of ["jpeg", "tiff", "webp", "avif"] as const) {
    const stored = painted(64, 96).withMetadata({ orientation: 6 });
    const bytes = await stored.toFormat(format, { quality: 100, chromaSubsampling: "4:4:4" }).toBuffer();
    const { measures, image } = await intake(bytes);
    expect(measures).toMatchObject({ width: 96, height: 64 });
    const samples = await samplesOf(image, 96 * 64 * 3, 8);
    // A quarter turn with the clock: what was stored at the lower left is at the upper left.
    const corner = [...samples.subarray((8 * 96 + 8) * 3, (8 * 96 + 8) * 3 + 3)];
    const distance = Math.hypot(...corner.map((level, at) => level - quarters[2]![at]!));
    expect(distance, format).toBeLessThan(40);
  }
});

test("of two pictures in one JPEG file, as cameras with two lenses write them, the first is taken", async () => {
  const first = withSegment(
    await painted(48, 32).jpeg().toBuffer(),
    0xe2,
    Buffer.from("MPF\0II*\0", "latin1"),
  );
  const second = await painted(96, 64).jpeg().toBuffer();
  const { measures } = await intake(Buffer.concat([first, second]), "DSC_0001.MPO");
  expect(measures).toMatchObject({ width: 48, height: 32, format: "jpeg", warnings: [] });
});

test("sixteen bits of a TIFF come through to the last digit", async () => {
  const samples = deepSamples(20, 10).filter((_, at) => at % 4 !== 3);
  const raw = { width: 20, height: 10, channels: 3 } as const;
  for (const compression of ["none", "lzw", "deflate"] as const) {
    const file = sharp(samples, { raw }).toColourspace("rgb16").tiff({ compression });
    const { measures, image } = await intake(await file.toBuffer());
    expect(measures).toMatchObject({ bits: 16, hasAlpha: false });
    expect(await samplesOf(image, 600, 16)).toEqual(samples);
  }
});

test("sixteen bits and alpha come through to the last digit, alpha apart", async () => {
  const { measures, image, alpha } = await intake(deepPng(20, 10), "deep.png");
  expect(measures).toMatchObject({ bits: 16, hasAlpha: true, width: 20, height: 10 });
  const truth = deepSamples(20, 10);
  // What does not show takes the colour of its neighbour.
  for (let pixel = 0; pixel < truth.length; pixel += 4)
    if (truth[pixel + 3] === 0) truth.copyWithin(pixel, pixel + 4, pixel + 7);
  expect(await samplesOf(image, 600, 16)).toEqual(truth.filter((_, at) => at % 4 !== 3));
  expect(await samplesOf(alpha!, 200, 16)).toEqual(truth.filter((_, at) => at % 4 === 3));
});

test("alpha that hides nothing is dropped", async () => {
  const { measures, alpha, outDir } = await intake(await painted().ensureAlpha().png().toBuffer());
  expect(measures.hasAlpha).toBe(false);
  expect(alpha).toBeUndefined();
  expect(await readdir(outDir)).toEqual(["image.tiff", "upload.jpg"]);
});

test("gray, palette and one-pixel pictures become RGB", async () => {
  const gray = await intake(await painted().toColourspace("b-w").jpeg(quality90).toBuffer());
  expect(gray.measures.isGray).toBe(true);
  const samples = await samplesOf(gray.image, 96 * 64 * 3, 8);
  expect(samples.every((level, at) => level === samples[at - (at % 3)]!)).toBe(true);

  const palette = await intake(await painted().png({ palette: true, colours: 16 }).toBuffer());
  expect(palette.measures).toMatchObject({ isGray: false, bits: 8 });

  const dot = await intake(await painted(1, 1).png().toBuffer());
  expect(dot.measures).toMatchObject({ width: 1, height: 1 });
});

test("CMYK becomes the colours one would print, and the user is told", async () => {
  const { measures, image } = await intake(await painted().toColourspace("cmyk").jpeg(quality90).toBuffer());
  expect(measures.warnings).toEqual([expect.stringContaining("CMYK")]);
  const samples = await samplesOf(image, 96 * 64 * 3, 8);
  const [red, green, blue] = samples.subarray((10 * 96 + 10) * 3);
  expect(red! - green!).toBeGreaterThan(80);
  expect(red! - blue!).toBeGreaterThan(80);
});

test("a wide-gamut profile is converted to sRGB, at sixteen bits as at eight, and the user is told", async () => {
  const truth = await painted().raw().toBuffer();
  for (const bits of [8, 16] as const) {
    const wide = painted()
      .toColourspace(bits === 8 ? "srgb" : "rgb16")
      .withIccProfile("p3");
    const { measures, image } = await intake(await wide.png().toBuffer());
    expect(measures).toMatchObject({ bits, warnings: [expect.stringContaining("profile")] });
    const samples = await samplesOf(image, truth.length, bits);
    const scale = bits === 8 ? 1 : 257;
    const error =
      samples.reduce((sum, level, at) => sum + Math.abs(level / scale - truth[at]!), 0) / truth.length;
    expect(error).toBeLessThan(1.5);
  }
});

test("an sRGB profile is nothing to speak of, and sixteen bits without a profile are taken as they are", async () => {
  const tagged = await intake(await painted().withIccProfile("srgb").png().toBuffer());
  expect(tagged.measures.warnings).toEqual([]);
  const truth = await painted().raw().toBuffer();
  const { image } = await intake(await painted().toColourspace("rgb16").png().toBuffer());
  const samples = await samplesOf(image, truth.length, 16);
  expect(samples.every((level, at) => Math.abs(level / 257 - truth[at]!) < 1)).toBe(true);
});

test("no metadata survives: neither place nor words", async () => {
  const exif = {
    IFD0: { ImageDescription: "canary-description" },
    IFD3: { GPSLatitude: "51/1 30/1 3230/100" },
  };
  const { image } = await intake(await painted().withExif(exif).jpeg(quality90).toBuffer());
  expect((await readFile(image.path)).includes("canary")).toBe(false);
  const left = await sharp(image.path).metadata();
  expect([left.exif, left.icc, left.xmp, left.iptc]).toEqual([undefined, undefined, undefined, undefined]);
});

test("of an animation or a file of many pages the first picture is taken, and the user is told", async () => {
  for (const format of ["gif", "webp", "tiff"] as const) {
    const { measures } = await intake(await frames(5, format));
    expect(measures).toMatchObject({ width: 24, height: 16 });
    expect(measures.warnings).toEqual([expect.stringContaining("5 pictures")]);
  }
});

test("a JPEG cut anywhere in its pixels is restored as far as it goes, and the user is told", async () => {
  const whole = await painted(256, 256).jpeg(quality90).toBuffer();
  const sound = await samplesOf((await intake(whole)).image, 256 * 256 * 3, 8);
  for (const share of [0.3, 0.6, 0.95]) {
    const { measures, image } = await intake(whole.subarray(0, Math.floor(whole.length * share)));
    expect(measures.warnings).toEqual([expect.stringContaining("cut short")]);
    const samples = await samplesOf(image, 256 * 256 * 3, 8);
    const rows = Math.floor(256 * (share - 0.15));
    expect(samples.subarray(0, rows * 256 * 3)).toEqual(sound.subarray(0, rows * 256 * 3));
  }
});

test("how much of a cut file is missing is said", async () => {
  const whole = await painted(256, 256).jpeg(quality90).toBuffer();
  const { measures } = await intake(whole.subarray(0, Math.floor(whole.length / 2)));
  const percent = Number(/about (\d+) %/.exec(measures.warnings[0]!)?.[1]);
  expect(percent).toBeGreaterThan(35);
  expect(percent).toBeLessThan(65);
});

test("a file cut before its first pixel is refused as cut short", async () => {
  const jpeg = await painted(256, 256).jpeg(quality90).toBuffer();
  const firstScan = jpeg.indexOf(Buffer.of(0xff, 0xda)) + 14;
  for (const cut of [jpeg.subarray(0, 60), jpeg.subarray(0, firstScan)]) {
    expect(await refused(cut)).toMatchObject({ kind: "input", code: "image_truncated" });
  }
  const webp = await painted(256, 256).webp().toBuffer();
  const tiff = await painted(256, 256).tiff({ compression: "lzw" }).toBuffer();
  for (const cut of [
    webp.subarray(0, webp.length / 2),
    tiff.subarray(0, 5_000),
    Buffer.of(0xff, 0xd8, 0xff),
  ]) {
    expect((await refused(cut)).code).toBe("image_truncated");
  }
});

test("an empty file, a folder and a missing file are refused in their own words", async () => {
  expect(await refused(Buffer.alloc(0))).toMatchObject({ kind: "input", code: "image_empty" });
  const { folder, quarantine } = fixture;
  const decode = (path: string) => quarantine.decode({ path, outDir: folder });
  await expect(decode(folder)).rejects.toMatchObject({ kind: "input", code: "file_unreadable" });
  await expect(decode(join(folder, "none.jpg"))).rejects.toMatchObject({
    kind: "input",
    code: "file_unreadable",
  });
});

test("the bytes decide what a file is, never its name, and the refusal names it", async () => {
  for (const [name, { bytes, word }] of Object.entries(strangers)) {
    const fault = await refused(bytes, name);
    expect(fault).toMatchObject({ kind: "input", code: "image_unrecognized" });
    expect(fault.message).toContain(word);
  }
  for (const [name, { bytes, word }] of Object.entries(foreigners)) {
    const fault = await refused(bytes, name);
    expect(fault).toMatchObject({ kind: "input", code: "image_unsupported" });
    expect(fault.message).toContain(word);
  }
  expect((await intake(await painted().png().toBuffer(), "really-a-png.pdf")).measures.format).toBe("png");
});

test("a header that promises too many pixels is refused before a pixel is decoded", async () => {
  for (const [width, height] of [
    [30_000, 30_000],
    [65_535, 65_535],
    [10_001, 10_000],
  ] as const) {
    const fault = await refused(hugePng(width, height));
    expect(fault).toMatchObject({ kind: "input", code: "image_too_large" });
    expect(fault.message).toContain(`${width} × ${height}`);
  }
});

test("samples that are no photograph are refused as unsupported", async () => {
  expect(await refused(floatTiff(4, 4))).toMatchObject({ kind: "input", code: "image_unsupported" });
});

test("random damage ends in a picture or in a fault that may be read, never in anything else", async () => {
  const files = [
    await painted().jpeg().toBuffer(),
    await painted().png().toBuffer(),
    await painted().webp().toBuffer(),
    await painted().tiff({ compression: "lzw" }).toBuffer(),
    await painted().gif().toBuffer(),
  ];
  for (let seed = 0; seed < 15; seed++) {
    const outcome = await intake(corrupted(files[seed % files.length]!, seed)).catch(
      (error: unknown) => error,
    );
    if (outcome instanceof Fault) expect(outcome.kind).toBe("input");
    else expect(IntakeMeasures.safeParse((outcome as DecodedPhotograph).measures).success).toBe(true);
  }
});

test.skipIf(process.platform !== "linux")(
  "a full disk is nobody's fault: the photograph is tried again",
  async () => {
    const { folder, quarantine } = fixture;
    const outDir = join(folder, "full");
    await mkdir(outDir);
    await writeFile(join(outDir, "upload"), await painted().png().toBuffer());
    await symlink("/dev/full", join(outDir, "image.tiff"));
    await expect(quarantine.decode({ path: join(outDir, "upload"), outDir })).rejects.toMatchObject({
      kind: "busy",
      code: "disk_full",
    });
  },
);
