/**
 * The light that an sRGB value stands for: the transfer function of IEC 61966-2-1, a straight line near black and a
 * power of 2.4 above. 0..1 to 0..1; there and back returns within 10⁻⁷.
 */
export function srgbToLinear(value: number): number {
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

/** The inverse of {@link srgbToLinear}. */
export function linearToSrgb(light: number): number {
  return light <= 0.0031308 ? light * 12.92 : 1.055 * light ** (1 / 2.4) - 0.055;
}
