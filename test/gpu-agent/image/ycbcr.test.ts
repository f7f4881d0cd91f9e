import { expect, test } from "vitest";
import { rgbToYcbcr, ycbcrToRgb, type YcbcrRange } from "#agent/image/ycbcr.ts";
import { seededRandom } from "./picture-fixture.ts";

/** In levels of 8 bits. */
function converted(rgb: readonly number[], range: YcbcrRange): number[] {
  const into = new Float32Array(3);
  rgbToYcbcr(
    Float32Array.from(rgb, (level) => level / 255),
    into,
    range,
  );
  return Array.from(into, (level) => level * 255);
}

// ITU-R BT.601 (studio, as MATLAB's rgb2ycbcr) and JFIF 1.02 (full): colour bars.
test.each([
  ["studio", [0, 0, 0], [16, 128, 128]],
  ["studio", [255, 255, 255], [235, 128, 128]],
  ["studio", [255, 0, 0], [81.481, 90.203, 240]],
  ["studio", [0, 255, 0], [144.553, 53.797, 34.214]],
  ["studio", [0, 0, 255], [40.966, 240, 109.786]],
  ["full", [0, 0, 0], [0, 128, 128]],
  ["full", [255, 255, 255], [255, 128, 128]],
  ["full", [255, 0, 0], [76.245, 84.9723, 255.5]],
  ["full", [0, 255, 0], [149.685, 43.5276, 21.2345]],
  ["full", [0, 0, 255], [29.07, 255.5, 107.2655]],
] as const)("%s: %j is %j", (range, rgb, expected) => {
  for (const [i, level] of converted(rgb, range).entries()) expect(level).toBeCloseTo(expected[i]!, 3);
});

test.each(["full", "studio"] as const)("%s comes back within 10⁻⁶, in place as well", (range) => {
  const rgb = Float32Array.from({ length: 3000 }, seededRandom(2));
  const there = new Float32Array(rgb.length);
  rgbToYcbcr(rgb, there, range);
  const back = rgb.slice();
  rgbToYcbcr(back, back, range);
  expect(back).toEqual(there);
  ycbcrToRgb(back, back, range);
  for (const [i, value] of back.entries()) expect(Math.abs(value - rgb[i]!)).toBeLessThan(1e-6);
});

test("torn pixels are a bug", () => {
  expect(() => rgbToYcbcr(new Float32Array(4), new Float32Array(4), "full")).toThrow();
  expect(() => ycbcrToRgb(new Float32Array(3), new Float32Array(6), "full")).toThrow();
});
