import { crc32, deflateSync } from "node:zlib";
import sharp, { type Sharp } from "sharp";

/** Photographs as they arrive, sound and otherwise, all made from one small painted picture. */

type Rgb = readonly [number, number, number];

/** Colours of the quarters, upright: top left, top right, bottom left, bottom right. */
export const quarters: readonly Rgb[] = [
  [220, 40, 40],
  [40, 200, 60],
  [50, 60, 210],
  [230, 220, 60],
];

/** Four flat quarters with a ramp of brightness along each row, so that no two columns are alike. */
export function painted(width = 96, height = 64): Sharp {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const quarter = quarters[(y < height / 2 ? 0 : 2) + (x < width / 2 ? 0 : 1)]!;
      const shade = ((x * 7 + y * 3) % 16) - 8;
      data.set(
        quarter.map((level) => level + shade),
        (y * width + x) * 3,
      );
    }
  }
  return sharp(data, { raw: { width, height, channels: 3 } });
}

/** 16-bit RGBA of which every sample is different from its neighbours; alpha rises along the rows. */
export function deepSamples(width: number, height: number): Uint16Array {
  return Uint16Array.from({ length: width * height * 4 }, (_, at) => {
    const pixel = Math.floor(at / 4);
    return at % 4 === 3
      ? ((pixel % width) * 65_535) / (width - 1)
      : (pixel * 257 + (at % 4) * 9_973) % 65_536;
  });
}

/** A 16-bit RGBA PNG with exactly these samples. */
export function deepPng(width: number, height: number): Buffer {
  const samples = deepSamples(width, height);
  const rows = Buffer.alloc(height * (1 + width * 8));
  for (let y = 0; y < height; y++) {
    for (let at = 0; at < width * 4; at++) {
      rows.writeUInt16BE(samples[y * width * 4 + at]!, y * (1 + width * 8) + 1 + 2 * at);
    }
  }
  return png({ width, height, bits: 16, colour: 6, rows });
}

/** A PNG whose header promises any size, with next to no pixels behind it. */
export function hugePng(width: number, height: number): Buffer {
  return png({ width, height, bits: 8, colour: 2, rows: Buffer.alloc(1_000) });
}

function png(image: { width: number; height: number; bits: number; colour: number; rows: Buffer }): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(image.width, 0);
  header.writeUInt32BE(image.height, 4);
  header[8] = image.bits;
  header[9] = image.colour;
  const signature = Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(image.rows)),
    chunk("IEND"),
  ]);
}

function chunk(type: string, data = Buffer.alloc(0)): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
}

/** Frames of growing brightness, as one animation or one file of many pages. */
export async function frames(count: number, format: "gif" | "webp" | "tiff"): Promise<Buffer> {
  const pictures = Array.from({ length: count }, (_, index) =>
    sharp({ create: { width: 24, height: 16, channels: 3, background: { r: 20 * index, g: 100, b: 40 } } })
      .png()
      .toBuffer(),
  );
  const joined = sharp(await Promise.all(pictures), { join: { animated: true } });
  return joined.toFormat(format, format === "tiff" ? { compression: "lzw" } : {}).toBuffer();
}

/** A gray TIFF of 32-bit floating-point samples: a height map, not a photograph. */
export function floatTiff(width: number, height: number): Buffer {
  const bytes = width * height * 4;
  // Tag, type (3: 16 bits, 4: 32 bits), value: TIFF 6.0, section 8.
  const entries = [
    [256, 3, width],
    [257, 3, height],
    [258, 3, 32],
    [259, 3, 1],
    [262, 3, 1],
    [273, 4, 8],
    [277, 3, 1],
    [278, 3, height],
    [279, 4, bytes],
    [339, 3, 3],
  ] as const;
  const directory = Buffer.alloc(2 + 12 * entries.length + 4);
  directory.writeUInt16LE(entries.length);
  for (const [index, [tag, type, value]] of entries.entries()) {
    directory.writeUInt16LE(tag, 2 + 12 * index);
    directory.writeUInt16LE(type, 4 + 12 * index);
    directory.writeUInt32LE(1, 6 + 12 * index);
    directory.writeUInt32LE(value, 10 + 12 * index);
  }
  const header = Buffer.from("II*\0\0\0\0\0", "latin1");
  header.writeUInt32LE(8 + bytes, 4);
  return Buffer.concat([header, Buffer.alloc(bytes), directory]);
}

/** What is no photograph, whatever its name says; with a word that its refusal must contain. */
export const strangers: Record<string, { bytes: Buffer; word: string }> = {
  "letter.jpg": {
    bytes: Buffer.from("Dear Ruth,\nthe photograph is in the other envelope.\n"),
    word: "text",
  },
  "drawing.png": {
    bytes: Buffer.from('<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>'),
    word: "SVG",
  },
  "scan.jpg": { bytes: Buffer.from("%PDF-1.7\n%âãÏÓ\n1 0 obj\n"), word: "PDF" },
  "album.jpg": { bytes: Buffer.concat([Buffer.of(0x50, 0x4b, 3, 4), Buffer.alloc(60)]), word: "ZIP" },
  "page.jpg": { bytes: Buffer.from("<!DOCTYPE html><html><body>404</body></html>"), word: "web page" },
  "tool.jpg": {
    bytes: Buffer.concat([Buffer.of(0x7f, 0x45, 0x4c, 0x46), Buffer.alloc(60)]),
    word: "program",
  },
  "film.jpg": { bytes: isoFile("isom", "mp42"), word: "video" },
  "noise.jpg": { bytes: Buffer.from([3, 1, 4, 1, 5, 9, 2, 6, 0, 0, 0]), word: "no image" },
};

/** Photographs of kinds that are known and not read. */
export const foreigners: Record<string, { bytes: Buffer; word: string }> = {
  "layers.psd": { bytes: Buffer.concat([Buffer.from("8BPS"), Buffer.alloc(60)]), word: "Photoshop" },
  "raw.tif": {
    bytes: Buffer.concat([Buffer.from("II*\0\x10\0\0\0CR\x02\0", "latin1"), Buffer.alloc(60)]),
    word: "raw",
  },
  "new.jxl": { bytes: Buffer.concat([Buffer.of(0xff, 0x0a), Buffer.alloc(60)]), word: "JPEG XL" },
};

/** The first box of an ISO base media file: its brands. */
function isoFile(...brands: string[]): Buffer {
  const box = Buffer.concat([
    Buffer.alloc(4),
    Buffer.from(`ftyp${brands[0]!}\0\0\0\0${brands.join("")}`, "latin1"),
  ]);
  box.writeUInt32BE(box.length);
  return Buffer.concat([box, Buffer.alloc(64)]);
}

/** A few bytes changed, at places that follow from the seed. */
export function corrupted(bytes: Buffer, seed: number): Buffer {
  const copy = Buffer.from(bytes);
  let state = seed + 1;
  for (let change = 0; change < 12; change++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    copy[state % copy.length] = (state >>> 8) & 255;
  }
  return copy;
}
