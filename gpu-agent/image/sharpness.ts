import type { Pixels } from "./pixel-sample.ts";

/** An edge is looked at over this many steps to either side of its steepest one. */
const reach = 4;
const steps = 2 * reach + 1;
/** The least an edge must rise, in 0..1, and how far above the grain. */
const riseMin = 0.08;
const risePerNoise = 8;
/** With fewer edges there is nothing to judge by. */
const edgesMin = 50;
/** The sharpest quarter of the edges begins here: a shallow depth of field is no blur. */
const edgeShare = 0.75;
/** The share of its rise that a crisp edge makes in one step: what good photographs have at full size. */
const crispShare = 0.7;

/**
 * Measures how sharp the sharpest edges are, 0..1, on full-resolution tiles. Every clear edge of the luma, along rows and
 * columns, makes a share of its rise in its steepest step: all of it when it is perfectly sharp, a ninth when it is blurred
 * over the whole window. The upper quartile of these shares is scaled so that 0 is that ninth and 1 a crisp photograph:
 * a Gaussian blur of one pixel leaves about .6, of two .25, of four .07. 0 also where no edge is clear.
 *
 * @param noise the standard deviation of the grain, 0..1: edges must rise well above it.
 */
export function measureSharpness(tiles: readonly Pixels[], noise: number): number {
  const riseNeeded = Math.max(riseMin, risePerNoise * noise);
  const shares: number[] = [];
  for (const tile of tiles) {
    const luma = lumaOf(tile);
    for (let y = 0; y < tile.height; y++) {
      edgesAlong({ luma, from: y * tile.width, step: 1, count: tile.width }, riseNeeded, shares);
    }
    for (let x = 0; x < tile.width; x++) {
      edgesAlong({ luma, from: x, step: tile.width, count: tile.height }, riseNeeded, shares);
    }
  }
  if (shares.length < edgesMin) return 0;
  const share = Float32Array.from(shares).sort()[Math.floor(edgeShare * shares.length)]!;
  return Math.min(1, Math.max(0, (share - 1 / steps) / (crispShare - 1 / steps)));
}

/** A row or a column: `count` values of `luma` from place `from`, `step` places apart. */
type Line = { luma: Float32Array; from: number; step: number; count: number };

/** Adds the share of every edge whose steepest step is in the middle of its window. */
function edgesAlong(line: Line, riseNeeded: number, shares: number[]): void {
  const { luma, from, step, count } = line;
  for (let middle = reach; middle + reach + 1 < count; middle++) {
    const at = from + middle * step;
    const steepest = Math.abs(luma[at + step]! - luma[at]!);
    if (steepest * steps < riseNeeded) continue;
    const rise = riseAround(line, at, steepest);
    if (rise >= riseNeeded) shares.push(steepest / rise);
  }
}

/** How far the levels of the window around `at` lie apart; 0 where one of its steps is steeper than the middle one. */
function riseAround({ luma, step }: Line, at: number, steepest: number): number {
  let level = luma[at - reach * step]!;
  let lowest = level;
  let highest = level;
  const end = at + (reach + 1) * step;
  for (let next = at + (1 - reach) * step; next <= end; next += step) {
    const before = level;
    level = luma[next]!;
    if (Math.abs(level - before) > steepest) return 0;
    if (level < lowest) lowest = level;
    else if (level > highest) highest = level;
  }
  return highest - lowest;
}

function lumaOf({ width, height, data }: Pixels): Float32Array {
  const luma = new Float32Array(width * height);
  for (let pixel = 0, at = 0; pixel < luma.length; pixel += 1, at += 3) {
    luma[pixel] = 0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!;
  }
  return luma;
}
