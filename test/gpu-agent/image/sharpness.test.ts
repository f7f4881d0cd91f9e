import sharp from "sharp";
import { expect, test } from "vitest";
import { measureSharpness } from "#agent/image/sharpness.ts";
import { grainy, kodakMissing, kodakPaths, mapped, paintScene, readScene, type Scene } from "./scene.ts";

async function blurred(scene: Scene, sigma: number): Promise<Scene> {
  const bytes = Uint8Array.from(scene.data, (level) => Math.round(Math.min(1, Math.max(0, level)) * 255));
  const raw = { width: scene.width, height: scene.height, channels: 3 } as const;
  const data = await sharp(bytes, { raw }).blur(sigma).raw().toBuffer();
  return { ...scene, data: Float32Array.from(data, (level) => level / 255) };
}

test("painted edges are perfectly sharp, and every blur takes some of it away", async () => {
  const scene = paintScene();
  const values = [measureSharpness([scene], 0)];
  for (const sigma of [0.8, 1.2, 2, 3, 5]) values.push(measureSharpness([await blurred(scene, sigma)], 0));
  expect(values[0]).toBe(1);
  expect(values).toEqual(values.toSorted((a, b) => b - a));
  expect(values[3]).toBeLessThan(0.4);
  expect(values.at(-1)).toBeLessThan(0.1);
});

test("contrast is not mistaken for sharpness", async () => {
  const soft = await blurred(paintScene(), 1.5);
  const pale = mapped(soft, (rgb) => rgb.map((level) => 0.3 + 0.4 * level));
  expect(measureSharpness([pale], 0)).toBeCloseTo(measureSharpness([soft], 0), 1);
});

test("grain that is known does not make a blurred photograph sharp", async () => {
  const soft = await blurred(paintScene(), 3);
  expect(measureSharpness([grainy(soft, 0.02)], 0.02)).toBeLessThan(0.4);
});

test("without a clear edge the answer is zero", () => {
  expect(measureSharpness([], 0)).toBe(0);
  expect(measureSharpness([mapped(paintScene(), () => [0.5, 0.5, 0.5])], 0)).toBe(0);
  expect(measureSharpness([paintScene(4, 4)], 0)).toBe(0);
});

test.skipIf(kodakMissing)("Kodak photographs are crisp, and soft after a blur of two pixels", async () => {
  for (const path of kodakPaths.slice(0, 3)) {
    const photograph = await readScene(path);
    expect(measureSharpness([photograph], 0.006)).toBeGreaterThan(0.7);
    expect(measureSharpness([await blurred(photograph, 2)], 0.006)).toBeLessThan(0.35);
  }
});
