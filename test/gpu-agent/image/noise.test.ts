import { expect, test } from "vitest";
import { measureNoise } from "#agent/image/noise.ts";
import { grainy, kodakMissing, kodakPaths, mapped, paintScene, readScene, type Scene } from "./scene.ts";

const levels = (value: number) => value / 255;

/** A scene with texture over half of it: stripes and checks at the scale of pixels. */
function textured(): Scene {
  const scene = paintScene(320, 240);
  for (let y = 0; y < scene.height; y++) {
    for (let x = 0; x < scene.width / 2; x++) {
      const bump = (x % 3 === 0 ? 0.08 : 0) + ((x + y) % 2 === 0 ? 0.05 : 0);
      for (let channel = 0; channel < 3; channel++) scene.data[(y * scene.width + x) * 3 + channel]! += bump;
    }
  }
  return scene;
}

test("the grain of a textured scene is measured to a sixth, from two to twenty-five levels", () => {
  for (const sigma of [2, 5, 10, 25]) {
    const measured = measureNoise([grainy(textured(), levels(sigma))]);
    expect(measured).toBeGreaterThan(levels(sigma) * 0.83);
    expect(measured).toBeLessThan(levels(sigma) * 1.17);
  }
});

test("a clean scene has less than half a level of grain, however much texture it shows", () => {
  expect(measureNoise([textured()])).toBeLessThan(levels(0.5));
});

test("the measure does not depend on how the picture is cut into tiles", () => {
  const whole = grainy(paintScene(256, 128), levels(8));
  const half = (left: number): Scene => ({
    width: 128,
    height: 128,
    data: Float32Array.from({ length: 128 * 128 * 3 }, (_, at) => {
      const pixel = Math.floor(at / 3);
      return whole.data[(Math.floor(pixel / 128) * 256 + left + (pixel % 128)) * 3 + (at % 3)]!;
    }),
  });
  expect(measureNoise([half(0), half(128)])).toBeCloseTo(measureNoise([whole]), 10);
});

test("coarse grain, as a scanner or JPEG leaves it, is seen", () => {
  const coarse = grainy(paintScene(128, 96), levels(10));
  const doubled: Scene = {
    width: 256,
    height: 192,
    data: Float32Array.from({ length: 256 * 192 * 3 }, (_, at) => {
      const pixel = Math.floor(at / 3);
      const x = Math.floor((pixel % 256) / 2);
      const y = Math.floor(pixel / 512);
      return coarse.data[(y * 128 + x) * 3 + (at % 3)]!;
    }),
  };
  expect(measureNoise([doubled])).toBeGreaterThan(levels(7));
});

test("where nothing can be measured the answer is zero", () => {
  expect(measureNoise([])).toBe(0);
  expect(measureNoise([paintScene(15, 15)])).toBe(0);
  expect(measureNoise([mapped(paintScene(), () => [0, 1, 0])])).toBe(0);
});

test.skipIf(kodakMissing)(
  "grain added to Kodak photographs is measured within the grain they had",
  async () => {
    for (const path of kodakPaths.slice(0, 4)) {
      const photograph = await readScene(path);
      const own = measureNoise([photograph]);
      const measured = measureNoise([grainy(photograph, levels(10))]);
      expect(own).toBeLessThan(levels(5));
      expect(measured).toBeGreaterThan(levels(9));
      expect(measured).toBeLessThan(Math.hypot(levels(10.5), own));
    }
  },
);
