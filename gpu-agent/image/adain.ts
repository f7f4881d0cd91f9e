import { invariant } from "#shared/domain/fault.ts";
import type { FloatPicture } from "./resample.ts";

/**
 * Adaptive instance normalisation (X. Huang and S. Belongie, ICCV 2017), here for colours: every channel of the content
 * is brought to the mean and the standard deviation it has in the reference. The sizes may differ. A flat channel stays
 * flat, at the mean of the reference. Samples of any scale, the same in both pictures; they are not clipped.
 */
export function adaptChannels(content: FloatPicture, reference: FloatPicture): FloatPicture {
  const { channels } = content;
  invariant(reference.channels === channels, "both pictures have the same channels");
  const data = new Float32Array(content.data.length);
  for (let channel = 0; channel < channels; channel += 1) {
    const own = channelMoments(content, channel);
    const wanted = channelMoments(reference, channel);
    const gain = own.deviation === 0 ? 0 : wanted.deviation / own.deviation;
    for (let i = channel; i < data.length; i += channels) {
      data[i] = (content.data[i]! - own.mean) * gain + wanted.mean;
    }
  }
  return { ...content, data };
}

/** In two passes: deviations far smaller than the mean are exact as well. */
function channelMoments(
  { data, channels }: FloatPicture,
  channel: number,
): { mean: number; deviation: number } {
  const count = data.length / channels;
  let sum = 0;
  for (let i = channel; i < data.length; i += channels) sum += data[i]!;
  const mean = sum / count;
  let squares = 0;
  for (let i = channel; i < data.length; i += channels) squares += (data[i]! - mean) ** 2;
  return { mean, deviation: Math.sqrt(squares / count) };
}
