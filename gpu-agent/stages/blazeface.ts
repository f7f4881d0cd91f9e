import type { Face } from "#shared/domain/analysis.ts";

const SIDE = 256;
/** Two layers of cells: their stride in pixels, and how many anchors lie in each cell. */
const LAYERS = [
  { stride: 16, anchors: 2 },
  { stride: 32, anchors: 6 },
] as const;
/** Box and six points. */
const BOX_VALUES = 16;
const SCORE_MIN = 0.5;

/**
 * The boxes of BlazeFace, back camera (Bazarevsky et al. 2019; anchors as in the human library): a logit per anchor,
 * and a box whose centre is relative to the anchor's cell. In pixels of its 256 × 256 input, overlapping ones included.
 * Outputs are told apart by their length, because the graph's names say nothing.
 */
export function decodeBlazeface(outputs: Readonly<Record<string, Float32Array>>): Face[] {
  const byLength = new Map(Object.values(outputs).map((output) => [output.length, output]));
  return LAYERS.flatMap(({ stride, anchors }) => {
    const columns = SIDE / stride;
    const count = columns * columns * anchors;
    const scores = byLength.get(count);
    const boxes = byLength.get(count * BOX_VALUES);
    const found: Face[] = [];
    if (scores === undefined || boxes === undefined) return found;
    for (let anchor = 0; anchor < count; anchor += 1) {
      const score = 1 / (1 + Math.exp(-scores[anchor]!));
      if (!(score >= SCORE_MIN)) continue;
      const cell = Math.floor(anchor / anchors);
      const at = anchor * BOX_VALUES;
      const width = boxes[at + 2]!;
      const height = boxes[at + 3]!;
      const x = ((cell % columns) + 0.5) * stride + boxes[at]! - width / 2;
      const y = (Math.floor(cell / columns) + 0.5) * stride + boxes[at + 1]! - height / 2;
      if (Number.isFinite(x + y) && width > 0 && height > 0) found.push({ x, y, width, height, score });
    }
    return found;
  });
}
