import { invariant } from "#shared/domain/fault.ts";
import type { FloatPicture } from "./resample.ts";

/** Octaves that count as detail: what is coarser than about 2⁵ pixels is colour. */
const levels = 5;

/**
 * Gives a picture the colours of another one of the same motif and size: the detail of the content over the lowest band
 * of the reference, as StableSR corrects the colour shifts of generated pictures (J. Wang et al., IJCV 2024, "wavelet
 * colour correction"). The bands are those of the à-trous transform (M. Holschneider et al., 1989): five passes of the
 * binomial 1 2 1 with holes of 1, 2, 4, 8 and 16 pixels, edges repeated. Because the transform is linear,
 * content − low(content) + low(reference) is the content and the lowest band of the difference: one transform, not two.
 *
 * Samples of any scale, which is kept; they are not clipped. The mean of the result is about that of the reference.
 */
export function transferWaveletColour(content: FloatPicture, reference: FloatPicture): FloatPicture {
  const { data, width, height, channels } = content;
  const isAlike =
    reference.width === width && reference.height === height && reference.channels === channels;
  invariant(isAlike, "the reference has the size and the channels of the content");
  let low: Float32Array = new Float32Array(data.length);
  let spare: Float32Array = new Float32Array(data.length);
  for (let i = 0; i < data.length; i += 1) low[i] = reference.data[i]! - data[i]!;
  const row = width * channels;
  for (let level = 0; level < levels; level += 1) {
    const hole = 2 ** level;
    for (let from = 0; from < low.length; from += row) {
      smoothRow(low.subarray(from, from + row), spare.subarray(from, from + row), hole * channels, channels);
    }
    smoothColumns(spare, low, { row, height, hole });
  }
  spare = low;
  for (let i = 0; i < data.length; i += 1) spare[i]! += data[i]!;
  return { ...content, data: spare };
}
