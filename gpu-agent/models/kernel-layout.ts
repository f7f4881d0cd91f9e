/** Convolution weights as TensorFlow stores them, innermost last. */
export type Kernel = { readonly shape: readonly number[]; readonly data: Float32Array };

/** Conv2D: [height, width, in, out] → ONNX's [out, in, height, width]. */
export function outputFirst(kernel: Kernel): Float32Array {
  const [height = 1, width = 1, from = 1, to = 1] = kernel.shape;
  const area = height * width;
  const result = new Float32Array(kernel.data.length);
  for (let p = 0; p < area; p++) {
    for (let i = 0; i < from; i++) {
      for (let o = 0; o < to; o++) result[(o * from + i) * area + p] = kernel.data[(p * from + i) * to + o]!;
    }
  }
  return result;
}

/** Depthwise: [height, width, channels, multiplier] → ONNX's [channels × multiplier, 1, height, width]. */
export function channelFirst(kernel: Kernel): Float32Array {
  const [height = 1, width = 1, channels = 1, multiplier = 1] = kernel.shape;
  const area = height * width;
  const planes = channels * multiplier;
  const result = new Float32Array(kernel.data.length);
  for (let p = 0; p < area; p++) {
    for (let c = 0; c < planes; c++) result[c * area + p] = kernel.data[p * planes + c]!;
  }
  return result;
}
