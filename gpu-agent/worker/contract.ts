import type { InferenceSession } from "onnxruntime-node";
import { Fault } from "#shared/domain/fault.ts";
import type { ImageTensor, ModelEntry, TensorContract } from "#shared/domain/model.ts";

type Metadata = InferenceSession.ValueMetadata;
/** What a session says of itself. */
export type SessionTensors = Pick<InferenceSession, "inputMetadata" | "outputMetadata">;

/**
 * Compares the tensors of a file with what the catalogue promises: names, types, ranks, channels, fixed sizes. The
 * file is trusted over the table, so a difference means that this is another model.
 * @returns the names of the image tensors, as the file spells them.
 * @throws Fault conflict `model_invalid`.
 */
export function checkContract(
  entry: ModelEntry,
  session: SessionTensors,
): { imageInput: string; imageOutput?: string } {
  const { input, output, extra = [], layout } = entry.tensors;
  const refuse = (why: string): never => {
    throw new Fault(
      "conflict",
      "model_invalid",
      `The file of the model ${entry.id} is another model: ${why}.`,
    );
  };
  const inputs = tensorsByName(session.inputMetadata);
  const outputs = tensorsByName(session.outputMetadata);

  for (const { name, type, shape } of extra) {
    const found = inputs.get(name) ?? refuse(`it has no input ${name}`);
    if (found.type !== type) refuse(`its input ${name} is ${found.type}, not ${type}`);
    if (!fits(found.shape, shape)) refuse(`its input ${name} has the shape [${found.shape.join(", ")}]`);
    inputs.delete(name);
  }
  const pickImage = (
    from: Map<string, TensorMetadata>,
    of: { name?: string },
    what: string,
  ): TensorMetadata => {
    const only = from.size === 1 ? from.values().next().value : undefined;
    return (
      (of.name === undefined ? only : from.get(of.name)) ??
      refuse(`it has no ${what} ${of.name ?? "of its own"}`)
    );
  };
  const imageInput = pickImage(inputs, input, "input");
  if (inputs.size > 1) refuse("it has inputs the catalogue does not know");
  checkImage(imageInput, { layout, image: input, fixed: entry.tile.fixed }, refuse);

  switch (output.kind) {
    case "image": {
      const imageOutput = pickImage(outputs, output, "output");
      checkImage(imageOutput, { layout, image: output, fixed: undefined }, refuse);
      return { imageInput: imageInput.name, imageOutput: imageOutput.name };
    }
    case "mask":
    case "chroma": {
      const found = pickImage(outputs, output, "output");
      if (found.type !== "float32") refuse(`its output ${found.name} is ${found.type}, not float32`);
      return { imageInput: imageInput.name, imageOutput: found.name };
    }
    case "values":
      for (const name of output.names) {
        if (outputs.get(name)?.type !== "float32") refuse(`it has no output ${name} of type float32`);
      }
      return { imageInput: imageInput.name };
  }
}

type TensorMetadata = Extract<Metadata, { isTensor: true }>;

function tensorsByName(all: readonly Metadata[]): Map<string, TensorMetadata> {
  return new Map(all.flatMap((each) => (each.isTensor ? [[each.name, each] as const] : [])));
}

function checkImage(
  found: TensorMetadata,
  expected: { layout: TensorContract["layout"]; image: ImageTensor; fixed: number | undefined },
  refuse: (why: string) => never,
): void {
  const { layout, image, fixed } = expected;
  if (found.type !== "float32") refuse(`its tensor ${found.name} is ${found.type}, not float32`);
  const channels = image.order === "gray" || image.order === "luma" ? 1 : 3;
  const height = image.size?.height ?? fixed;
  const width = image.size?.width ?? fixed;
  const shape = layout === "nchw" ? [1, channels, height, width] : [1, height, width, channels];
  if (!fits(found.shape, shape)) refuse(`its tensor ${found.name} has the shape [${found.shape.join(", ")}]`);
}

/** A symbolic dimension of the file, and an undefined one of the catalogue, fit anything. */
function fits(found: readonly (number | string)[], expected: readonly (number | undefined)[]): boolean {
  return (
    found.length === expected.length &&
    found.every(
      (size, axis) => typeof size === "string" || expected[axis] === undefined || size === expected[axis],
    )
  );
}
