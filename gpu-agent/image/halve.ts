import { invariant } from "#shared/domain/fault.ts";
import { mirror } from "./resample.ts";

/** A planar tensor of which only the top left `width` × `height` pixels count; both are even. */
export interface PlanarRegion {
  data: Float32Array;
  planes: number;
  /** Size of a whole plane. */
  planeWidth: number;
  planeHeight: number;
  width: number;
  height: number;
}

// The antialiased bicubic of `resample.ts` at the ratio 1/2: the same four weights on both sides of every sample.
const near = 111 / 256;
const second = 29 / 256;
const third = -9 / 256;
const far = -3 / 256;

/** The region read by one output sample begins this many samples before its pair. */
const reach = 3;

/**
 * Halves every plane by the antialiased bicubic, several times faster than the general `resize`. Only samples within
 * `reach` of the region's edge see it (mirrored): tiles that are halved one by one agree everywhere else with the
 * whole picture halved at once. Answers a planar tensor of half the region's size.
 */
export function halvePlanes({
  data,
  planes,
  planeWidth,
  planeHeight,
  width,
  height,
}: PlanarRegion): Float32Array {
  invariant(width % 2 === 0 && height % 2 === 0, "only even sizes are halved");
  const halfWidth = width / 2;
  const halfHeight = height / 2;
  const padded = new Float32Array(width + 2 * reach);
  const middle = new Float32Array(halfWidth * height);
  const result = new Float32Array(planes * halfWidth * halfHeight);
  for (let plane = 0; plane < planes; plane += 1) {
    for (let y = 0; y < height; y += 1) {
      const at = plane * planeWidth * planeHeight + y * planeWidth;
      padRow(data.subarray(at, at + width), padded);
      halveRow(padded, middle.subarray(y * halfWidth, (y + 1) * halfWidth));
    }
    for (let y = 0; y < halfHeight; y += 1) {
      const rows = (k: number): Float32Array => {
        const from = mirror(2 * y - reach + k, height) * halfWidth;
        return middle.subarray(from, from + halfWidth);
      };
      const at = (plane * halfHeight + y) * halfWidth;
      combineEight(rows, result.subarray(at, at + halfWidth));
    }
  }
  return result;
}

/** Copies a row between mirrored margins of `reach` samples. */
function padRow(row: Float32Array, padded: Float32Array): void {
  padded.set(row, reach);
  for (let k = 1; k <= reach; k += 1) {
    padded[reach - k] = row[mirror(-k, row.length)]!;
    padded[reach + row.length - 1 + k] = row[mirror(row.length - 1 + k, row.length)]!;
  }
}

function halveRow(padded: Float32Array, into: Float32Array): void {
  // Eight samples slide along in variables: each is loaded and converted once, which saves a third of the time.
  let a = padded[0]!;
  let b = padded[1]!;
  let c = padded[2]!;
  let d = padded[3]!;
  let e = padded[4]!;
  let f = padded[5]!;
  for (let i = 0, at = 6; i < into.length; i += 1, at += 2) {
    const g = padded[at]!;
    const h = padded[at + 1]!;
    into[i] = near * (d + e) + second * (c + f) + third * (b + g) + far * (a + h);
    a = c;
    b = d;
    c = e;
    d = f;
    e = g;
    f = h;
  }
}

function combineEight(rows: (k: number) => Float32Array, into: Float32Array): void {
  const [a, b, c, d] = [rows(0), rows(1), rows(2), rows(3)];
  const [e, f, g, h] = [rows(4), rows(5), rows(6), rows(7)];
  for (let i = 0; i < into.length; i += 1) {
    into[i] =
      near * (d[i]! + e[i]!) + second * (c[i]! + f[i]!) + third * (b[i]! + g[i]!) + far * (a[i]! + h[i]!);
  }
}
