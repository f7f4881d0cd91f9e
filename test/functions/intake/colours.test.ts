import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createIntakeFixture, samplesOf, type IntakeFixture } from "./intake-fixture.ts";
import { ciede2000 } from "../../measures/delta-e.ts";
import { adobeRgb, grayProfile, rgbProfile } from "../../corpus/icc-profile.ts";
import { withIcc } from "../../corpus/jpeg-segment.ts";
import { iccChunk, pngFile, pngRows } from "../../corpus/png-file.ts";
import { encodeRaster } from "#agent/image/encode.ts";

let fixture: IntakeFixture;

beforeAll(async () => {
  fixture = await createIntakeFixture();
});

afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

const metadata = { software: "PhotoKeep" };

type Rgb = readonly [number, number, number];

/** Linear light to XYZ (D65), by the primaries of each space: IEC 61966-2-1 and Adobe RGB (1998), 4.3.5.3. */
const srgbToXyz = [
  [0.4124564, 0.3575761, 0.1804375],
  [0.2126729, 0.7151522, 0.072175],
  [0.0193339, 0.119192, 0.9503041],
];
const adobeToXyz = [
  [0.5767309, 0.185554, 0.1881852],
  [0.2973769, 0.6273491, 0.0752741],
  [0.0270343, 0.0706872, 0.9911085],
];

function times(matrix: readonly (readonly number[])[], [r, g, b]: Rgb): Rgb {
  return matrix.map((row) => row[0]! * r + row[1]! * g + row[2]! * b) as unknown as Rgb;
}

function srgbLight(value: number): number {
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

/** CIE 1976 L*a*b* under D65. */
function lab(xyz: Rgb): Rgb {
  const white = times(srgbToXyz, [1, 1, 1]);
  const [x, y, z] = xyz.map((value, at) => {
    const share = value / white[at]!;
    return share > 216 / 24_389 ? Math.cbrt(share) : ((24_389 / 27) * share + 16) / 116;
  }) as unknown as Rgb;
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

const colours = Array.from({ length: 125 }, (_, at) => [
  at % 5,
  Math.floor(at / 5) % 5,
  Math.floor(at / 25),
]).map((steps) => steps.map((step) => 0.1 + 0.2 * step) as unknown as Rgb);

/** The largest difference between the colours that were meant and those of the normalised picture. */
async function worst(
  file: Buffer,
  meant: readonly Rgb[],
  bits: 8 | 16,
): Promise<{ worst: number; words: string[] }> {
  const { image, measures } = await fixture.intake(file, "colours.png");
  expect(measures.bits).toBe(bits);
  const samples = await samplesOf(image, meant.length * 3, bits);
  const white = 2 ** bits - 1;
  const errors = meant.map((xyz, at) => {
    const rgb = [...samples.subarray(3 * at, 3 * at + 3)].map((level) => srgbLight(level / white));
    return ciede2000(lab(xyz), lab(times(srgbToXyz, rgb as unknown as Rgb)));
  });
  return { worst: Math.max(...errors), words: measures.warnings };
}

async function srgbIcc(): Promise<Buffer> {
  const dot = sharp({ create: { width: 1, height: 1, channels: 3, background: "gray" } });
  return (await sharp(await dot.withIccProfile("srgb").png().toBuffer()).metadata()).icc!;
}

function rgbPng(bits: 8 | 16, chunks: Buffer[] = []): { file: Buffer; stored: readonly Rgb[] } {
  const white = 2 ** bits - 1;
  const levels = colours.flat().map((value) => Math.round(value * white));
  const samples = bits === 8 ? Uint8Array.from(levels) : Uint16Array.from(levels);
  const size = { width: colours.length, height: 1, bits, colour: 2 } as const;
  const file = pngFile({ ...size, rows: pngRows(samples, samples.length), chunks });
  const stored = colours.map(
    (colour) => colour.map((value) => Math.round(value * white) / white) as unknown as Rgb,
  );
  return { file, stored };
}

test("the colours of an sRGB picture stay as they are, tagged or not, at eight and at sixteen bits", async () => {
  for (const bits of [8, 16] as const) {
    const { file, stored } = rgbPng(bits);
    const meant = stored.map((colour) => times(srgbToXyz, colour.map(srgbLight) as unknown as Rgb));
    expect((await worst(file, meant, bits)).worst).toBeLessThan(0.001);
    const tagged = rgbPng(bits, [iccChunk(await srgbIcc())]).file;
    const read = await worst(tagged, meant, bits);
    expect(read.words).toEqual([]);
    expect(read.worst).toBeLessThan(0.5);
  }
});

test("the colours of an Adobe RGB picture are the same in sRGB, within a difference nobody sees", async () => {
  for (const bits of [8, 16] as const) {
    const { file, stored } = rgbPng(bits, [iccChunk(rgbProfile(adobeRgb))]);
    const meant = stored.map((colour) =>
      times(adobeToXyz, colour.map((value) => value ** adobeRgb.gamma) as unknown as Rgb),
    );
    // What sRGB cannot show is clipped: it is measured on what it can.
    const isShown = meant.map((xyz) => times(xyzToSrgb, xyz).every((light) => light >= 0 && light <= 1));
    expect(isShown.filter(Boolean).length).toBeGreaterThan(60);
    const shownOnly = meant.map((xyz, at) => (isShown[at] === true ? xyz : undefined));
    const { measures, image } = await fixture.intake(file, "adobe.png");
    expect(measures.warnings).toEqual([expect.stringContaining("profile")]);
    const samples = await samplesOf(image, colours.length * 3, bits);
    for (const [at, xyz] of shownOnly.entries()) {
      if (xyz === undefined) continue;
      const rgb = [...samples.subarray(3 * at, 3 * at + 3)].map((level) =>
        srgbLight(level / (2 ** bits - 1)),
      );
      expect(ciede2000(lab(xyz), lab(times(srgbToXyz, rgb as unknown as Rgb)))).toBeLessThan(0.5);
    }
  }
});

const xyzToSrgb = [
  [3.2404542, -1.5371385, -0.4985314],
  [-0.969266, 1.8760108, 0.041556],
  [0.0556434, -0.2040259, 1.0572252],
];

test("gray keeps its brightness: without a profile as it is, with one by its curve, at eight and at sixteen bits", async () => {
  const levels = Array.from({ length: 64 }, (_, at) => Math.round(6 + (at * 243) / 63));
  for (const bits of [8, 16] as const) {
    const deep = levels.map((level) => (bits === 8 ? level : level * 257));
    const samples = bits === 8 ? Uint8Array.from(deep) : Uint16Array.from(deep);
    const parts = { width: 64, height: 1, bits, colour: 0, rows: pngRows(samples, 64) } as const;
    const neutral = (light: number) => times(srgbToXyz, [light, light, light]);
    const plain = levels.map((level) => neutral(srgbLight(level / 255)));
    const untagged = await worst(pngFile(parts), plain, bits);
    expect(untagged.words).toEqual([]);
    expect(untagged.worst).toBeLessThan(0.001);
    const gamma = 1.8;
    const tagged = pngFile({ ...parts, chunks: [iccChunk(grayProfile(gamma))] });
    const meant = levels.map((level) => neutral((level / 255) ** (461 / 256)));
    const converted = await worst(tagged, meant, bits);
    expect(converted.worst).toBeLessThan(0.5);
    expect(converted.words).toEqual([expect.stringContaining("profile")]);
  }
});

test("from the upload to a result of sixteen bits no colour moves by a difference that anybody sees", async () => {
  const levels = Uint16Array.from({ length: 64 }, (_, at) => Math.round(2_000 + at * 1_000));
  const gray = { width: 64, height: 1, bits: 16, colour: 0, rows: pngRows(levels, 64) } as const;
  const light = (level: number) => times(srgbToXyz, [level, level, level]);
  const { file: plain, stored } = rgbPng(16);
  const uploads = [
    {
      file: plain,
      meant: stored.map((colour) => times(srgbToXyz, colour.map(srgbLight) as unknown as Rgb)),
    },
    {
      file: rgbPng(16, [iccChunk(rgbProfile(adobeRgb))]).file,
      meant: stored.map((colour) =>
        times(adobeToXyz, colour.map((value) => value ** adobeRgb.gamma) as unknown as Rgb),
      ),
    },
    {
      file: pngFile({ ...gray, chunks: [iccChunk(grayProfile(1.8))] }),
      meant: [...levels].map((level) => light((level / 65_535) ** (461 / 256))),
    },
  ];
  for (const [index, { file, meant }] of uploads.entries()) {
    const { image } = await fixture.intake(file);
    for (const format of ["png", "tiff"] as const) {
      const out = `${image.path}.${format}`;
      const isGray = index === 2;
      await encodeRaster({ raster: image.path, out, format, bits: 16, gray: isGray, metadata });
      const written = sharp(out, { ignoreIcc: true });
      expect((await written.metadata()).channels).toBe(isGray ? 1 : 3);
      const bytes = await written.toColourspace("rgb16").raw({ depth: "ushort" }).toBuffer();
      const samples = new Uint16Array(Uint8Array.from(bytes).buffer);
      for (const [at, xyz] of meant.entries()) {
        // What sRGB cannot show is clipped.
        if (!times(xyzToSrgb, xyz).every((value) => value > -1e-6 && value < 1 + 1e-6)) continue;
        const rgb = [...samples.subarray(3 * at, 3 * at + 3)].map((level) => srgbLight(level / 65_535));
        expect(ciede2000(lab(xyz), lab(times(srgbToXyz, rgb as unknown as Rgb)))).toBeLessThan(0.5);
      }
    }
  }
});

test("a gray JPEG is converted by its gray profile, and one with a profile of another kind is left as it is", async () => {
  const raw = { raw: { width: 64, height: 8, channels: 1 } } as const;
  const flat = await sharp(new Uint8Array(512).fill(100), raw)
    .toColourspace("b-w")
    .jpeg({ quality: 100 })
    .toBuffer();
  const levelOf = async (file: Buffer) => (await samplesOf((await fixture.intake(file)).image, 3, 8))[1];
  expect(await levelOf(flat)).toBe(100);
  expect(await levelOf(withIcc(flat, grayProfile(2.2)))).toBeGreaterThan(97);
  // (100/255)^1.8 of the light is level 119 in sRGB.
  expect(Math.abs((await levelOf(withIcc(flat, grayProfile(1.8))))! - 119)).toBeLessThanOrEqual(1);
  expect(await levelOf(withIcc(flat, rgbProfile(adobeRgb)))).toBe(100);
});

test("one bit, two bits and palettes with transparency are read as the colours they stand for", async () => {
  const oneBit = pngFile({ width: 8, height: 1, bits: 1, colour: 0, rows: Uint8Array.of(0, 0b1010_0001) });
  const { measures, image } = await fixture.intake(oneBit);
  expect(measures).toMatchObject({ isGray: true, bits: 8, warnings: [] });
  const row = await samplesOf(image, 24, 8);
  expect([...row].filter((_, at) => at % 3 === 0)).toEqual([255, 0, 255, 0, 0, 0, 0, 255]);

  const twoBits = pngFile({ width: 4, height: 1, bits: 2, colour: 0, rows: Uint8Array.of(0, 0b0001_1011) });
  const steps = await samplesOf((await fixture.intake(twoBits)).image, 12, 8);
  expect([...steps].filter((_, at) => at % 3 === 0)).toEqual([0, 85, 170, 255]);
});

test("a one-bit TIFF, as scanners of documents write it, is black and white", async () => {
  const wide = sharp(Uint8Array.of(0, 255, 255, 0, 0, 0, 0, 255), {
    raw: { width: 8, height: 1, channels: 1 },
  });
  const file = await wide.toColourspace("b-w").tiff({ bitdepth: 1, compression: "ccittfax4" }).toBuffer();
  const { image } = await fixture.intake(file);
  const row = await samplesOf(image, 24, 8);
  expect([...row].filter((_, at) => at % 3 === 0)).toEqual([0, 255, 255, 0, 0, 0, 0, 255]);
});
