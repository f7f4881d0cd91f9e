import { once } from "node:events";
import { createDeflate } from "node:zlib";
import sharp, { type Sharp } from "sharp";
import { bmpFile } from "../bmp-file.ts";
import { noise, turn, whole, type CorpusClass } from "../corpus-class.ts";
import { exifBlock } from "../exif-block.ts";
import { heifFile } from "../heif-file.ts";
import { segmentAt, withExif, withSegment } from "../jpeg-segment.ts";
import { pngChunk, pngFile } from "../png-file.ts";

/** Small files that become large, or keep a reader busy for long. */

const each = 20;

/** Sides of squares: from a megapixel to as many as are taken, and beyond. */
const sides = [1_000, 3_000, 5_000, 9_990, 12_000, 40_000];

/** Flat pictures behind one deflate stream: a thousand to one. */
const png: CorpusClass = {
  name: "bomb-png",
  count: each,
  async make({ index }) {
    const side = turn(sides, index);
    const isDeep = side <= 3_000 && index >= sides.length;
    const header = Buffer.alloc(13);
    header.writeUInt32BE(side, 0);
    header.writeUInt32BE(side, 4);
    header[8] = isDeep ? 16 : 8;
    header[9] = isDeep ? 6 : 2;
    // What is beyond the limit need not hold its pixels.
    const bytes = side > 10_000 ? 1_000 : side * (1 + side * (isDeep ? 8 : 3));
    const empty = pngFile({ width: 1, height: 1, bits: 8, colour: 2, rows: Buffer.alloc(4) });
    return Buffer.concat([
      empty.subarray(0, 8),
      pngChunk("IHDR", header),
      pngChunk("IDAT", await deflatedZeros(bytes)),
      pngChunk("IEND"),
    ]);
  },
};

const tiff: CorpusClass = {
  name: "bomb-tiff",
  count: each,
  make({ index }) {
    const side = Math.min(turn(sides, index), 12_000);
    const isTiled = index % 2 === 0;
    return flat(side, side)
      .tiff({ compression: turn(["deflate", "lzw", "packbits"] as const, index), tile: isTiled })
      .toBuffer();
  },
};

/** Flat scans; scans that break off under a large header, one after another or all at once (progressive). */
const jpeg: CorpusClass = {
  name: "bomb-jpeg",
  count: each,
  async make({ seeds, index }) {
    const [width, height] = turn(
      [
        [9_990, 9_990],
        [65_500, 1_500],
        [1_500, 65_500],
        [5_000, 5_000],
      ] as const,
      Math.floor(index / 3),
    );
    // The encoder would hold all of a picture whose codes it optimises.
    if (index % 3 === 0) return flat(width, height).jpeg({ optimiseCoding: false }).toBuffer();
    const copy = Buffer.from(seeds.jpeg[index % 3 === 1 ? 0 : 1]!);
    const frame = segmentAt(copy, index % 3 === 1 ? 0xc0 : 0xc2);
    copy.writeUInt16BE(height, frame + 5);
    copy.writeUInt16BE(width, frame + 7);
    return copy;
  },
};

/** A screen of any size under one small frame, or under a frame of its size. */
const gif: CorpusClass = {
  name: "bomb-gif",
  count: each,
  make({ index }) {
    const side = Math.min(turn(sides, index), 65_535);
    return gifOf(1 + (index % 3), { side, frameSide: index % 2 === 0 ? 1 : side });
  },
};

const webp: CorpusClass = {
  name: "bomb-webp",
  count: each,
  make: ({ index }) =>
    flat(1_000 + 600 * (index % 4), 2_000)
      .webp({ lossless: index % 2 === 0, effort: 0 })
      .toBuffer(),
};

/** A few run lengths under a header of any size. */
const bmp: CorpusClass = {
  name: "bomb-bmp",
  count: each,
  make({ index, random }) {
    const side = turn(sides, index);
    const runs = Buffer.concat(Array.from({ length: 500 }, () => Buffer.of(255, whole(256, random), 0, 0)));
    const compression = index % 2 === 0 ? 1 : 0;
    return bmpFile({
      width: side,
      height: side,
      bitsPerPixel: 8,
      compression,
      palette: [[9, 9, 9]],
      pixels: runs,
    });
  },
};

/** One coded tile shown many times; sizes that are claimed; more items than anyone has. */
const heic: CorpusClass = {
  name: "bomb-heic",
  count: each,
  make({ index }) {
    const side = turn([64, 512], index);
    const plane = (length: number) => new Uint16Array(length).fill(128);
    const pixels = side * side;
    const chroma = plane(pixels / 4);
    const picture = { width: side, height: side, bits: 8, y: plane(pixels), cb: chroma, cr: chroma } as const;
    const grids = [
      { columns: 4, rows: 3 },
      { columns: 15, rows: 15 },
      { columns: 40, rows: 50 },
      { columns: 1, rows: 1 },
    ];
    const claim = turn([undefined, 100, 5_000, 60_000], Math.floor(index / 4));
    return heifFile({
      picture,
      grid: turn(grids, index),
      ...(claim === undefined ? {} : { claimed: { width: claim, height: claim } }),
    });
  },
};

const chunks: CorpusClass = {
  name: "bomb-chunks",
  count: each,
  make({ index }) {
    const many = 10_000 * (1 + (index % 5));
    const type = turn(["tEXt", "eXIf", "gAMA", "abCd"], index);
    return Buffer.concat([
      ...dotPng(Array.from({ length: many }, (_, at) => pngChunk(type, Buffer.from(`k${at}\0v`)))),
    ]);
  },
};

/** Text that inflates to many megabytes. */
const text: CorpusClass = {
  name: "bomb-text",
  count: each,
  async make({ index }) {
    const words = await deflatedZeros((1 + (index % 5)) * 60_000_000);
    const chunk =
      index % 2 === 0
        ? pngChunk("zTXt", Buffer.concat([Buffer.from("k\0\0", "latin1"), words]))
        : pngChunk("iTXt", Buffer.concat([Buffer.from("XML:com.adobe.xmp\0\x01\0\0\0", "latin1"), words]));
    return Buffer.concat([...dotPng([chunk])]);
  },
};

const icc: CorpusClass = {
  name: "bomb-icc",
  count: each,
  async make({ seeds, index }) {
    if (index % 2 === 0) {
      const data = await deflatedZeros((1 + (index % 5)) * 50_000_000);
      return Buffer.concat([
        ...dotPng([pngChunk("iCCP", Buffer.concat([Buffer.from("icc\0\0", "latin1"), data]))]),
      ]);
    }
    let file = seeds.jpeg[0]!;
    const name = Buffer.from("ICC_PROFILE\0", "latin1");
    for (let part = 255; part > 0; part -= 1 + (index % 3))
      file = withSegment(file, 0xe2, Buffer.concat([name, Buffer.of(part, 255), Buffer.alloc(65_000)]));
    return file;
  },
};

/** As many entries as fit, each of which claims more than there is. */
const exif: CorpusClass = {
  name: "bomb-exif",
  count: each,
  make({ seeds, index, random }) {
    const block = exifBlock({ image: [[315, "x"]], photo: [] });
    const entries = Buffer.alloc(65_000);
    block.copy(entries);
    entries.writeUInt16LE(5_000, 8);
    for (let at = 10; at + 12 <= entries.length; at += 12) {
      entries.writeUInt16LE(whole(65_536, random), at);
      entries.writeUInt16LE(1 + whole(13, random), at + 2);
      entries.writeUInt32LE(turn([2 ** 32 - 1, 60_000, 2 ** 31], at), at + 4);
      entries.writeUInt32LE(index % 2 === 0 ? 8 : whole(65_000, random), at + 8);
    }
    return withExif(seeds.jpeg[0]!, entries);
  },
};

const frames: CorpusClass = {
  name: "bomb-frames",
  count: each,
  make: ({ index, random }) =>
    index % 2 === 0
      ? gifOf(1_000 * (1 + index), { side: 16, frameSide: 16 })
      : tiffOf(200 * (1 + index), noise(48, random)),
};

export const bombs: readonly CorpusClass[] = [
  png,
  tiff,
  jpeg,
  gif,
  webp,
  bmp,
  heic,
  chunks,
  text,
  icc,
  exif,
  frames,
];

function flat(width: number, height: number): Sharp {
  return sharp({ create: { width, height, channels: 3, background: "#808080" }, limitInputPixels: false });
}

/** Zeros, deflated without holding them. */
async function deflatedZeros(bytes: number): Promise<Buffer> {
  const deflate = createDeflate({ level: 1 });
  const parts: Buffer[] = [];
  deflate.on("data", (part: Buffer) => parts.push(part));
  const zeros = Buffer.alloc(1 << 20);
  for (let left = bytes; left > 0; left -= zeros.length)
    if (!deflate.write(zeros.subarray(0, Math.min(left, zeros.length)))) await once(deflate, "drain");
  deflate.end();
  await once(deflate, "end");
  return Buffer.concat(parts);
}

/** One gray pixel with chunks before it. */
function* dotPng(before: readonly Buffer[]): Generator<Buffer> {
  const dot = pngFile({ width: 1, height: 1, bits: 8, colour: 2, rows: Buffer.of(0, 9, 9, 9) });
  yield dot.subarray(0, 33);
  yield* before;
  yield dot.subarray(33);
}

/** A GIF of `count` frames of two colours, each of a few codes. */
function gifOf(count: number, { side, frameSide }: { side: number; frameSide: number }): Buffer {
  const head = Buffer.from([...Buffer.from("GIF89a"), 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 255, 255, 255]);
  head.writeUInt16LE(side, 6);
  head.writeUInt16LE(side, 8);
  const frame = Buffer.from([0x2c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 0x44, 0x01, 0]);
  frame.writeUInt16LE(frameSide, 5);
  frame.writeUInt16LE(frameSide, 7);
  return Buffer.concat([head, ...Array.from({ length: count }, () => frame), Buffer.of(0x3b)]);
}

/** A TIFF of `count` directories that show the same strip of 4 × 4 RGB. */
function tiffOf(count: number, strip: Buffer): Buffer {
  const fields = [
    [256, 4],
    [257, 4],
    [258, 8],
    [259, 1],
    [262, 2],
    [273, 8],
    [277, 3],
    [278, 4],
    [279, strip.length],
  ] as const;
  const size = 2 + 12 * fields.length + 4;
  const first = 8 + strip.length;
  const head = Buffer.from([0x49, 0x49, 0x2a, 0, 0, 0, 0, 0]);
  head.writeUInt32LE(first, 4);
  const directories = Array.from({ length: count }, (_, page) => {
    const directory = Buffer.alloc(size);
    directory.writeUInt16LE(fields.length);
    for (const [index, [tag, value]] of fields.entries()) {
      directory.writeUInt16LE(tag, 2 + 12 * index);
      directory.writeUInt16LE(4, 4 + 12 * index);
      directory.writeUInt32LE(1, 6 + 12 * index);
      directory.writeUInt32LE(value, 10 + 12 * index);
    }
    directory.writeUInt32LE(page + 1 === count ? 0 : first + (page + 1) * size, size - 4);
    return directory;
  });
  return Buffer.concat([head, strip, ...directories]);
}
