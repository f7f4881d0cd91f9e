/**
 * UpscalerJS as a peer, with the weights of npm `@upscalerjs/…` as its authors publish them: decoded and encoded by sharp, enlarged on the fastest backend of TensorFlow.js that is there.
 *
 *   node upscaler-peer.ts NODE_MODULES WEIGHTS TILE_PIXELS_MAX PADDING
 */
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { join, normalize } from "node:path";
import type Sharp from "sharp";
import { choosePatch } from "./patch-size.ts";
import { servePeer } from "./peer-protocol.ts";

/** The parts of the packages' interfaces that are used here; they are not installed with the project. */
interface Tensor {
  readonly shape: readonly number[];
  data(): Promise<Float32Array>;
  dispose(): void;
}
interface TensorFlow {
  readonly version_core: string;
  env(): { set(flag: string, value: boolean): void; getAsync(flag: string): Promise<unknown> };
  setBackend(name: string): Promise<boolean>;
  tensor3d(values: Uint8Array, shape: readonly number[], type: "int32"): Tensor;
}
interface WasmBackend {
  getThreadsCount(): number;
}
interface Upscaler {
  getModel(): Promise<unknown>;
  upscale(
    input: Tensor,
    options: { output: "tensor"; patchSize?: number; padding?: number },
  ): Promise<Tensor>;
}
type UpscalerClass = new (options: { model: Record<string, unknown> }) => Upscaler;

const [modules, weights, tilePixelsMax, padding] = process.argv.slice(2);
if (modules === undefined || weights === undefined || tilePixelsMax === undefined || padding === undefined)
  throw new Error("usage: upscaler-peer.ts NODE_MODULES WEIGHTS TILE_PIXELS_MAX PADDING");
const load = createRequire(join(modules, "upscaler/package.json"));

const tf = load("@tensorflow/tfjs") as TensorFlow;
// Keeps advice for beginners off stderr.
tf.env().set("PROD", true);
const backend = await fastestBackend();
const { version } = load("./package.json") as { version: string };
const sharp = load("sharp") as typeof Sharp;
const upscaler = await openUpscaler({ modules, weights });

await servePeer(
  `UpscalerJS ${version}, TensorFlow.js ${tf.version_core} on ${backend}`,
  async ({ input, output }) => {
    const since = performance.now();
    const { data, info } = await sharp(input)
      .removeAlpha()
      .toColourspace("srgb")
      .raw()
      .toBuffer({ resolveWithObject: true });
    const pixels = tf.tensor3d(data, [info.height, info.width, 3], "int32");
    const patch = choosePatch(info, { patchPixelsMax: Number(tilePixelsMax), padding: Number(padding) });
    const enlarged = await upscaler.upscale(pixels, {
      output: "tensor",
      ...(patch === undefined ? {} : { patchSize: patch, padding: Number(padding) }),
    });
    pixels.dispose();
    const [height = 0, width = 0] = enlarged.shape;
    // As its own output for browsers: clamped and rounded to bytes.
    const bytes = Uint8ClampedArray.from(await enlarged.data());
    enlarged.dispose();
    await sharp(bytes, { raw: { width, height, channels: 3 } })
      .png()
      .toFile(output);
    return { seconds: (performance.now() - since) / 1000 };
  },
);
process.exit(0);

/** The native library, WebAssembly, plain JavaScript: the first that works, in words. */
async function fastestBackend(): Promise<string> {
  try {
    load("@tensorflow/tfjs-node");
    if (await tf.setBackend("tensorflow")) return "tfjs-node";
  } catch {
    // Its library is downloaded from elsewhere while npm installs it, and it does not run on every Node.
  }
  const wasm = load("@tensorflow/tfjs-backend-wasm") as WasmBackend;
  if (!(await tf.setBackend("wasm"))) {
    await tf.setBackend("cpu");
    return "cpu (plain JavaScript)";
  }
  const simd = (await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT")) === true ? "SIMD" : "no SIMD";
  return `wasm (${simd}, threads: ${wasm.getThreadsCount()})`;
}

/** The model's own definition, its files by HTTP from this process: that is how this build reads models. */
async function openUpscaler({ modules, weights }: { modules: string; weights: string }): Promise<Upscaler> {
  const files = join(modules, "@upscalerjs", weights);
  const definition = load(`@upscalerjs/${weights}/4x`) as Record<string, unknown>;
  const server = createServer((request, response) => {
    const path = join(files, normalize(new URL(request.url ?? "/", "http://model").pathname));
    createReadStream(path)
      .on("error", () => response.writeHead(404).end())
      .pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  // The build for browsers: the one for Node insists on tfjs-node.
  const umd = join(modules, "upscaler/dist/browser/umd/upscaler.js");
  const Upscaler = load(umd) as UpscalerClass;
  const upscaler = new Upscaler({
    model: { ...definition, path: `http://127.0.0.1:${port}/models/x4/model.json` },
  });
  await upscaler.getModel();
  server.close();
  return upscaler;
}
