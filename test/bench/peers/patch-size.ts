/**
 * The side of UpscalerJS's square patches that costs it the fewest computed pixels for a picture, none larger than the
 * tiles PhotoKeep takes, every patch with its full padding; undefined where the whole picture is one patch.
 */
export function choosePatch(
  { width, height }: { width: number; height: number },
  { patchPixelsMax, padding }: { patchPixelsMax: number; padding: number },
): number | undefined {
  if (width * height <= patchPixelsMax) return undefined;
  let best: number | undefined;
  let leastWork = Infinity;
  for (let patch = 4 * padding; patch ** 2 <= patchPixelsMax; patch += 1) {
    const columns = countPatches(width, { patch, padding });
    const rows = countPatches(height, { patch, padding });
    const work = columns * Math.min(patch, width) * rows * Math.min(patch, height);
    if (work >= leastWork) continue;
    best = patch;
    leastWork = work;
  }
  return best;
}

/**
 * Patches along one axis as UpscalerJS 1.0.0 lays them (`getPatchesFromImage`): the last one is pushed back into the
 * picture. Infinite where it would then begin less than the padding before what it is to show: a seam.
 */
function countPatches(length: number, { patch, padding }: { patch: number; padding: number }): number {
  if (patch >= length) return 1;
  let count = 0;
  let at = 0;
  while (at < length) {
    count += 1;
    if (at + patch > length) return at - (length - patch) < padding ? Infinity : count;
    at += at === 0 ? patch - padding : patch - 2 * padding;
  }
  return count;
}
