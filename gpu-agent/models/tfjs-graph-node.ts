import { z } from "zod";
import { Fault } from "#shared/domain/fault.ts";

const integer = z.union([z.int(), z.string().regex(/^-?\d{1,15}$/)]).transform(Number);

/** TensorFlow's AttrValue in its JSON form: 64-bit integers are strings, bytes are base64. */
const Attribute = z.object({
  s: z.base64().optional(),
  i: integer.optional(),
  f: z.number().optional(),
  b: z.boolean().optional(),
  list: z.object({ s: z.array(z.base64()).optional(), i: z.array(integer).optional() }).optional(),
});

/** A node of a TensorFlow graph. Inputs are `name`, `name:index`, or `^name` for control only. */
export const TfNode = z.object({
  name: z.string().min(1),
  op: z.string().min(1),
  input: z.array(z.string()).max(1_000).default([]),
  // Unused attributes may have forms of no concern here: only what is read is checked.
  attr: z.record(z.string(), z.unknown()).default({}),
});
export type TfNode = z.infer<typeof TfNode>;

/** The names of the nodes whose first output this node uses, in order. */
export function dataInputs(node: TfNode): string[] {
  return node.input.filter((name) => !name.startsWith("^")).map(nodeName);
}

/** `name:0` → `name`. A second output is nothing this converter knows. */
export function nodeName(reference: string): string {
  const [name = "", index = "0"] = reference.split(":");
  if (index !== "0") throw unsupported(`an operator with several outputs (${reference})`);
  return name;
}

export function textAttribute(node: TfNode, key: string): string | undefined {
  const bytes = attribute(node, key)?.s;
  return bytes === undefined ? undefined : Buffer.from(bytes, "base64").toString("latin1");
}

export function textsAttribute(node: TfNode, key: string): string[] {
  return (attribute(node, key)?.list?.s ?? []).map((bytes) =>
    Buffer.from(bytes, "base64").toString("latin1"),
  );
}

/** `strides`, `dilations` and `ksize` are [1, height, width, 1] under NHWC; 1 × 1 when absent. */
export function spatialAttribute(node: TfNode, key: string): [number, number] {
  const [batch = 1, height = 1, width = 1, channels = 1] = attribute(node, key)?.list?.i ?? [];
  if (batch !== 1 || channels !== 1) throw unsupported(`${node.op} with ${key} over channels (${node.name})`);
  return [height, width];
}

function attribute(node: TfNode, key: string): z.infer<typeof Attribute> | undefined {
  const value = node.attr[key];
  if (value === undefined) return undefined;
  const parsed = Attribute.safeParse(value);
  if (!parsed.success) throw unsupported(`${node.op} with this ${key} (${node.name})`, parsed.error);
  return parsed.data;
}

/** The Fault for what the converter does not know; it names the operator. */
export function unsupported(what: string, cause?: unknown): Fault {
  const message = `The converter does not know ${what}: this model needs a ready-made ONNX file.`;
  return new Fault("input", "operator_unsupported", message, { cause });
}
