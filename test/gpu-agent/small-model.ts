import { writeFile } from "node:fs/promises";
import { findModel } from "#shared/domain/catalogue.ts";
import type { ModelEntry } from "#shared/domain/model.ts";
import { createOnnxGraph } from "#agent/models/onnx.ts";
import type { ModelFile } from "#agent/worker/session.ts";

/** Output = input × factor, `layers` convolutions one after the other: as slow as there are many. */
export async function smallModel(
  path: string,
  { factor = 2, layers = 1 }: { factor?: number; layers?: number } = {},
): Promise<ModelFile> {
  const graph = createOnnxGraph("small");
  const dims = [1, 1, "h", "w"];
  let value = graph.node("Mul", [graph.input("input", dims), graph.floats([], Float32Array.of(factor))]);
  const same = new Float32Array(25);
  same[12] = 1;
  for (let layer = 0; layer < layers; layer += 1) {
    value = graph.node("Conv", [value, graph.floats([1, 1, 5, 5], same)], { pads: { ints: [2, 2, 2, 2] } });
  }
  graph.output("output", value, dims);
  await writeFile(path, graph.encode());
  return { entry: smallEntry(), path, isPrepared: false };
}

/** A gray picture of the same size. */
function smallEntry(): ModelEntry {
  const some = findModel("dncnn25-gray");
  if (some === undefined) throw new Error("the catalogue has it");
  const image = { order: "gray", low: 0, high: 1 } as const;
  return {
    ...some,
    id: "small",
    tensors: {
      layout: "nchw",
      input: { name: "input", ...image },
      output: { kind: "image", name: "output", ...image },
    },
  };
}

/** A square picture of ones. */
export function ones(side: number): { data: Float32Array; dims: number[] } {
  return { data: new Float32Array(side * side).fill(1), dims: [1, 1, side, side] };
}
