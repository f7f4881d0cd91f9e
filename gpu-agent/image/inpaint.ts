import { invariant } from "#shared/domain/fault.ts";
import type { Mask } from "./morphology.ts";

/** How far from a pixel its known surroundings are looked at. */
const RADIUS = 4;
/** A hole is filled to this depth; what lies deeper stays as it is. */
const DEPTH = 12;
/** A filled pixel depends on nothing farther away: each layer looks at the ones outside of it. */
export const INPAINT_REACH = DEPTH * RADIUS;

/** In place of a layer: not reached yet. */
const OPEN = 255;

/**
 * Fills marked pixels from their surroundings, layer by layer inwards: each is the mean of what is known around it, near
 * pixels counting most. The marching of A. Telea, "An image inpainting technique based on the fast marching method",
 * J. Graphics Tools 9, 2004, with whole layers in the place of its front, so that a pixel depends on its neighbourhood
 * alone and bands of a picture can be filled one by one; and with his weight of distance only, squared: on scratches of
 * Kodak pictures it came nearest to the truth. Pixels that are not marked are not touched.
 * @param planes any number of planes of the mask's size, changed in place.
 * @param mask marked where it is not 0.
 * @returns which pixels were filled: the layer of each, 0 for the others.
 */
export function inpaint(planes: readonly Float32Array[], mask: Mask): Uint8Array {
  const { width, height } = mask;
  const count = width * height;
  invariant(
    planes.every((plane) => plane.length === count),
    "mask and planes have one size",
  );
  const layers = Uint8Array.from(mask.data, (level) => (level === 0 ? 0 : OPEN));
  let open: number[] = [];
  for (let at = 0; at < count; at += 1) if (layers[at] === OPEN) open.push(at);
  for (let layer = 1; layer <= DEPTH && open.length > 0; layer += 1) {
    const rim = open.filter((at) => touches(layers, at, { width, height, layer }));
    for (const at of rim) layers[at] = layer;
    for (const at of rim) fill(planes, at, { layers, width, height });
    open = open.filter((at) => layers[at] === OPEN);
  }
  for (const at of open) layers[at] = 0;
  return layers;
}

/** Whether a pixel of an outer layer lies beside it. Beyond the edge of the picture nothing is known. */
function touches(
  layers: Uint8Array,
  at: number,
  { width, height, layer }: { width: number; height: number; layer: number },
): boolean {
  const x = at % width;
  const y = (at - x) / width;
  for (let j = Math.max(0, y - 1); j <= Math.min(height - 1, y + 1); j += 1) {
    for (let i = Math.max(0, x - 1); i <= Math.min(width - 1, x + 1); i += 1) {
      if (layers[j * width + i]! < layer) return true;
    }
  }
  return false;
}

const SIDE = 2 * RADIUS + 1;
/** 1 / distance⁴ within the radius. */
const NEARNESS = Float32Array.from({ length: SIDE * SIDE }, (_, i) => {
  const squared = ((i % SIDE) - RADIUS) ** 2 + (Math.floor(i / SIDE) - RADIUS) ** 2;
  return squared === 0 || squared > RADIUS * RADIUS ? 0 : 1 / (squared * squared);
});

function fill(
  planes: readonly Float32Array[],
  at: number,
  { layers, width, height }: { layers: Uint8Array; width: number; height: number },
): void {
  const x = at % width;
  const y = (at - x) / width;
  const own = layers[at]!;
  const left = Math.max(0, x - RADIUS);
  const right = Math.min(width - 1, x + RADIUS);
  const sums = planes.map(() => 0);
  let weights = 0;
  for (let j = Math.max(0, y - RADIUS); j <= Math.min(height - 1, y + RADIUS); j += 1) {
    const near = (j - y + RADIUS) * SIDE + RADIUS - x;
    for (let i = left; i <= right; i += 1) {
      const from = j * width + i;
      if (layers[from]! >= own) continue;
      const weight = NEARNESS[near + i]!;
      weights += weight;
      for (let p = 0; p < sums.length; p += 1) sums[p]! += weight * planes[p]![from]!;
    }
  }
  for (let p = 0; p < sums.length; p += 1) planes[p]![at] = sums[p]! / weights;
}
