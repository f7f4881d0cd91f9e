import type { ChannelOrder, ChannelValues, ImageTensor, ModelSource, TensorContract } from "../model.ts";

/** Mean and deviation of ImageNet's pixels in 0..1, RGB. */
export const IMAGENET = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
} as const satisfies { mean: ChannelValues; std: ChannelValues };

const NAMED = { input: "input", output: "output" };

/** `input` → `output`, both images of one order and range, NCHW: the shape of most restorers. */
export function imageToImage(
  order: ChannelOrder,
  names: { input?: string; output?: string } = NAMED,
): TensorContract {
  const tensor = (name: string | undefined): ImageTensor => ({
    ...(name === undefined ? {} : { name }),
    order,
    low: 0,
    high: 1,
  });
  return { layout: "nchw", input: tensor(names.input), output: { kind: "image", ...tensor(names.output) } };
}

/** A square model input to which the whole picture, or an aligned face, is resized. */
export const square = (side: number) => ({ size: { width: side, height: side } });

/** Cut for a model that sees everything at once. */
export const whole = (side: number) => ({ context: 0, multiple: 1, pixelsMax: side * side });

/** A model that was exported for tiles of exactly this side. */
export const fixedTile = (side: number, context: number) => ({
  context,
  multiple: 1,
  pixelsMax: side * side,
  fixed: side,
});

/** FaceFusion publishes its converted models as release assets, one release per generation. */
export const faceFusion = (release: "3.0.0" | "3.1.0", fileName: string): ModelSource => ({
  kind: "url",
  url: `https://github.com/facefusion/facefusion-assets/releases/download/models-${release}/${fileName}`,
});

/** OpenCV's model zoo keeps its files in Git LFS; this host resolves them. */
export const openCvZoo = (path: string): ModelSource => ({
  kind: "url",
  url: `https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/${path}`,
});
