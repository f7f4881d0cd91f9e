import { expect, test } from "vitest";
import type { ModelEntry } from "#shared/domain/model.ts";
import { checkContract, type SessionTensors } from "#agent/worker/contract.ts";
import { entryOf } from "./stage-fixture.ts";

type Metadata = SessionTensors["inputMetadata"][number];

function tensor(
  name: string,
  shape: (number | string)[],
  type: "float32" | "float16" | "float64" = "float32",
): Metadata {
  return { name, isTensor: true, type, shape };
}

const picture = (name: string, channels: number | string = 3): Metadata =>
  tensor(name, ["n", channels, "h", "w"]);

const general = entryOf("realesr-general-x4v3");
const ffdnet = entryOf("ffdnet-color");

test("a file with the tensors the catalogue promises passes, by its own names", () => {
  const inputMetadata = [picture("x")];
  const anonymous: ModelEntry = {
    ...general,
    tensors: {
      ...general.tensors,
      input: { order: "rgb", low: 0, high: 1 },
      output: { kind: "image", order: "rgb", low: 0, high: 1 },
    },
  };
  expect(checkContract(anonymous, { inputMetadata, outputMetadata: [picture("y")] })).toEqual({
    imageInput: "x",
    imageOutput: "y",
  });
});

test.each<[string, ModelEntry, SessionTensors]>([
  ["has another input", general, { inputMetadata: [picture("image")], outputMetadata: [picture("output")] }],
  ["has another output", general, { inputMetadata: [picture("input")], outputMetadata: [picture("image")] }],
  ["takes gray", general, { inputMetadata: [picture("input", 1)], outputMetadata: [picture("output")] }],
  [
    "takes half precision",
    general,
    { inputMetadata: [tensor("input", [1, 3, "h", "w"], "float16")], outputMetadata: [picture("output")] },
  ],
  [
    "takes another rank",
    general,
    { inputMetadata: [tensor("input", [3, "h", "w"])], outputMetadata: [picture("output")] },
  ],
  [
    "takes one more input",
    general,
    { inputMetadata: [picture("input"), tensor("style", [1])], outputMetadata: [picture("output")] },
  ],
  [
    "takes no tensor",
    general,
    { inputMetadata: [{ name: "input", isTensor: false }], outputMetadata: [picture("output")] },
  ],
  [
    "lacks the noise level",
    ffdnet,
    { inputMetadata: [picture("input")], outputMetadata: [picture("output")] },
  ],
  [
    "wants the noise level as a vector",
    ffdnet,
    { inputMetadata: [picture("input"), tensor("sigma", [1])], outputMetadata: [picture("output")] },
  ],
  [
    "wants it in doubles",
    ffdnet,
    {
      inputMetadata: [picture("input"), tensor("sigma", [1, 1, 1, 1], "float64")],
      outputMetadata: [picture("output")],
    },
  ],
  [
    "was exported for another size",
    entryOf("real-esrgan-x4"),
    { inputMetadata: [tensor("input", [1, 3, 128, 128])], outputMetadata: [picture("output")] },
  ],
  [
    "answers other boxes",
    entryOf("yunet"),
    { inputMetadata: [picture("input")], outputMetadata: [tensor("cls_8", [1, "n", 1])] },
  ],
])("a file that %s is another model", (_name, entry, session) => {
  expect(() => checkContract(entry, session)).toThrow(expect.objectContaining({ code: "model_invalid" }));
});

test("a model of values needs no image to come out", () => {
  const yunet = entryOf("yunet");
  const names = yunet.tensors.output.kind === "values" ? yunet.tensors.output.names : [];
  const outputMetadata = names.map((name) => tensor(name, [1, "n", 1]));
  expect(checkContract(yunet, { inputMetadata: [picture("input")], outputMetadata })).toEqual({
    imageInput: "input",
  });
});
