import type { Face } from "#shared/domain/analysis.ts";

const STRIDES = [8, 16, 32] as const;
const SCORE_MIN = 0.6;
/** e^4 cells: no face is larger than the network sees. */
const SIZE_LOG_MAX = 4;

/**
 * The boxes of YuNet (libfacedetection's decoder): per stride S one answer a cell, with score √(cls · obj), centre
 * ((column + b0) S, (row + b1) S) and size (e^b2 S, e^b3 S). In pixels of the tensor, overlapping ones included.
 * @param size of the tensor; both sides multiples of 32.
 */
export function decodeYunet(
  outputs: Readonly<Record<string, Float32Array>>,
  size: { width: number; height: number },
): Face[] {
  return STRIDES.flatMap((stride) => {
    const columns = size.width / stride;
    const [classes, objects, boxes] = ["cls", "obj", "bbox"].map((name) => outputs[`${name}_${stride}`]);
    const found: Face[] = [];
    if (classes === undefined || objects === undefined || boxes === undefined) return found;
    for (let cell = 0; cell < classes.length; cell += 1) {
      const score = Math.sqrt(clamp(classes[cell]!) * clamp(objects[cell]!));
      if (!(score >= SCORE_MIN)) continue;
      const [dx, dy, logWidth, logHeight] = boxes.subarray(cell * 4, cell * 4 + 4) as unknown as [
        number,
        number,
        number,
        number,
      ];
      const width = Math.exp(Math.min(SIZE_LOG_MAX, logWidth)) * stride;
      const height = Math.exp(Math.min(SIZE_LOG_MAX, logHeight)) * stride;
      const x = ((cell % columns) + dx) * stride - width / 2;
      const y = (Math.floor(cell / columns) + dy) * stride - height / 2;
      if (Number.isFinite(x + y + width + height)) found.push({ x, y, width, height, score });
    }
    return found;
  });
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}
