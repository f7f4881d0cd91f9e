import { invariant } from "#shared/domain/fault.ts";

/** Side of a block, as in JPEG. */
const SIDE = 8;
const AREA = SIDE * SIDE;

/** Distance between neighbouring blocks: sixteen of them hold a pixel. */
const STEP = 2;

interface BlockPass {
  readonly width: number;
  readonly height: number;
  /** Smaller coefficients count as nothing: 64 limits, row by row, horizontal frequencies first. The mean always stays. */
  readonly limits: Float32Array;
}

/**
 * Sets small coefficients to 0 in the cosine domain of overlapping blocks of 8 × 8 pixels and averages what the blocks
 * say of each pixel, so that no grid is left to be seen (R. Coifman and D. Donoho, "Translation-invariant de-noising",
 * 1995). A block counts the more the fewer coefficients are left of it (O. Guleryuz, "Weighted averaging for denoising
 * with overcomplete dictionaries", IEEE TIP 16, 2007). A pixel depends on none farther than seven away. The last blocks
 * of a row and of a column lie flush with the edge.
 * @param plane one channel of `width` × `height`, at least 8 × 8.
 * @returns a new plane of the same size.
 */
export function shrinkBlocks(plane: Float32Array, pass: BlockPass): Float32Array {
  const { width, height } = pass;
  invariant(width >= SIDE && height >= SIDE && plane.length === width * height, "the plane holds a block");
  const sums = new Float32Array(plane.length);
  const weights = new Float32Array(plane.length);
  for (let y = 0; ; y = Math.min(y + STEP, height - SIDE)) {
    addBlockRow(plane, { sums, weights, y }, pass);
    if (y === height - SIDE) break;
  }
  for (let i = 0; i < sums.length; i += 1) sums[i] = sums[i]! / weights[i]!;
  return sums;
}

function addBlockRow(
  plane: Float32Array,
  { sums, weights, y }: { sums: Float32Array; weights: Float32Array; y: number },
  { width, limits }: BlockPass,
): void {
  const block = new Float32Array(AREA);
  for (let x = 0; ; x = Math.min(x + STEP, width - SIDE)) {
    const corner = y * width + x;
    take(plane, corner, width, block);
    forward(block);
    const weight = dropSmall(block, limits);
    inverse(block);
    add(block, sums, corner, width, weight);
    addWeight(weights, corner, width, weight);
    if (x === width - SIDE) return;
  }
}

/** Answers the weight of what is left. */
function dropSmall(coefficients: Float32Array, limits: Float32Array): number {
  let left = 1;
  for (let i = 1; i < AREA; i += 1) {
    if (Math.abs(coefficients[i]!) < limits[i]!) coefficients[i] = 0;
    else left += 1;
  }
  return 1 / left;
}

function take(plane: Float32Array, corner: number, width: number, block: Float32Array): void {
  for (let row = 0, to = 0; row < SIDE; row += 1) {
    for (let from = corner + row * width, end = from + SIDE; from < end; from += 1, to += 1)
      block[to] = plane[from]!;
  }
}

function add(block: Float32Array, sums: Float32Array, corner: number, width: number, weight: number): void {
  for (let row = 0, from = 0; row < SIDE; row += 1) {
    for (let to = corner + row * width, end = to + SIDE; to < end; from += 1, to += 1)
      sums[to]! += weight * block[from]!;
  }
}

function addWeight(weights: Float32Array, corner: number, width: number, weight: number): void {
  for (let row = 0; row < SIDE; row += 1) {
    for (let to = corner + row * width, end = to + SIDE; to < end; to += 1) weights[to]! += weight;
  }
}

/** cos(k·π/16) / 2, the factors of the orthonormal DCT-II of eight values. */
const factor = (k: number): number => Math.cos((k * Math.PI) / 16) / 2;
const C1 = factor(1);
const C2 = factor(2);
const C3 = factor(3);
const C4 = factor(4);
const C5 = factor(5);
const C6 = factor(6);
const C7 = factor(7);

function forward(block: Float32Array): void {
  for (let at = 0; at < AREA; at += SIDE) forwardLine(block, at, 1);
  for (let at = 0; at < SIDE; at += 1) forwardLine(block, at, SIDE);
}

function inverse(block: Float32Array): void {
  for (let at = 0; at < SIDE; at += 1) inverseLine(block, at, SIDE);
  for (let at = 0; at < AREA; at += SIDE) inverseLine(block, at, 1);
}

/** Sums and differences of mirrored values halve the products of the DCT. */
function forwardLine(block: Float32Array, at: number, step: number): void {
  const v0 = block[at]!;
  const v1 = block[at + step]!;
  const v2 = block[at + 2 * step]!;
  const v3 = block[at + 3 * step]!;
  const v4 = block[at + 4 * step]!;
  const v5 = block[at + 5 * step]!;
  const v6 = block[at + 6 * step]!;
  const v7 = block[at + 7 * step]!;
  const s0 = v0 + v7;
  const s1 = v1 + v6;
  const s2 = v2 + v5;
  const s3 = v3 + v4;
  const d0 = v0 - v7;
  const d1 = v1 - v6;
  const d2 = v2 - v5;
  const d3 = v3 - v4;
  block[at] = C4 * (s0 + s1 + s2 + s3);
  block[at + step] = C1 * d0 + C3 * d1 + C5 * d2 + C7 * d3;
  block[at + 2 * step] = C2 * (s0 - s3) + C6 * (s1 - s2);
  block[at + 3 * step] = C3 * d0 - C7 * d1 - C1 * d2 - C5 * d3;
  block[at + 4 * step] = C4 * (s0 - s1 - s2 + s3);
  block[at + 5 * step] = C5 * d0 - C1 * d1 + C7 * d2 + C3 * d3;
  block[at + 6 * step] = C6 * (s0 - s3) - C2 * (s1 - s2);
  block[at + 7 * step] = C7 * d0 - C5 * d1 + C3 * d2 - C1 * d3;
}

function inverseLine(block: Float32Array, at: number, step: number): void {
  const f0 = C4 * block[at]!;
  const f1 = block[at + step]!;
  const f2 = block[at + 2 * step]!;
  const f3 = block[at + 3 * step]!;
  const f4 = C4 * block[at + 4 * step]!;
  const f5 = block[at + 5 * step]!;
  const f6 = block[at + 6 * step]!;
  const f7 = block[at + 7 * step]!;
  const high = C2 * f2 + C6 * f6;
  const low = C6 * f2 - C2 * f6;
  const e0 = f0 + f4 + high;
  const e1 = f0 - f4 + low;
  const e2 = f0 - f4 - low;
  const e3 = f0 + f4 - high;
  const o0 = C1 * f1 + C3 * f3 + C5 * f5 + C7 * f7;
  const o1 = C3 * f1 - C7 * f3 - C1 * f5 - C5 * f7;
  const o2 = C5 * f1 - C1 * f3 + C7 * f5 + C3 * f7;
  const o3 = C7 * f1 - C5 * f3 + C3 * f5 - C1 * f7;
  block[at] = e0 + o0;
  block[at + step] = e1 + o1;
  block[at + 2 * step] = e2 + o2;
  block[at + 3 * step] = e3 + o3;
  block[at + 4 * step] = e3 - o3;
  block[at + 5 * step] = e2 - o2;
  block[at + 6 * step] = e1 - o1;
  block[at + 7 * step] = e0 - o0;
}
