import type { Face } from "#shared/domain/analysis.ts";

/** As many as the analysis keeps. */
const FACES_MAX = 200;

/** The share of the two boxes' union that both cover, 0..1. */
export function overlap(a: Face, b: Face): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  const both = width * height;
  return both / (a.width * a.height + b.width * b.height - both);
}

/** Of boxes that overlap by more than `overlapMax` the one of the highest score; best first, at most 200. */
export function bestFaces(found: readonly Face[], overlapMax: number): Face[] {
  const kept: Face[] = [];
  for (const face of found.toSorted((a, b) => b.score - a.score)) {
    if (kept.length === FACES_MAX) break;
    if (kept.every((other) => overlap(face, other) <= overlapMax)) kept.push(face);
  }
  return kept;
}

/** From the detector's pixels to the picture's, cut at its edges; what lies outside is dropped. */
export function placeFaces(
  faces: readonly Face[],
  ask: { scale: number; picture: { width: number; height: number } },
): Face[] {
  const { scale, picture } = ask;
  return faces.flatMap((face) => {
    const left = Math.max(0, face.x * scale);
    const top = Math.max(0, face.y * scale);
    const right = Math.min(picture.width, (face.x + face.width) * scale);
    const bottom = Math.min(picture.height, (face.y + face.height) * scale);
    if (right - left < 1 || bottom - top < 1) return [];
    return [{ x: left, y: top, width: right - left, height: bottom - top, score: face.score }];
  });
}
