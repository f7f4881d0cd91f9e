import { bicubic, resize } from "#agent/image/resample.ts";
import type { Model } from "#agent/stages/stage.ts";
import { asColour, levelsOf, type MemoryPicture } from "./memory-picture.ts";

/** x and y in pixels: right eye, left eye, nose, right and left corner of the mouth, the subject's right. */
export type FacePoints = readonly (readonly [number, number])[];

interface Candidate {
  score: number;
  centre: readonly [number, number];
  side: number;
  points: FacePoints;
}

const pictureSideMax = 640;
const strides = [8, 16, 32] as const;
const scoreMin = 0.6;

/**
 * The five points of every face, the surest face first, by YuNet (libfacedetection's decoder: point j of a cell lies at
 * (column + k₂ⱼ) S, (row + k₂ⱼ₊₁) S). The picture is shown to it at 640 pixels at most.
 */
export async function findFacePoints(yunet: Model, picture: MemoryPicture): Promise<FacePoints[]> {
  const shrink = Math.min(1, pictureSideMax / Math.max(picture.width, picture.height));
  const side = (length: number): number => Math.max(1, Math.round(length * shrink));
  const shown = resize(
    { ...picture, data: levelsOf(asColour(picture)), channels: 3 },
    { width: side(picture.width), height: side(picture.height) },
    bicubic,
  );
  const width = Math.ceil(shown.width / 32) * 32;
  const height = Math.ceil(shown.height / 32) * 32;
  const outputs = await yunet.run({
    [yunet.imageInput]: { data: bluePlanesFirst(shown, { width, height }), dims: [1, 3, height, width] },
  });
  const kept: Candidate[] = [];
  for (const face of candidates(outputs, width).sort((a, b) => b.score - a.score)) {
    const isNew = kept.every(({ centre, side }) => {
      return Math.hypot(centre[0] - face.centre[0], centre[1] - face.centre[1]) > side / 2;
    });
    if (isNew) kept.push(face);
  }
  const [across, down] = [picture.width / shown.width, picture.height / shown.height];
  return kept.map(({ points }) =>
    points.map(([x, y]) => [(x + 0.5) * across - 0.5, (y + 0.5) * down - 0.5] as const),
  );
}

/** BGR planes, 0..255, black to the right and below. */
function bluePlanesFirst(
  { data, width, height }: { data: Float32Array; width: number; height: number },
  size: { width: number; height: number },
): Float32Array {
  const planes = new Float32Array(3 * size.width * size.height);
  for (let y = 0; y < height; y += 1) {
    for (let i = 0; i < width * 3; i += 1) {
      const plane = 2 - (i % 3);
      planes[(plane * size.height + y) * size.width + Math.floor(i / 3)] = data[y * width * 3 + i]!;
    }
  }
  return planes;
}

function candidates(outputs: Readonly<Record<string, Float32Array>>, width: number): Candidate[] {
  return strides.flatMap((stride) => {
    const [classes, objects, boxes, points] = ["cls", "obj", "bbox", "kps"].map(
      (head) => outputs[`${head}_${stride}`] ?? new Float32Array(0),
    ) as [Float32Array, Float32Array, Float32Array, Float32Array];
    const columns = width / stride;
    return Array.from(classes, (value, cell): Candidate => {
      const [column, row] = [cell % columns, Math.floor(cell / columns)];
      const box = boxes.subarray(cell * 4, cell * 4 + 4);
      const offsets = points.subarray(cell * 10, cell * 10 + 10);
      return {
        score: Math.sqrt(unit(value) * unit(objects[cell]!)),
        centre: [(column + box[0]!) * stride, (row + box[1]!) * stride],
        side: Math.exp(box[2]!) * stride,
        points: [0, 2, 4, 6, 8].map(
          (j) => [(column + offsets[j]!) * stride, (row + offsets[j + 1]!) * stride] as const,
        ),
      };
    }).filter(({ score }) => score >= scoreMin);
  });
}

const unit = (value: number): number => Math.min(1, Math.max(0, value));
