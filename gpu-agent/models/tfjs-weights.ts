import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { Fault } from "#shared/domain/fault.ts";

/** A constant of a TensorFlow.js model, in TensorFlow's own layout. */
export type TfjsTensor =
  | { readonly type: "float32"; readonly shape: readonly number[]; readonly data: Float32Array }
  | { readonly type: "int32"; readonly shape: readonly number[]; readonly data: Int32Array };

/** A model as its files hold it: `topology` is checked by the converter that understands it. */
export type TfjsModel = {
  readonly topology: unknown;
  readonly signature: unknown;
  readonly weights: ReadonlyMap<string, TfjsTensor>;
  /** Subresource-integrity style `sha256-<hex>` over model.json and its shards in order. */
  readonly integrity: string;
};

const Quantization = z.discriminatedUnion("dtype", [
  z.object({ dtype: z.enum(["uint8", "uint16"]), scale: z.number(), min: z.number() }),
  z.object({ dtype: z.literal("float16") }),
]);
type Quantization = z.infer<typeof Quantization>;

const WeightSpec = z.object({
  name: z.string().min(1),
  shape: z.array(z.int().min(0)).max(8),
  dtype: z.enum(["float32", "int32"]),
  quantization: Quantization.optional(),
});
type WeightSpec = z.infer<typeof WeightSpec>;

const ModelFile = z.object({
  modelTopology: z.unknown(),
  signature: z.unknown().optional(),
  userDefinedMetadata: z.object({ signature: z.unknown().optional() }).optional(),
  weightsManifest: z
    .array(
      z.object({
        // Shards lie beside model.json: a path with a folder in it is not ours to follow.
        paths: z.array(z.string().regex(/^[\w-][\w.-]*$/)).max(1_000),
        weights: z.array(WeightSpec).max(100_000),
      }),
    )
    .max(100),
});

/**
 * Reads a TensorFlow.js `model.json` and the weight shards beside it, undoing the quantisation of the weights
 * (tfjs-core `io_utils.ts`, decodeWeights).
 *
 * Throws Fault `weights_invalid` when a file is missing, the manifest is malformed, or the shards are too short or long.
 */
export async function readTfjsModel(modelPath: string): Promise<TfjsModel> {
  const text = await readPart(modelPath);
  const parsed = ModelFile.safeParse(parseJson(text, modelPath));
  if (!parsed.success) throw invalid(modelPath, "its manifest is malformed", parsed.error);

  const hash = createHash("sha256").update(text);
  const weights = new Map<string, TfjsTensor>();
  for (const group of parsed.data.weightsManifest) {
    const shards: Buffer[] = [];
    for (const path of group.paths) {
      const shard = await readPart(join(dirname(modelPath), path));
      hash.update(shard);
      shards.push(shard);
    }
    const rest = decodeGroup(Buffer.concat(shards), group.weights, { weights, modelPath });
    if (rest !== 0) throw invalid(modelPath, `its weights are ${rest} bytes too long`);
  }
  return {
    topology: parsed.data.modelTopology,
    signature: parsed.data.signature ?? parsed.data.userDefinedMetadata?.signature,
    weights,
    integrity: `sha256-${hash.digest("hex")}`,
  };
}

/** Adds the tensors of one group to `weights`; returns how many bytes are left over. */
function decodeGroup(
  bytes: Buffer,
  specs: readonly WeightSpec[],
  { weights, modelPath }: { weights: Map<string, TfjsTensor>; modelPath: string },
): number {
  let offset = 0;
  for (const spec of specs) {
    const count = spec.shape.reduce((product, size) => product * size, 1);
    const length = count * storedBytes(spec.quantization);
    // Before anything of that size is allocated.
    if (length > bytes.length - offset) throw invalid(modelPath, "its weights are cut short");
    const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
    const at = reader(view, spec);
    const data = spec.dtype === "int32" ? new Int32Array(count) : new Float32Array(count);
    for (let i = 0; i < count; i++) data[i] = at(i);
    weights.set(spec.name, { type: spec.dtype, shape: spec.shape, data } as TfjsTensor);
    offset += length;
  }
  return bytes.length - offset;
}

function storedBytes(quantization: Quantization | undefined): number {
  if (quantization === undefined) return 4;
  return quantization.dtype === "uint8" ? 1 : 2;
}

/** The i-th value of a stored tensor, as a number ready to be stored in its own type. */
function reader(view: DataView, { dtype, quantization }: WeightSpec): (i: number) => number {
  if (quantization === undefined) {
    return dtype === "int32" ? (i) => view.getInt32(i * 4, true) : (i) => view.getFloat32(i * 4, true);
  }
  if (quantization.dtype === "float16") return (i) => halfToNumber(view.getUint16(i * 2, true));
  const { scale, min } = quantization;
  const step: (i: number) => number =
    quantization.dtype === "uint8" ? (i) => view.getUint8(i) : (i) => view.getUint16(i * 2, true);
  if (dtype === "int32") return (i) => Math.round(step(i) * scale + min);
  return (i) => step(i) * scale + min;
}

/** IEEE 754 binary16. */
export function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

async function readPart(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw invalid(path, "it cannot be read", cause);
  }
}

function parseJson(text: Buffer, modelPath: string): unknown {
  try {
    return JSON.parse(text.toString("utf8"));
  } catch (cause) {
    throw invalid(modelPath, "it is not JSON", cause);
  }
}

function invalid(path: string, why: string, cause?: unknown): Fault {
  return new Fault(
    "input",
    "weights_invalid",
    `The model file ${path} cannot be converted: ${why}. Run npm ci again.`,
    {
      cause,
    },
  );
}
