import { afterAll, beforeAll, expect, test } from "vitest";
import sharp from "sharp";
import { createIntakeFixture, samplesOf, type IntakeFixture } from "./intake-fixture.ts";
import { seededRandom } from "../../chaos/seeded-random.ts";
import { noise } from "../../corpus/corpus-class.ts";

let fixture: IntakeFixture;

beforeAll(async () => {
  fixture = await createIntakeFixture();
});

afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

const side = 128;
const grain = noise(side * side * 3, seededRandom(3));
const picture = () => sharp(grain, { raw: { width: side, height: side, channels: 3 } });
const stripRows = 16;

/** Uncompressed RGB in strips behind the directory, as scanners write it that know the size beforehand. */
function scannedTiff(): Buffer {
  const strips = side / stripRows;
  const stripBytes = stripRows * side * 3;
  const [directoryAt, fields] = [8, 9];
  const valuesAt = directoryAt + 2 + 12 * fields + 4;
  const pixelsAt = valuesAt + 6 + 8 * strips;
  const head = Buffer.alloc(pixelsAt);
  head.write("II*\0\x08", "latin1");
  head.writeUInt16LE(fields, directoryAt);
  const entries = [
    [256, 3, 1, side],
    [257, 3, 1, side],
    [258, 3, 3, valuesAt],
    [259, 3, 1, 1],
    [262, 3, 1, 2],
    [273, 4, strips, valuesAt + 6],
    [277, 3, 1, 3],
    [278, 3, 1, stripRows],
    [279, 4, strips, valuesAt + 6 + 4 * strips],
  ] as const;
  for (const [index, [tag, type, count, value]] of entries.entries()) {
    const at = directoryAt + 2 + 12 * index;
    head.writeUInt16LE(tag, at);
    head.writeUInt16LE(type, at + 2);
    head.writeUInt32LE(count, at + 4);
    head.writeUInt32LE(value, at + 8);
  }
  for (let channel = 0; channel < 3; channel += 1) head.writeUInt16LE(8, valuesAt + 2 * channel);
  for (let strip = 0; strip < strips; strip += 1) {
    head.writeUInt32LE(pixelsAt + strip * stripBytes, valuesAt + 6 + 4 * strip);
    head.writeUInt32LE(stripBytes, valuesAt + 6 + 4 * (strips + strip));
  }
  return Buffer.concat([head, grain]);
}

/** How many rows from the top are as they were. */
async function rowsOf(file: Buffer): Promise<{ rows: number; warnings: string[] }> {
  const { image, measures } = await fixture.intake(file);
  const samples = await samplesOf(image, side * side * 3, 8);
  const first = samples.findIndex((level, at) => level !== grain[at]);
  return { rows: first < 0 ? side : Math.floor(first / (side * 3)), warnings: measures.warnings };
}

test("a scan as TIFF that breaks off is restored as far as it goes, and the user is told", async () => {
  const whole = scannedTiff();
  expect(await rowsOf(whole)).toEqual({ rows: side, warnings: [] });
  const { rows, warnings } = await rowsOf(whole.subarray(0, whole.length - 2.5 * stripRows * side * 3));
  expect(rows).toBeGreaterThanOrEqual(side - 3 * stripRows);
  expect(warnings).toEqual([expect.stringMatching(/damaged: about \d+ % at the lower end are missing/)]);
});

test("a PNG that breaks off is restored as far as it goes, and the user is told how far", async () => {
  const whole = await picture().png().toBuffer();
  const { rows, warnings } = await rowsOf(whole.subarray(0, whole.length / 2));
  expect(rows).toBeGreaterThan(0.4 * side);
  expect(warnings).toEqual([expect.stringMatching(/cut short: about (4|5)\d % at the lower end/)]);
});

test("a PNG with a wrong byte is restored with a warning", async () => {
  const file = await picture().png().toBuffer();
  file[Math.floor(0.7 * file.length)]! ^= 0x55;
  const { rows, warnings } = await rowsOf(file);
  expect(rows).toBeGreaterThan(0.6 * side);
  expect(warnings).toEqual([expect.stringContaining("The file is damaged")]);
});

test("of a GIF that breaks off the rows that are there are restored, with a warning", async () => {
  const whole = await picture().gif({ dither: 0 }).toBuffer();
  const { measures } = await fixture.intake(whole.subarray(0, Math.floor(whole.length * 0.8)));
  expect(measures.warnings).toEqual([expect.stringContaining("cut short")]);
});
