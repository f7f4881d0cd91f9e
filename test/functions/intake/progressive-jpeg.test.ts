import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp, { type JpegOptions } from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { painted, quarters } from "./bad-input.ts";
import { createIntakeFixture } from "./intake-fixture.ts";
import { seededRandom } from "../../chaos/seeded-random.ts";
import { noise } from "../../corpus/corpus-class.ts";
import { exifBlock } from "../../corpus/exif-block.ts";
import { segmentAt, withExif, withSegment } from "../../corpus/jpeg-segment.ts";
import { createBitWriter, endInterval, putBits, writtenBytes } from "#functions/intake/jpeg-bits.ts";
import { splitJpeg } from "#functions/intake/jpeg-planes.ts";
import { isHeavyJpeg, unpackProgressiveJpeg } from "#functions/intake/progressive-jpeg.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "planes-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const progressive = { progressive: true, chromaSubsampling: "4:4:4" } as const;

function grainy(width: number, height: number, options: JpegOptions): Promise<Buffer> {
  const data = noise(width * height * 3, seededRandom(width));
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg(options)
    .toBuffer();
}

/** What becomes of a file: its samples, or nothing where it cannot be taken apart. Nothing else may be left behind. */
async function unpacked(jpeg: Buffer): Promise<Buffer | undefined> {
  const place = await mkdtemp(join(folder, "file-"));
  const path = join(place, "upload");
  await writeFile(path, jpeg);
  const to = join(place, "unpacked.tiff");
  const planes = [1, 2, 3].map((index) => join(place, `plane-${index}.tiff`));
  const file = { path, pixelsMax: 1e6, icc: undefined, orientation: undefined };
  const isUnpacked = await unpackProgressiveJpeg(file, { unpacked: to, planes });
  expect(await readdir(place)).toEqual(isUnpacked ? ["unpacked.tiff", "upload"] : ["upload"]);
  return isUnpacked ? await sharp(to).raw().toBuffer() : undefined;
}

test.each([
  [1, 1, 80],
  [8, 8, 30],
  [203, 131, 92],
  [300, 7, 100],
])(
  "%i × %i pixels of quality %i come out of their planes as libjpeg decodes them, to the bit",
  async (...of) => {
    const [width, height, quality] = of;
    const jpeg = await grainy(width, height, { ...progressive, quality });
    const samples = await unpacked(jpeg);
    expect(samples?.equals(await sharp(jpeg).raw().toBuffer())).toBe(true);
  },
);

test("components that are red, green and blue themselves are left so", async () => {
  const jpeg = await grainy(40, 30, progressive);
  const adobe = Buffer.from("Adobe\0\x64\0\0\0\0\0", "latin1");
  const file = withSegment(jpeg, 0xee, adobe);
  const samples = await unpacked(file);
  expect(samples?.equals(await sharp(file).raw().toBuffer())).toBe(true);
  expect(samples?.equals(await sharp(jpeg).raw().toBuffer())).toBe(false);
});

/** 5 × 3 blocks of one level each, coded by hand: two to an interval, the last bit of each in a scan of its own. */
function restartingJpeg(): Buffer {
  const segment = (code: number, ...data: number[]) => Buffer.of(0xff, code, 0, data.length + 2, ...data);
  const component = (id: number) => [id, 0x11, 0];
  const scan = (tail: readonly number[], isRefinement: boolean) => {
    const random = seededRandom(5);
    const writer = createBitWriter();
    for (let block = 0; block < 15; block += 1) {
      for (let each = 0; each < 3; each += 1) {
        if (isRefinement) putBits(writer, Math.floor(2 * random()), 1);
        else {
          // By the table below category n is n coded in four bits, and up to seven bits of a difference follow.
          const category = Math.floor(8 * random());
          putBits(writer, category, 4);
          putBits(writer, Math.floor(2 ** category * random()), category);
        }
      }
      const isEnd = block === 14;
      if (block % 2 === 1 || isEnd) endInterval(writer, isEnd ? undefined : 0xd0 + (((block - 1) / 2) % 8));
    }
    return Buffer.concat([segment(0xda, 3, 1, 0, 2, 0, 3, 0, ...tail), writtenBytes(writer)]);
  };
  return Buffer.concat([
    Buffer.of(0xff, 0xd8),
    segment(0xdb, 0, ...Array.from({ length: 64 }, () => 3)),
    segment(0xc2, 8, 0, 24, 0, 40, 3, ...component(1), ...component(2), ...component(3)),
    segment(0xc4, 0, 0, 0, 0, 8, ...Array.from({ length: 12 }, () => 0), 0, 1, 2, 3, 4, 5, 6, 7),
    segment(0xdd, 0, 2),
    scan([0, 0, 0x01], false),
    scan([0, 0, 0x10], true),
    Buffer.of(0xff, 0xd9),
  ]);
}

test("restarts and refined levels are handed on to each plane", async () => {
  const jpeg = restartingJpeg();
  const samples = await unpacked(jpeg);
  expect(samples?.equals(await sharp(jpeg, { failOn: "error" }).raw().toBuffer())).toBe(true);
  expect(new Set(samples).size).toBeGreaterThan(30);
});

test("what is no progressive JPEG of full chroma, or is damaged, is left to libjpeg", async () => {
  const sound = await grainy(64, 48, progressive);
  const others = [
    await grainy(64, 48, { chromaSubsampling: "4:4:4" }),
    await grainy(64, 48, { progressive: true, chromaSubsampling: "4:2:0" }),
    await painted().toColourspace("b-w").jpeg({ progressive: true }).toBuffer(),
    await painted().toColourspace("cmyk").jpeg({ progressive: true }).toBuffer(),
    await painted().png().toBuffer(),
    Buffer.alloc(0),
  ];
  for (const other of others) expect(splitJpeg(other)).toBeUndefined();
  for (let part = 0; part < 64; part += 1)
    expect(splitJpeg(sound.subarray(0, Math.floor((sound.length * part) / 64)))).toBeUndefined();

  // Bytes that are missing from the scan of all levels, bytes too many, and a restart out of turn.
  const scan = segmentAt(sound, 0xda) + 14;
  const shorter = Buffer.concat([sound.subarray(0, scan), sound.subarray(scan + 20)]);
  const longer = Buffer.concat([sound.subarray(0, scan), Buffer.alloc(40), sound.subarray(scan)]);
  const restarting = restartingJpeg();
  const other = Buffer.from(restarting);
  other[restarting.indexOf(Buffer.of(0xff, 0xd1)) + 1] = 0xd2;
  for (const damaged of [shorter, longer, other]) expect(splitJpeg(damaged)).toBeUndefined();
});

test("whatever a byte is changed to, a file is taken apart or is not, and nothing is thrown", async () => {
  const random = seededRandom(11);
  for (const sound of [restartingJpeg(), await grainy(24, 16, progressive)]) {
    for (let at = 0; at < Math.min(sound.length, 900); at += 1) {
      const damaged = Buffer.from(sound);
      damaged[at] = Math.floor(256 * random());
      expect(() => splitJpeg(damaged)).not.toThrow();
    }
  }
});

test("only those files are taken apart of which libjpeg would hold more than of 100 megapixels with halved chroma", async () => {
  const of = { ...(await sharp(await grainy(8, 8, progressive)).metadata()), width: 10_000 };
  expect(isHeavyJpeg({ ...of, height: 10_000 })).toBe(true);
  expect(isHeavyJpeg({ ...of, height: 5_000 })).toBe(false);
  expect(isHeavyJpeg({ ...of, height: 10_000, isProgressive: false })).toBe(false);
  expect(isHeavyJpeg({ ...of, height: 10_000, chromaSubsampling: "4:2:0" })).toBe(false);
});

test("a large progressive JPEG of full chroma comes out upright, in its colours, and with its measures", async () => {
  await using fixture = await createIntakeFixture();
  // Flat quarters: 50.4 megapixels in few bytes.
  const flat = await painted(2, 2)
    .resize({ width: 7_200, height: 7_000, kernel: "nearest" })
    .jpeg({ ...progressive, quality: 70 })
    .toBuffer();
  const file = withExif(flat, exifBlock({ image: [[274, [6]]] }));
  const { measures, image, outDir } = await fixture.intake(file);
  expect(measures).toMatchObject({
    width: 7_000,
    height: 7_200,
    format: "jpeg",
    jpegQuality: 70,
    warnings: [],
  });
  expect(await readdir(outDir)).toEqual(["image.tiff", "upload.jpg"]);
  const small = await sharp(image.path).resize(2, 2, { kernel: "nearest" }).raw().toBuffer();
  // Turned to the right: the quarter at the lower left is now at the upper left.
  for (const [index, quarter] of [2, 0, 3, 1].entries())
    for (const [channel, level] of quarters[quarter]!.entries())
      expect(Math.abs(small[3 * index + channel]! - level)).toBeLessThan(12);
});
