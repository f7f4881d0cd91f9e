import { readFile } from "node:fs/promises";
import sharp, { type Sharp } from "sharp";
import { bmpFile } from "./bmp-file.ts";
import { heifFile } from "./heif-file.ts";
import type { Yuv } from "./hevc-still.ts";
import { segmentAt } from "./jpeg-segment.ts";
import { pngFile } from "./png-file.ts";
import { seededRandom } from "../chaos/seeded-random.ts";
import { frames, painted } from "../functions/intake/bad-input.ts";

export const seedFormats = ["jpeg", "png", "webp", "tiff", "gif", "avif", "heic", "bmp"] as const;
type SeedFormat = (typeof seedFormats)[number];

/** Sound files by format, small, several kinds of each: all others of the corpus are made from them. */
export type Seeds = Readonly<Record<SeedFormat, readonly Buffer[]>>;

const seedWidth = 96;
const seedHeight = 64;

export async function makeSeeds(): Promise<Seeds> {
  const photo = await grainy();
  const deep = photo.clone().toColourspace("rgb16");
  const alpha = photo.clone().ensureAlpha(0.5);
  const of = (picture: Sharp) => picture.toBuffer();
  const jpeg = await of(photo.clone().jpeg());
  const cmyk = await of(photo.clone().toColourspace("cmyk").jpeg());
  const yuv = await toYuv(photo);
  return {
    jpeg: [
      jpeg,
      await of(photo.clone().jpeg({ progressive: true, chromaSubsampling: "4:4:4" })),
      await of(photo.clone().toColourspace("b-w").jpeg()),
      cmyk,
      asYcck(cmyk),
      await readFile(new URL("../../examples/portrait.jpg", import.meta.url)),
    ],
    png: [
      await of(photo.clone().png()),
      await of(deep.clone().png()),
      await of(photo.clone().png({ palette: true, colours: 32 })),
      await of(alpha.clone().png({ progressive: true })),
      oneBitPng(),
      await of(photo.clone().toColourspace("b-w").png()),
    ],
    webp: [
      await of(photo.clone().webp()),
      await of(alpha.clone().webp({ lossless: true })),
      await frames(4, "webp"),
    ],
    tiff: [
      await of(photo.clone().tiff({ compression: "lzw", predictor: "horizontal" })),
      await of(deep.clone().tiff({ compression: "none" })),
      await of(photo.clone().tiff({ compression: "jpeg" })),
      await of(photo.clone().tiff({ compression: "deflate", tile: true, tileWidth: 32, tileHeight: 32 })),
      await frames(3, "tiff"),
      await of(photo.clone().toColourspace("b-w").tiff({ bitdepth: 1, compression: "ccittfax4" })),
      await of(photo.clone().toColourspace("cmyk").tiff({ compression: "packbits" })),
      await of(photo.clone().tiff({ compression: "lzw", bigtiff: true })),
    ],
    gif: [await of(photo.clone().gif()), await frames(5, "gif")],
    avif: [
      await of(photo.clone().avif({ effort: 0 })),
      await of(alpha.clone().avif({ effort: 0, chromaSubsampling: "4:4:4" })),
    ],
    heic: [
      heifFile({ picture: yuv }),
      heifFile({ picture: yuv, grid: { columns: 2, rows: 2 }, turns: 1 }),
      heifFile({ picture: yuv, alpha: yuv }),
    ],
    bmp: bmpSeeds(),
  };
}

/** The painted picture with grain, so that nothing compresses to nothing. */
async function grainy(): Promise<Sharp> {
  const data = await painted(seedWidth, seedHeight).raw().toBuffer();
  const random = seededRandom(1);
  for (let at = 0; at < data.length; at += 1)
    data[at] = Math.min(255, Math.max(0, data[at]! + 16 * random() - 8));
  const raw = { width: seedWidth, height: seedHeight, channels: 3 } as const;
  return sharp(await sharp(data, { raw }).png().toBuffer());
}

/** BT.601, full range; chroma of every other pixel. */
async function toYuv(picture: Sharp): Promise<Yuv> {
  const rgb = await picture.clone().raw().toBuffer();
  const pixels = seedWidth * seedHeight;
  const y = new Uint16Array(pixels);
  const cb = new Uint16Array(pixels / 4);
  const cr = new Uint16Array(pixels / 4);
  for (let at = 0; at < pixels; at += 1) {
    const [r, g, b] = [rgb[3 * at]!, rgb[3 * at + 1]!, rgb[3 * at + 2]!];
    const luma = 0.299 * r + 0.587 * g + 0.114 * b;
    y[at] = luma;
    const [column, row] = [at % seedWidth, Math.floor(at / seedWidth)];
    const to = (row >> 1) * (seedWidth / 2) + (column >> 1);
    cb[to] = Math.min(255, 128 + (b - luma) * 0.564);
    cr[to] = Math.min(255, 128 + (r - luma) * 0.713);
  }
  return { width: seedWidth, height: seedHeight, bits: 8, y, cb, cr };
}

/** The same samples, said to be YCCK: the last byte of the Adobe segment names the transform. */
function asYcck(cmyk: Buffer): Buffer {
  const copy = Buffer.from(cmyk);
  copy[segmentAt(copy, 0xee) + 15] = 2;
  return copy;
}

function oneBitPng(): Buffer {
  const rowBytes = 1 + seedWidth / 8;
  const rows = Buffer.from(
    Array.from({ length: seedHeight * rowBytes }, (_, at) => (at % rowBytes === 0 ? 0 : (at * 37) & 255)),
  );
  return pngFile({ width: seedWidth, height: seedHeight, bits: 1, colour: 0, rows });
}

function bmpSeeds(): Buffer[] {
  const random = seededRandom(2);
  const bytes = (count: number) =>
    Buffer.from(Array.from({ length: count }, () => Math.floor(256 * random())));
  const size = { width: seedWidth, height: seedHeight };
  const pixels = seedWidth * seedHeight;
  const palette = Array.from({ length: 256 }, (_, at) => [at, 255 - at, (at * 7) & 255] as const);
  const runs = Buffer.concat(
    Array.from({ length: seedHeight }, () =>
      Buffer.concat([
        ...Array.from({ length: 8 }, () => Buffer.concat([Buffer.of(12), bytes(1)])),
        Buffer.of(0, 0),
      ]),
    ),
  );
  return [
    bmpFile({ ...size, bitsPerPixel: 24, pixels: bytes(3 * pixels) }),
    bmpFile({ ...size, bitsPerPixel: 8, palette, pixels: bytes(pixels) }),
    bmpFile({
      ...size,
      bitsPerPixel: 8,
      compression: 1,
      palette,
      pixels: Buffer.concat([runs, Buffer.of(0, 1)]),
    }),
    bmpFile({ ...size, bitsPerPixel: 4, palette: palette.slice(0, 16), pixels: bytes(pixels / 2) }),
    bmpFile({
      ...size,
      height: -seedHeight,
      bitsPerPixel: 32,
      compression: 3,
      headerBytes: 124,
      masks: [0xff0000, 0xff00, 0xff, 0xff000000],
      pixels: bytes(4 * pixels),
    }),
    bmpFile({ ...size, bitsPerPixel: 16, pixels: bytes(2 * pixels) }),
  ];
}
