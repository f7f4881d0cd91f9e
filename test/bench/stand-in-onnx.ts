import { createOnnxGraph } from "#agent/models/onnx.ts";

const COLOURS = 3;
const SCALE = 4;
/**
 * Bytes it holds for each pixel of a tile beside the picture itself. Chosen so that a process with it takes as much as
 * one with the real, prepared model after some tiles of 256 × 256: about 240 MB, measured on both.
 */
const HELD_BYTES_PER_PIXEL = 1_300;

/**
 * A model of the shape of esrgan-thick that enlarges by repeating pixels: RGB in 0..1, ×4, any height and width. On its
 * way it repeats the picture and drops the copies, so that it takes as much memory as the model it stands for and
 * almost none of its time.
 */
export function encodeStandIn(): Uint8Array {
  const graph = createOnnxGraph("stand-in");
  const image = graph.input("input", [1, COLOURS, "height", "width"]);
  const copies = Math.round(HELD_BYTES_PER_PIXEL / (COLOURS * Float32Array.BYTES_PER_ELEMENT));
  const repeated = graph.node("Tile", [image, graph.ints([1, copies, 1, 1])]);
  const kept = graph.node("Slice", [repeated, graph.ints([0]), graph.ints([COLOURS]), graph.ints([1])]);
  const parts = COLOURS * SCALE * SCALE;
  const wide = graph.node("Conv", [kept, graph.floats([parts, COLOURS, 1, 1], copiesOfColours(parts))]);
  const large = graph.node("DepthToSpace", [wide], { blocksize: { int: SCALE } });
  graph.output("output", large, [1, COLOURS, "height4", "width4"]);
  return graph.encode();
}

/** Weights of a 1×1 convolution whose output n is colour n modulo 3: what DepthToSpace spreads over 4 × 4 pixels. */
function copiesOfColours(outputs: number): Float32Array {
  const weights = new Float32Array(outputs * COLOURS);
  for (let n = 0; n < outputs; n += 1) weights[n * COLOURS + (n % COLOURS)] = 1;
  return weights;
}
