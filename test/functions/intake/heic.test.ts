import { afterAll, beforeAll, expect, test } from "vitest";
import { createIntakeFixture, samplesOf, type IntakeFixture } from "./intake-fixture.ts";
import { heifFile } from "../../corpus/heif-file.ts";
import type { Yuv } from "../../corpus/hevc-still.ts";
import { adobeRgb, rgbProfile } from "../../corpus/icc-profile.ts";

let fixture: IntakeFixture;

beforeAll(async () => {
  fixture = await createIntakeFixture();
});

afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

/** Gray quarters of these levels: top left, top right, bottom left, bottom right. */
function quartered(levels: readonly number[], bits: 8 | 10 = 8, [width, height] = [48, 32]): Yuv {
  const y = Uint16Array.from({ length: width * height }, (_, at) => {
    const isRight = at % width >= width / 2;
    const isBelow = Math.floor(at / width) >= height / 2;
    return levels[(isBelow ? 2 : 0) + (isRight ? 1 : 0)]!;
  });
  const neutral = new Uint16Array((width * height) / 4).fill(2 ** (bits - 1));
  return { width: width, height: height, bits, y, cb: neutral, cr: neutral };
}

const levels = [20, 90, 160, 230];

async function cornersOf(file: Buffer): Promise<{ size: number[]; corners: number[] }> {
  const { measures, image } = await fixture.intake(file, "IMG_0001.HEIC");
  const { width, height, bits } = measures;
  expect(measures).toMatchObject({ format: "heic", warnings: [] });
  const samples = await samplesOf(image, width * height * 3, bits);
  const at = (x: number, y: number) => samples[3 * (y * width + x)]!;
  const [right, below] = [width - 3, height - 3];
  return { size: [width, height], corners: [at(2, 2), at(right, 2), at(2, below), at(right, below)] };
}

test("a HEIC photograph is read, level for level", async () => {
  expect(await cornersOf(heifFile({ picture: quartered(levels) }))).toEqual({
    size: [48, 32],
    corners: levels,
  });
  const odd = heifFile({ picture: quartered(levels, 8, [50, 38]) });
  expect(await cornersOf(odd)).toEqual({ size: [50, 38], corners: levels });
});

test("the tiles of a HEIC photograph are joined", async () => {
  const { size, corners } = await cornersOf(
    heifFile({ picture: quartered(levels), grid: { columns: 3, rows: 2 } }),
  );
  expect(size).toEqual([144, 64]);
  expect(corners).toEqual(levels);
});

test("turns and mirrors of a HEIC are applied once, and its EXIF orientation not at all", async () => {
  const [a, b, c, d] = levels;
  const picture = quartered(levels);
  // irot turns against the clock.
  expect(await cornersOf(heifFile({ picture, turns: 1 }))).toEqual({ size: [32, 48], corners: [b, d, a, c] });
  expect(await cornersOf(heifFile({ picture, turns: 2 }))).toEqual({ size: [48, 32], corners: [d, c, b, a] });
  expect(await cornersOf(heifFile({ picture, turns: 3 }))).toEqual({ size: [32, 48], corners: [c, a, d, b] });
  // Axis 0 is horizontal in the terms of the first edition's picture: top and bottom change places.
  expect((await cornersOf(heifFile({ picture, mirror: 0 }))).corners).toEqual([c, d, a, b]);
  expect((await cornersOf(heifFile({ picture, mirror: 1 }))).corners).toEqual([b, a, d, c]);
  const exif = Buffer.from("49492a00080000000100120103000100000006000000000000000000", "hex");
  expect(await cornersOf(heifFile({ picture, exif, turns: 3 }))).toEqual({
    size: [32, 48],
    corners: [c, a, d, b],
  });
});

test("the alpha of a HEIC travels apart, and ten bits become sixteen", async () => {
  const picture = quartered(levels);
  const { measures, image, alpha } = await fixture.intake(
    heifFile({ picture, alpha: quartered([1, 255, 128, 255]) }),
  );
  expect(measures).toMatchObject({ hasAlpha: true, bits: 8 });
  expect((await samplesOf(image, 3, 8))[0]).toBe(20);
  const opacity = await samplesOf(alpha!, 48 * 32, 8);
  expect([opacity[0], opacity[47], opacity.at(-48), opacity.at(-1)]).toEqual([1, 255, 128, 255]);

  const deep = await fixture.intake(heifFile({ picture: quartered([80, 361, 642, 1_023], 10) }));
  expect(deep.measures.bits).toBe(16);
  const samples = await samplesOf(deep.image, 48 * 32 * 3, 16);
  const wanted = [80, 361, 642, 1_023].map((level) => Math.round((level * 65_535) / 1_023));
  expect([samples[0], samples[47 * 3], samples.at(-48 * 3), samples.at(-1)]).toEqual(wanted);
});

test("the profile of a HEIC is obeyed, and the user is told", async () => {
  const picture = { ...quartered([120, 120, 120, 120]), cr: new Uint16Array(384).fill(150) };
  const plain = await samplesOf((await fixture.intake(heifFile({ picture }))).image, 3, 8);
  const wide = await fixture.intake(heifFile({ picture, icc: rgbProfile(adobeRgb) }));
  expect(wide.measures.warnings).toEqual([expect.stringContaining("profile")]);
  const [red, green] = await samplesOf(wide.image, 3, 8);
  expect(red! - green!).toBeGreaterThan(plain[0]! - plain[1]! + 5);
});

test("a HEIC that is cut short, or whose picture is not what it says, is refused in words", async () => {
  const picture = quartered(levels);
  const whole = heifFile({ picture });
  expect(await fixture.refused(whole.subarray(0, whole.length - 900))).toMatchObject({
    code: "image_truncated",
  });
  expect(
    await fixture.refused(heifFile({ picture, claimed: { width: 60_000, height: 60_000 } })),
  ).toMatchObject({
    code: "image_too_large",
  });
  const grid = { columns: 20, rows: 20 };
  expect(await fixture.refused(heifFile({ picture, grid }))).toMatchObject({ kind: "input" });
});

test("a coded picture far larger than the file says is refused before it is unpacked", async () => {
  const fault = await fixture.refused(
    heifFile({ picture: quartered(levels, 8, [512, 512]), claimed: { width: 64, height: 64 } }),
  );
  expect(fault).toMatchObject({
    code: "image_broken",
    details: expect.stringContaining("maximum image size"),
  });
});
