import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { gaussianBlur } from "#agent/image/gaussian-blur.ts";
import { bicubic, resize } from "#agent/image/resample.ts";
import { makeOld, SEVERITIES, type SeverityName } from "../bench/quality/old-photo.ts";
import { drawnPair } from "./drawn-pair.ts";
import { psnr } from "./psnr.ts";
import { readPicture } from "./read-picture.ts";

const { truth } = drawnPair(200, 160, 0);
const severities = Object.keys(SEVERITIES) as SeverityName[];
const of = (severity: SeverityName, seed = 1969, name = "drawn") => ({ seed, name, severity });

test.each([
  ["light", "a65928e5e39d2438", "2652b169e5186204"],
  ["medium", "d41c70ac709cf770", "7bf737f55512f05b"],
  ["heavy", "1f5756bb5af9646d", "e3d85747962dcf2b"],
] as const)(
  "%s: one seed makes the same scan and the same mask, byte for byte",
  async (severity, scan, mask) => {
    const digest = (bytes: Uint8Array): string =>
      createHash("sha256").update(bytes).digest("hex").slice(0, 16);
    const old = await makeOld(truth, of(severity));
    expect(digest(old.scan.data as Uint8Array)).toBe(scan);
    expect(digest(old.mask)).toBe(mask);
    expect((await makeOld(truth, of(severity))).upload.equals(old.upload)).toBe(true);
  },
);

test("another seed, another picture and another severity have other damage", async () => {
  const masks = await Promise.all(
    [of("medium"), of("medium", 1970), of("medium", 1969, "other"), of("heavy")].map(
      async (choice) => (await makeOld(truth, choice)).mask,
    ),
  );
  const texts = masks.map((mask) => Buffer.from(mask).toString("base64"));
  expect(new Set(texts).size).toBe(texts.length);
});

test("outside of the mask the scan is the blurred, reduced, grainy and faded truth, inside it is not", async () => {
  const { scan, mask, ends } = await makeOld(truth, of("medium"));
  const whole = { data: Float32Array.from(truth.data), width: 200, height: 160, channels: 3 };
  const sound = resize(gaussianBlur(whole, SEVERITIES.medium.blurSigmaPixels), scan, bicubic);
  const strayed = { inside: 0, outside: 0, inCount: 0, outCount: 0 };
  for (const [i, level] of sound.data.entries()) {
    const black = ends.black[i % 3]!;
    const expected = 255 * black + (ends.white[i % 3]! - black) * level;
    const square = (scan.data[i]! - expected) ** 2;
    if (mask[Math.floor(i / 3)] === 0) {
      strayed.outside += square;
      strayed.outCount += 1;
    } else {
      strayed.inside += square;
      strayed.inCount += 1;
    }
  }
  // Grain of 10 on a contrast of about .72, and rounding.
  const outside = Math.sqrt(strayed.outside / strayed.outCount);
  expect(outside).toBeGreaterThan(6.5);
  expect(outside).toBeLessThan(8.5);
  expect(Math.sqrt(strayed.inside / strayed.inCount)).toBeGreaterThan(3 * outside);
  expect(strayed.inCount).toBeGreaterThan(100);
});

test("each severity is worse than the one before, and the upload is the scan saved twice", async () => {
  const decibels: number[] = [];
  for (const severity of severities) {
    const { scan, upload } = await makeOld(truth, of(severity));
    const sound = resize(
      { data: Float32Array.from(truth.data), width: 200, height: 160, channels: 3 },
      scan,
      bicubic,
    );
    const reduced = {
      ...scan,
      data: Uint8Array.from(sound.data, (level) => Math.max(0, Math.min(255, level))),
    };
    const input = await readPicture(upload);
    decibels.push(psnr(input, reduced));
    expect(psnr(input, scan)).toBeGreaterThan(psnr(input, reduced));
    expect(psnr(input, scan)).not.toBe(Infinity);
  }
  expect(decibels).toEqual(decibels.toSorted((a, b) => b - a));
  expect(decibels[0]! - decibels[2]!).toBeGreaterThan(3);
});
