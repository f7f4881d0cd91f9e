import fc from "fast-check";
import sharp from "sharp";
import { expect, test } from "vitest";
import { estimateJpegQuality } from "#functions/intake/jpeg-quality.ts";
import { painted } from "./bad-input.ts";

test("the quality libjpeg was asked for is found again, from 5 to 100", async () => {
  for (const quality of [5, 10, 25, 50, 75, 90, 95, 100]) {
    expect(estimateJpegQuality(await painted().jpeg({ quality }).toBuffer())).toBe(quality);
  }
});

test("tables of another encoder get the nearest equivalent: better stays better", async () => {
  const estimates = await Promise.all(
    [20, 40, 60, 80, 95].map(async (quality) =>
      estimateJpegQuality(await painted().jpeg({ quality, quantisationTable: 3 }).toBuffer()),
    ),
  );
  expect(estimates).toEqual(estimates.toSorted((a, b) => a! - b!));
});

test("the tables of an embedded thumbnail are not looked at", async () => {
  const thumbnail = await painted(16, 16).jpeg({ quality: 10 }).toBuffer();
  const file = await painted().jpeg({ quality: 80 }).toBuffer();
  const application = Buffer.concat([Buffer.of(0xff, 0xe1, 0, 0), thumbnail]);
  application.writeUInt16BE(thumbnail.length + 2, 2);
  const withThumbnail = Buffer.concat([file.subarray(0, 2), application, file.subarray(2)]);
  expect((await sharp(withThumbnail).metadata()).width).toBe(96);
  expect(estimateJpegQuality(withThumbnail)).toBe(80);
});

test("whatever the bytes are, the answer is a quality or none", async () => {
  const file = await painted().jpeg({ quality: 80 }).toBuffer();
  const check = (bytes: Uint8Array) => {
    const quality = estimateJpegQuality(bytes);
    if (quality !== undefined) {
      expect(quality).toBeGreaterThanOrEqual(1);
      expect(quality).toBeLessThanOrEqual(100);
    }
  };
  for (let length = 0; length < 700; length++) check(file.subarray(0, length));
  fc.assert(
    fc.property(fc.nat(file.length - 1), fc.integer({ min: 0, max: 255 }), (at, value) => {
      const damaged = Uint8Array.from(file);
      damaged[at] = value;
      check(damaged);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (tail) =>
      check(Uint8Array.from([0xff, 0xd8, 0xff, 0xdb, ...tail])),
    ),
  );
});
