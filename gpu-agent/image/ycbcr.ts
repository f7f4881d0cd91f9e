import { invariant } from "#shared/domain/fault.ts";

/**
 * Which levels stand for black and white, and for the ends of chroma. `full`: Y, Cb, Cr in 0..255, as JPEG files
 * (JFIF 1.02). `studio`: Y in 16..235, Cb and Cr in 16..240, as video and MATLAB's `rgb2ycbcr`.
 */
export type YcbcrRange = "full" | "studio";

interface Scaling {
  black: number;
  luma: number;
  chroma: number;
}

const scalings: Record<YcbcrRange, Scaling> = {
  full: { black: 0, luma: 1, chroma: 1 },
  studio: { black: 16 / 255, luma: 219 / 255, chroma: 224 / 255 },
};

/** Cb and Cr of gray. */
const neutral = 128 / 255;

/**
 * RGB to YCbCr by ITU-R BT.601 (Y = 0.299 R + 0.587 G + 0.114 B of the encoded values), neither rounded nor clipped.
 *
 * @param rgb interleaved, 0..1. Y, Cb and Cr come as the 8-bit levels of the range over 255.
 * @param into may be `rgb` itself.
 */
export function rgbToYcbcr(rgb: Float32Array, into: Float32Array, range: YcbcrRange): void {
  invariant(rgb.length % 3 === 0 && into.length === rgb.length, "whole pixels of three channels");
  const { black, luma, chroma } = scalings[range];
  const perBlue = chroma / 1.772;
  const perRed = chroma / 1.402;
  for (let at = 0; at < rgb.length; at += 3) {
    const red = rgb[at]!;
    const blue = rgb[at + 2]!;
    const y = 0.299 * red + 0.587 * rgb[at + 1]! + 0.114 * blue;
    into[at] = black + luma * y;
    into[at + 1] = neutral + perBlue * (blue - y);
    into[at + 2] = neutral + perRed * (red - y);
  }
}

/** The inverse of {@link rgbToYcbcr}: a round trip returns within 10⁻⁶. Colours beyond RGB leave 0..1. */
export function ycbcrToRgb(ycbcr: Float32Array, into: Float32Array, range: YcbcrRange): void {
  invariant(ycbcr.length % 3 === 0 && into.length === ycbcr.length, "whole pixels of three channels");
  const { black, luma, chroma } = scalings[range];
  for (let at = 0; at < ycbcr.length; at += 3) {
    const y = (ycbcr[at]! - black) / luma;
    const red = y + (1.402 / chroma) * (ycbcr[at + 2]! - neutral);
    const blue = y + (1.772 / chroma) * (ycbcr[at + 1]! - neutral);
    into[at] = red;
    into[at + 1] = (y - 0.299 * red - 0.114 * blue) / 0.587;
    into[at + 2] = blue;
  }
}
