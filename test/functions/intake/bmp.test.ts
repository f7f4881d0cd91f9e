import { afterAll, beforeAll, expect, test } from "vitest";
import { createIntakeFixture, samplesOf, type IntakeFixture } from "./intake-fixture.ts";
import { bmpFile } from "../../corpus/bmp-file.ts";

let fixture: IntakeFixture;

beforeAll(async () => {
  fixture = await createIntakeFixture();
});

afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

async function pixelsOf(file: Buffer): Promise<number[]> {
  const { measures, image } = await fixture.intake(file, "picture.bmp");
  expect(measures).toMatchObject({ format: "bmp", bits: 8, warnings: [] });
  return [...(await samplesOf(image, measures.width * measures.height * 3, 8))];
}

const palette = [
  [0, 0, 0],
  [200, 10, 20],
  [30, 220, 40],
  [50, 60, 240],
] as const;
const [, red, green, blue] = palette;

test("BMP of 24 bits is read from its foot, and from its head where it says so", async () => {
  // Two rows of three pixels, blue first, filled up to four bytes.
  const rows = [
    [20, 10, 200, 40, 220, 30, 240, 60, 50, 0, 0, 0],
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0],
  ];
  const size = { width: 3, bitsPerPixel: 24 };
  const upper = [...red, ...green, ...blue];
  const lower = [3, 2, 1, 6, 5, 4, 9, 8, 7];
  const fromFoot = bmpFile({ ...size, height: 2, pixels: Buffer.from(rows.toReversed().flat()) });
  const fromHead = bmpFile({ ...size, height: -2, pixels: Buffer.from(rows.flat()) });
  expect(await pixelsOf(fromFoot)).toEqual([...upper, ...lower]);
  expect(await pixelsOf(fromHead)).toEqual([...upper, ...lower]);
  const old = bmpFile({ ...size, height: 2, headerBytes: 12, pixels: Buffer.from(rows.toReversed().flat()) });
  expect(await pixelsOf(old)).toEqual([...upper, ...lower]);
});

test("BMP with a palette is read at one, two, four and eight bits", async () => {
  const wanted = [...red, ...blue, ...green];
  const rows = { 2: [0b0111_1000, 0, 0, 0], 4: [0x13, 0x20, 0, 0], 8: [1, 3, 2, 0] };
  for (const [bits, row] of Object.entries(rows)) {
    const file = bmpFile({
      width: 3,
      height: 1,
      bitsPerPixel: Number(bits),
      palette,
      pixels: Buffer.from(row),
    });
    expect(await pixelsOf(file)).toEqual(wanted);
  }
  const ink = bmpFile({
    width: 3,
    height: 1,
    bitsPerPixel: 1,
    palette: [
      [255, 255, 255],
      [9, 9, 9],
    ],
    pixels: Buffer.of(0b0100_0000, 0, 0, 0),
  });
  expect(await pixelsOf(ink)).toEqual([255, 255, 255, 9, 9, 9, 255, 255, 255]);
  expect((await fixture.intake(ink)).measures.isGray).toBe(true);
});

test("run lengths of eight and of four bits are unpacked: runs, spelt-out colours, moves and ends of rows", async () => {
  const black = [0, 0, 0];
  const upper = [...black, ...black, ...green, ...green];
  const lower = [...red, ...red, ...blue, ...green];
  // Two of red, two spelt out, end of the row; two to the right, two of green, end of the picture.
  const eight = [2, 1, 0, 3, 3, 2, 2, 0, 0, 0, 0, 2, 2, 0, 2, 2, 0, 1];
  const four = [2, 0x11, 0, 3, 0x32, 0x20, 0, 0, 0, 2, 2, 0, 2, 0x22, 0, 1];
  for (const [bitsPerPixel, compression, pixels] of [
    [8, 1, eight],
    [4, 2, four],
  ] as const) {
    const file = bmpFile({
      width: 4,
      height: 2,
      bitsPerPixel,
      compression,
      palette,
      pixels: Buffer.from(pixels),
    });
    expect(await pixelsOf(file)).toEqual([...upper, ...lower]);
  }
});

test("bit fields of sixteen and thirty-two bits are scaled to the full range, and alpha is carried apart", async () => {
  const pixels = Buffer.alloc(4);
  pixels.writeUInt16LE(0b11111_000000_00000, 0);
  pixels.writeUInt16LE(0b00000_111111_10000, 2);
  const masks = [0xf800, 0x07e0, 0x001f];
  const high = bmpFile({ width: 2, height: 1, bitsPerPixel: 16, compression: 3, masks, pixels });
  expect(await pixelsOf(high)).toEqual([255, 0, 0, 0, 255, 132]);
  expect(
    await pixelsOf(bmpFile({ width: 1, height: 1, bitsPerPixel: 16, pixels: Buffer.of(0xff, 0x7f, 0, 0) })),
  ).toEqual([255, 255, 255]);

  const deep = { width: 2, height: 1, bitsPerPixel: 32, compression: 3, headerBytes: 108 };
  const withAlpha = { ...deep, masks: [0xff0000, 0xff00, 0xff, 0xff000000] };
  const clear = await fixture.intake(
    bmpFile({ ...withAlpha, pixels: Buffer.of(3, 2, 1, 128, 6, 5, 4, 255) }),
  );
  expect([...(await samplesOf(clear.image, 6, 8))]).toEqual([1, 2, 3, 4, 5, 6]);
  expect([...(await samplesOf(clear.alpha!, 2, 8))]).toEqual([128, 255]);
  const unused = await fixture.intake(bmpFile({ ...withAlpha, pixels: Buffer.of(3, 2, 1, 0, 6, 5, 4, 0) }));
  expect(unused.alpha).toBeUndefined();
});

test("a BMP that is cut short is restored as far as it goes, or refused as cut short", async () => {
  const pixels = Buffer.alloc(32 * 32 * 3, 77);
  const whole = bmpFile({ width: 32, height: 32, bitsPerPixel: 24, pixels });
  const { measures, image } = await fixture.intake(whole.subarray(0, whole.length / 2));
  expect(measures.warnings).toEqual([expect.stringContaining("cut short")]);
  const samples = await samplesOf(image, 32 * 32 * 3, 8);
  expect([samples[0], samples.at(-1)]).toEqual([0, 77]);
  expect(await fixture.refused(whole.subarray(0, 60))).toMatchObject({ code: "image_truncated" });
});

test("what a BMP claims is judged before anything is allocated for it", async () => {
  const pixels = Buffer.alloc(64);
  for (const [width, height] of [
    [2 ** 31 - 1, 2 ** 31 - 1],
    [65_535, -65_535],
    [10_001, 10_000],
  ] as const) {
    const fault = await fixture.refused(bmpFile({ width, height, bitsPerPixel: 24, pixels }));
    expect(fault).toMatchObject({ kind: "input", code: "image_too_large" });
    expect(fault.message).toContain(`${width} × ${Math.abs(height)}`);
  }
  const size = { width: 4, height: 4, pixels };
  for (const odd of [
    { ...size, bitsPerPixel: 7 },
    { ...size, bitsPerPixel: 24, compression: 4 },
    { ...size, bitsPerPixel: 24, headerBytes: 41 },
  ])
    expect(await fixture.refused(bmpFile(odd))).toMatchObject({ code: "image_unsupported" });
  for (const none of [
    { ...size, width: 0, bitsPerPixel: 24 },
    { ...size, width: -4, bitsPerPixel: 24 },
    { ...size, height: 0, bitsPerPixel: 24 },
  ])
    expect(await fixture.refused(bmpFile(none))).toMatchObject({ code: "image_broken" });
});

test("a letter that begins like a BMP is no BMP", async () => {
  const letter = Buffer.from("BM is how my name is written, dear Ruth.");
  expect(await fixture.refused(letter)).toMatchObject({ code: "image_unrecognized" });
});
