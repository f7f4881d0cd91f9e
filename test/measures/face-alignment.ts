import { bicubic, resize, type FloatPicture } from "#agent/image/resample.ts";
import type { FacePoints } from "./face-points.ts";
import { asColour, levelsOf, type MemoryPicture } from "./memory-picture.ts";

/** Where the five points of a face lie in the 112 × 112 pixels that ArcFace's descendants are shown. */
const template: FacePoints = [
  [38.2946, 51.6963],
  [73.5318, 51.5014],
  [56.0252, 71.7366],
  [41.5493, 92.3655],
  [70.7299, 92.2041],
];
/** Both sides of an aligned face. */
export const alignedSide = 112;

/**
 * The face as 112 × 112 pixels, RGB in 0..255, turned, scaled and moved so that its points come as near to the
 * template's as they can (S. Umeyama, IEEE TPAMI 13:4, 1991). Large faces are reduced with antialiasing first.
 */
export function alignFace(picture: MemoryPicture, points: FacePoints): FloatPicture {
  const [from, to] = [centroid(points), centroid(template)];
  let cos = 0;
  let sin = 0;
  let spread = 0;
  for (const [i, [pointX, pointY]] of points.entries()) {
    const [x, y] = [pointX - from[0], pointY - from[1]];
    const [u, v] = [template[i]![0] - to[0], template[i]![1] - to[1]];
    cos += x * u + y * v;
    sin += x * v - y * u;
    spread += x * x + y * y;
  }
  const scale = Math.hypot(cos, sin) / spread;
  const shrink = Math.min(1, scale);
  const side = (length: number): number => Math.max(1, Math.round(length * shrink));
  const source = resize(
    { ...picture, data: levelsOf(asColour(picture)), channels: 3 },
    { width: side(picture.width), height: side(picture.height) },
    bicubic,
  );
  const [across, down] = [source.width / picture.width, source.height / picture.height];
  const [right, aside] = [cos / (spread * scale * scale), sin / (spread * scale * scale)];
  const data = new Float32Array(alignedSide * alignedSide * 3);
  for (let v = 0; v < alignedSide; v += 1) {
    for (let u = 0; u < alignedSide; u += 1) {
      // The transform turned around: a turn's inverse is its transpose over the squared scale.
      const x = from[0] + right * (u - to[0]) + aside * (v - to[1]);
      const y = from[1] - aside * (u - to[0]) + right * (v - to[1]);
      const place = { x: (x + 0.5) * across - 0.5, y: (y + 0.5) * down - 0.5 };
      sampleBetween(source, place, data.subarray((v * alignedSide + u) * 3));
    }
  }
  return { data, width: alignedSide, height: alignedSide, channels: 3 };
}

function centroid(points: FacePoints): [number, number] {
  const mean = (axis: 0 | 1): number => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  return [mean(0), mean(1)];
}

/** Bilinear; outside, the nearest pixel of the edge. */
function sampleBetween(
  { data, width, height }: FloatPicture,
  place: { x: number; y: number },
  into: Float32Array,
): void {
  const x = Math.min(width - 1, Math.max(0, place.x));
  const y = Math.min(height - 1, Math.max(0, place.y));
  const [left, above] = [Math.floor(x), Math.floor(y)];
  const [right, below] = [Math.min(width - 1, left + 1), Math.min(height - 1, above + 1)];
  for (let channel = 0; channel < 3; channel += 1) {
    const at = (column: number, row: number): number => data[(row * width + column) * 3 + channel]!;
    const upper = at(left, above) + (x - left) * (at(right, above) - at(left, above));
    const lower = at(left, below) + (x - left) * (at(right, below) - at(left, below));
    into[channel] = upper + (y - above) * (lower - upper);
  }
}
