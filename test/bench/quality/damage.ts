import type { FloatPicture } from "#agent/image/resample.ts";

/** A print that is being damaged: RGB in 0..1, and where it was touched. */
export interface Print extends FloatPicture {
  /** One byte a pixel: 0 where nothing was done, else 1 for a scratch, 2 for dust, 3 for a stain. */
  readonly mask: Uint8Array;
}

const SCRATCH = 1;
const SPECK = 2;
const STAIN = 3;

/** Bare paper, and what dirty water leaves of the light. */
const paper = [0.97, 0.95, 0.9] as const;
const dirt = [0.82, 0.72, 0.55] as const;
/** Fainter than this a pixel counts as untouched, and is. */
const shareMin = 0.02;
/** The edge of a stain is this share darker than its inside: that is where the dirt dries. */
const rim = 0.35;

/** A thin, slightly bent, bright line, steep as the marks of handling are. */
export function addScratch(print: Print, random: () => number): void {
  const top = random() * 0.7 * print.height;
  const length = (0.15 + 0.45 * random()) * print.height;
  const x = random() * print.width;
  const slope = (random() - 0.5) * 0.5;
  const bend = (random() - 0.5) * 0.002;
  const strength = 0.5 + 0.4 * random();
  for (let down = 0; down < length && top + down < print.height; down += 1) {
    const centre = x + slope * down + bend * down * down;
    for (let column = Math.floor(centre) - 1; column <= Math.ceil(centre) + 1; column += 1) {
      const share = strength * Math.max(0, 1 - Math.abs(column - centre));
      lighten(print, { x: column, y: Math.floor(top + down), share, kind: SCRATCH });
    }
  }
}

/** A round spot of dust, one to two pixels in radius. */
export function addSpeck(print: Print, random: () => number): void {
  const x = random() * print.width;
  const y = random() * print.height;
  const radius = 0.8 + random();
  for (let row = Math.floor(y - radius - 1); row <= y + radius + 1; row += 1) {
    for (let column = Math.floor(x - radius - 1); column <= x + radius + 1; column += 1) {
      const covered = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(column - x, row - y)));
      lighten(print, { x: column, y: row, share: 0.8 * covered, kind: SPECK });
    }
  }
}

/** A brown blot with a wavy, darker edge, its radius 3 to 6 % of the longer side. */
export function addStain(print: Print, random: () => number): void {
  const x = random() * print.width;
  const y = random() * print.height;
  const radius = (0.03 + 0.03 * random()) * Math.max(print.width, print.height);
  const strength = 0.4 + 0.3 * random();
  const waves = [2, 3, 5].map((count) => ({ count, phase: 2 * Math.PI * random(), height: 0.3 / count }));
  const reach = Math.ceil(1.5 * radius);
  for (let row = Math.floor(y) - reach; row <= y + reach; row += 1) {
    for (let column = Math.floor(x) - reach; column <= x + reach; column += 1) {
      const angle = Math.atan2(row - y, column - x);
      let edge = radius;
      for (const { count, phase, height } of waves) edge *= 1 + height * Math.sin(count * angle + phase);
      // 0 at the edge, growing inwards, in units of a soft edge of 15 % of the radius.
      const depth = (edge - Math.hypot(column - x, row - y)) / (0.15 * radius);
      const inside = Math.min(1, Math.max(0, depth));
      const share = strength * inside * (1 + rim * Math.exp(-((depth - 1) ** 2)));
      darken(print, { x: column, y: row, share: Math.min(1, share), kind: STAIN });
    }
  }
}

interface Touch {
  readonly x: number;
  readonly y: number;
  /** How much of the pixel is touched, 0..1. */
  readonly share: number;
  readonly kind: number;
}

/** Mixes a pixel with the bare paper. */
function lighten(print: Print, touch: Touch): void {
  change(print, touch, (level, channel) => level + touch.share * (paper[channel]! - level));
}

/** Takes light away from a pixel. */
function darken(print: Print, touch: Touch): void {
  change(print, touch, (level, channel) => level * (1 - touch.share * (1 - dirt[channel]!)));
}

function change(
  { data, mask, width, height }: Print,
  { x, y, share, kind }: Touch,
  level: (before: number, channel: number) => number,
): void {
  if (x < 0 || y < 0 || x >= width || y >= height || share < shareMin) return;
  const pixel = y * width + x;
  mask[pixel] = kind;
  for (let channel = 0; channel < 3; channel += 1) {
    data[pixel * 3 + channel] = level(data[pixel * 3 + channel]!, channel);
  }
}
