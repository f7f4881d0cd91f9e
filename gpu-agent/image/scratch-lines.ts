import { invariant } from "#shared/domain/fault.ts";
import { boxBlur } from "./box-blur.ts";
import { describeComponents, type Component } from "./components.ts";

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Directions that are tried, evenly over half a turn. */
const DIRECTIONS = 16;
/** A line is averaged over twice this, plus one. */
const HALF_LENGTH = 8;
/** A line is compared with its parallels at these distances on both sides. */
const SIDES = [4, 6] as const;
/** How busy the surroundings are is averaged over twice this, plus one; a busier place counts as this busy at most. */
const BUSY_RADIUS = 20;
const BUSY_MAX = 0.06;
/** Room around the picture: its edge repeated. */
const MARGIN = HALF_LENGTH + SIDES[1];

/** Least contrast of a line to both sides, 0..1; the same in multiples of what is usual around; its least length, pixels. */
const CONTRAST_MIN = 0.25;
const SALIENCE_MIN = 9;
const LENGTH_MIN = 32;
/** A line is found where this much around it lies in the tile: what a pixel looks at, and the shortest line. */
export const SCRATCH_LINES_REACH = MARGIN + BUSY_RADIUS + LENGTH_MIN;
/** Thicker lines are things. */
const THICKNESS_MAX = 7;
const SLENDERNESS_MIN = 5;
/** A line is followed into pixels of this share of the contrast and salience, and is on average of that share. */
const FOLLOW_SHARE = 0.4;
const OWN_SHARE = 0.35;
const MEAN_SHARE = 0.7;
/** The two sides may differ by this, and by this share of the contrast: beside an edge there is no line. */
const SIDES_MAY_DIFFER = 0.02;
const SIDES_SHARE = 0.7;

/**
 * Finds long thin lines that stand out bright from a calm surrounding, as scratches do that bare the paper, by comparing
 * the mean along a short line of each direction with the means along its parallels at both sides. Texture averages out
 * along the line, an edge has only one side that differs, and a thing is wider.
 * @param luma Y of `width` × `height`, 0..1.
 * @returns 1 on the lines, 0 elsewhere.
 */
export function findScratchLines(luma: Float32Array, size: Size): Float32Array {
  const { width, height } = size;
  invariant(luma.length === width * height, "the plane has the picture's size");
  const contrasts = measureLines(luma, size);
  const { data: busy } = boxBlur({ data: contrasts.busy, ...size, channels: 1 }, BUSY_RADIUS);
  return trace(contrasts, busy, size);
}

interface LineContrasts {
  /** Of the best direction through a pixel; 0 where there is none. */
  readonly bright: Float32Array;
  /** Of the pixel itself, to the sides of that direction. */
  readonly own: Float32Array;
  /** Mean contrast over all directions, of lines brighter or darker than their sides. */
  readonly busy: Float32Array;
}

function measureLines(luma: Float32Array, size: Size): LineContrasts {
  const plane = (): Float32Array => new Float32Array(luma.length);
  const best: LineContrasts = { bright: plane(), own: plane(), busy: plane() };
  const framed = frame(luma, size);
  const wide = { width: size.width + 2 * MARGIN, height: size.height + 2 * MARGIN };
  const means = new Float32Array(framed.length);
  for (let direction = 0; direction < DIRECTIONS; direction += 1) {
    const angle = (direction * Math.PI) / DIRECTIONS;
    const along = { x: Math.cos(angle), y: Math.sin(angle) };
    means.fill(0);
    for (let t = -HALF_LENGTH; t <= HALF_LENGTH; t += 1) {
      addShifted(means, framed, Math.round(t * along.y) * wide.width + Math.round(t * along.x));
    }
    const side = (distance: number): number =>
      Math.round(distance * along.x) * wide.width - Math.round(distance * along.y);
    compareSides(luma, means, {
      size,
      best,
      left: [side(SIDES[0]), side(SIDES[1])],
      right: [side(-SIDES[0]), side(-SIDES[1])],
    });
  }
  for (let i = 0; i < best.busy.length; i += 1) best.busy[i] = Math.min(BUSY_MAX, best.busy[i]! / DIRECTIONS);
  return best;
}

/** The plane with its edge pixels repeated outwards. */
function frame(luma: Float32Array, { width, height }: Size): Float32Array {
  const wide = width + 2 * MARGIN;
  const framed = new Float32Array(wide * (height + 2 * MARGIN));
  for (let y = 0; y < height + 2 * MARGIN; y += 1) {
    const from = Math.min(height - 1, Math.max(0, y - MARGIN)) * width;
    const to = y * wide;
    framed.set(luma.subarray(from, from + width), to + MARGIN);
    framed.fill(luma[from]!, to, to + MARGIN);
    framed.fill(luma[from + width - 1]!, to + MARGIN + width, to + wide);
  }
  return framed;
}

const SHARE = 1 / (2 * HALF_LENGTH + 1);

function addShifted(sums: Float32Array, from: Float32Array, shift: number): void {
  const first = Math.max(0, -shift);
  const last = Math.min(sums.length, sums.length - shift);
  for (let i = first; i < last; i += 1) sums[i]! += SHARE * from[i + shift]!;
}

interface SideAsk {
  readonly size: Size;
  readonly best: LineContrasts;
  /** Distances in the framed plane to the near and the far parallel of each side. */
  readonly left: readonly [number, number];
  readonly right: readonly [number, number];
}

function compareSides(
  luma: Float32Array,
  means: Float32Array,
  { size, best: { bright, own, busy }, left, right }: SideAsk,
): void {
  const wide = size.width + 2 * MARGIN;
  for (let y = 0, at = 0; y < size.height; y += 1) {
    for (let from = (y + MARGIN) * wide + MARGIN, end = from + size.width; from < end; from += 1, at += 1) {
      const line = means[from]!;
      const a = means[from + left[0]]!;
      const b = means[from + right[0]]!;
      busy[at]! += Math.max(0, line - Math.max(a, b), Math.min(a, b) - line);
      const most = Math.max(a, b, means[from + left[1]]!, means[from + right[1]]!);
      const contrast = line - most;
      if (contrast > bright[at]! && Math.abs(a - b) - SIDES_MAY_DIFFER < SIDES_SHARE * contrast) {
        bright[at] = contrast;
        own[at] = luma[at]! - most;
      }
    }
  }
}

/** Gathers the pixels of strong contrast into lines and keeps the long and thin ones. */
function trace({ bright, own }: LineContrasts, busy: Float32Array, size: Size): Float32Array {
  const candidates = new Uint8Array(bright.length);
  for (let i = 0; i < candidates.length; i += 1) {
    const isOn =
      bright[i]! > FOLLOW_SHARE * Math.max(CONTRAST_MIN, SALIENCE_MIN * busy[i]!) &&
      own[i]! > OWN_SHARE * CONTRAST_MIN;
    if (isOn) candidates[i] = 1;
  }
  const kept = new Float32Array(bright.length);
  describeComponents(candidates, size, (line, pixels) => {
    if (!isLine(line)) return;
    const contrast = meanOver(bright, pixels);
    if (contrast < MEAN_SHARE * Math.max(CONTRAST_MIN, SALIENCE_MIN * meanOver(busy, pixels))) return;
    for (const at of pixels) kept[at] = 1;
  });
  return kept;
}

function isLine({ area, length }: Component): boolean {
  const thickness = area / length;
  return length >= LENGTH_MIN && thickness <= THICKNESS_MAX && length / thickness >= SLENDERNESS_MIN;
}

function meanOver(plane: Float32Array, pixels: Int32Array): number {
  let sum = 0;
  for (let i = 0; i < pixels.length; i += 1) sum += plane[pixels[i]!]!;
  return sum / pixels.length;
}
