import type { MemoryPicture } from "./memory-picture.ts";

/** A drawn picture and the same with a pattern of ±11 levels times `strength` on it, by integers that any language repeats. */
export function drawnPair(
  width: number,
  height: number,
  strength: number,
): { truth: MemoryPicture; damaged: MemoryPicture } {
  const truth = new Uint8Array(width * height * 3);
  const damaged = new Uint8ClampedArray(truth.length);
  for (let i = 0; i < truth.length; i += 1) {
    const pixel = Math.floor(i / 3);
    const [x, y, channel] = [pixel % width, Math.floor(pixel / width), i % 3];
    truth[i] = (x * 3 + y * 2 + channel * 40 + (((x >> 3) + (y >> 3)) % 2) * 60) % 256;
    damaged[i] = truth[i]! + (((x * 7 + y * 13 + channel * 5 + x * y) % 23) - 11) * strength;
  }
  const size = { width, height, channels: 3 } as const;
  return { truth: { data: truth, ...size }, damaged: { data: new Uint8Array(damaged), ...size } };
}
