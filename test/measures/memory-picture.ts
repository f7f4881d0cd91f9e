import { invariant } from "#shared/domain/fault.ts";

/** A whole picture in memory: interleaved, gray or RGB, 8 or 16 bits by the type of `data`. */
export interface MemoryPicture {
  data: Uint8Array | Uint16Array;
  width: number;
  height: number;
  channels: 1 | 3;
}

/** Throws unless two pictures can be compared: one size, one number of channels. */
export function demandAlike(a: MemoryPicture, b: MemoryPicture): void {
  const isAlike = a.width === b.width && a.height === b.height && a.channels === b.channels;
  invariant(isAlike, "the pictures have one size and one number of channels");
}

/** The picture without `borderPixels` at each edge; throws where nothing is left. */
export function withoutBorder(picture: MemoryPicture, borderPixels: number): MemoryPicture {
  const width = picture.width - 2 * borderPixels;
  const height = picture.height - 2 * borderPixels;
  invariant(borderPixels >= 0 && width > 0 && height > 0, "the border leaves pixels");
  if (borderPixels === 0) return picture;
  const row = width * picture.channels;
  const data = samplesLike(picture, row * height);
  for (let y = 0; y < height; y += 1) {
    const from = ((y + borderPixels) * picture.width + borderPixels) * picture.channels;
    data.set(picture.data.subarray(from, from + row), y * row);
  }
  return { ...picture, data, width, height };
}

/** The picture in three channels: a gray one three times over. */
export function asColour(picture: MemoryPicture): MemoryPicture {
  if (picture.channels === 3) return picture;
  const data = samplesLike(picture, picture.data.length * 3);
  for (let i = 0, at = 0; at < data.length; i += 1, at += 3) data.fill(picture.data[i]!, at, at + 3);
  return { ...picture, data, channels: 3 };
}

function samplesLike({ data }: MemoryPicture, count: number): Uint8Array | Uint16Array {
  return data instanceof Uint8Array ? new Uint8Array(count) : new Uint16Array(count);
}

/** Levels of 8 bits that a sample of this picture stands for, per unit: 16-bit samples are not rounded. */
export const levelsPerUnit = ({ data }: MemoryPicture): number => (data instanceof Uint8Array ? 1 : 1 / 257);

/** All samples as levels 0..255, interleaved as they are. */
export function levelsOf(picture: MemoryPicture): Float32Array {
  const { data } = picture;
  const scale = levelsPerUnit(picture);
  const levels = new Float32Array(data.length);
  for (let i = 0; i < data.length; i += 1) levels[i] = data[i]! * scale;
  return levels;
}

/** One channel as levels 0..255. */
export function channelOf(picture: MemoryPicture, channel: number): Float32Array {
  const { data, channels } = picture;
  const scale = levelsPerUnit(picture);
  const plane = new Float32Array(picture.width * picture.height);
  for (let i = 0, at = channel; i < plane.length; i += 1, at += channels) plane[i] = data[at]! * scale;
  return plane;
}

/**
 * Y of BT.601 in 16..235, as the super-resolution papers measure it: `rgb2ycbcr` of MATLAB, but not rounded. A picture
 * of one channel is its own luma, in 0..255, as it is there.
 */
export function lumaOf(picture: MemoryPicture): Float32Array {
  const { data, channels } = picture;
  if (channels === 1) return levelsOf(picture);
  const scale = levelsPerUnit(picture) / 255;
  const luma = new Float32Array(picture.width * picture.height);
  for (let i = 0, at = 0; i < luma.length; i += 1, at += 3) {
    luma[i] = 16 + scale * (65.481 * data[at]! + 128.553 * data[at + 1]! + 24.966 * data[at + 2]!);
  }
  return luma;
}
