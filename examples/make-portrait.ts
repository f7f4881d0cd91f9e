import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import sharp from "sharp";

/**
 * Makes the example: takes a sound portrait and ages it the way prints age, so that a restoration can be compared with
 * the truth. Everything is drawn from one seed; the same picture comes out every time.
 *
 *     node examples/make-portrait.ts
 */

/** Interleaved RGB, 0..1. */
type Picture = { width: number; height: number; data: Float32Array };

const seed = 1969;
/** Where black and white of each channel lie after fading: contrast .8, lifted blacks, yellowed whites. */
const fadedBlack = [0.15, 0.12, 0.09] as const;
const fadedWhite = [0.94, 0.9, 0.83] as const;
const grainSigma = 0.025;
const scratches = 5;
const specks = 12;
const jpegQuality = 75;

const source = fileURLToPath(new URL("../../shared/photos/free/astronaut.png", import.meta.url));
const original = fileURLToPath(new URL("portrait.original.png", import.meta.url));
const portrait = fileURLToPath(new URL("portrait.jpg", import.meta.url));

if (existsSync(source)) {
  await sharp(source).removeAlpha().png({ compressionLevel: 9, adaptiveFiltering: true }).toFile(original);
}
const random = randomNumbers(seed);
const picture = halved(await readPicture(original));
addGrain(picture, random);
fade(picture);
for (let count = 0; count < scratches; count++) scratch(picture, random);
for (let count = 0; count < specks; count++) speck(picture, random);
await writePicture(picture, portrait);

async function readPicture(path: string): Promise<Picture> {
  const { data, info } = await sharp(path).toColourspace("srgb").removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: Float32Array.from(data, (level) => level / 255) };
}

async function writePicture(picture: Picture, path: string): Promise<void> {
  const bytes = Uint8Array.from(picture.data, (level) => Math.round(Math.min(1, Math.max(0, level)) * 255));
  const raw = { width: picture.width, height: picture.height, channels: 3 } as const;
  await sharp(bytes, { raw }).jpeg({ quality: jpegQuality }).toFile(path);
}

/** The mean of every two by two pixels. */
function halved(picture: Picture): Picture {
  const width = Math.floor(picture.width / 2);
  const height = Math.floor(picture.height / 2);
  const data = new Float32Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        const at = (row: number, column: number) =>
          picture.data[((2 * y + row) * picture.width + 2 * x + column) * 3 + channel] ?? 0;
        data[(y * width + x) * 3 + channel] = (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)) / 4;
      }
    }
  }
  return { width, height, data };
}

/** Film grain: the same in all channels, as silver or dye clouds darken all layers together, with a little of its own. */
function addGrain(picture: Picture, random: () => number): void {
  for (let at = 0; at < picture.data.length; at += 3) {
    const common = 0.9 * normal(random);
    for (let channel = 0; channel < 3; channel++) {
      picture.data[at + channel]! += grainSigma * (common + 0.436 * normal(random));
    }
  }
}

function fade(picture: Picture): void {
  for (let at = 0; at < picture.data.length; at += 3) {
    for (const channel of [0, 1, 2] as const) {
      const level = picture.data[at + channel]!;
      picture.data[at + channel] = fadedBlack[channel] + (fadedWhite[channel] - fadedBlack[channel]) * level;
    }
  }
}

/** A thin, slightly bent, bright line, steep as the marks of handling are. */
function scratch(picture: Picture, random: () => number): void {
  const top = random() * 0.7 * picture.height;
  const length = (0.15 + 0.45 * random()) * picture.height;
  const x = random() * picture.width;
  const slope = (random() - 0.5) * 0.5;
  const bend = (random() - 0.5) * 0.002;
  const strength = 0.5 + 0.4 * random();
  for (let down = 0; down < length && top + down < picture.height; down++) {
    const centre = x + slope * down + bend * down * down;
    for (let column = Math.floor(centre) - 1; column <= Math.ceil(centre) + 1; column++) {
      lighten(picture, column, Math.floor(top + down), strength * Math.max(0, 1 - Math.abs(column - centre)));
    }
  }
}

/** A round spot of dust, one to two pixels in radius. */
function speck(picture: Picture, random: () => number): void {
  const x = random() * picture.width;
  const y = random() * picture.height;
  const radius = 0.8 + random();
  for (let row = Math.floor(y - radius - 1); row <= y + radius + 1; row++) {
    for (let column = Math.floor(x - radius - 1); column <= x + radius + 1; column++) {
      lighten(picture, column, row, 0.8 * Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(column - x, row - y))));
    }
  }
}

/** Mixes a pixel with the bare paper. */
function lighten(picture: Picture, x: number, y: number, share: number): void {
  if (x < 0 || y < 0 || x >= picture.width || y >= picture.height) return;
  const paper = [0.97, 0.95, 0.9] as const;
  for (const channel of [0, 1, 2] as const) {
    const at = (y * picture.width + x) * 3 + channel;
    picture.data[at] = picture.data[at]! * (1 - share) + paper[channel] * share;
  }
}

/** Uniform numbers in 0..1 (mulberry32). */
function randomNumbers(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Standard normal numbers (Box and Muller). */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
