import { expect, test } from "vitest";
import { measureChroma } from "#agent/image/chroma.ts";
import {
  asGray,
  asSepia,
  faded,
  grainy,
  kodakMissing,
  kodakPaths,
  mapped,
  paintScene,
  readScene,
  sampled,
  type Scene,
} from "./scene.ts";

const kindOf = (scene: Scene) => {
  const { gray, sepia } = measureChroma(sampled(scene).overview);
  return gray ? "gray" : sepia ? "sepia" : "colour";
};
const flat = (scene: Scene) => faded(scene, [0.25, 0.25, 0.25], [0.7, 0.7, 0.65]);

test("colour, gray and sepia are told apart, with grain and faded", () => {
  const scene = paintScene();
  expect(kindOf(scene)).toBe("colour");
  expect(kindOf(grainy(flat(scene), 0.03))).toBe("colour");
  expect(kindOf(asGray(scene))).toBe("gray");
  expect(kindOf(grainy(asGray(scene), 0.04))).toBe("gray");
  expect(kindOf(asSepia(scene))).toBe("sepia");
  expect(kindOf(grainy(flat(asSepia(scene)), 0.02))).toBe("sepia");
});

test("a stain on a gray print leaves it gray or toned, a coloured third does not", () => {
  const scene = paintScene();
  const print = asGray(scene);
  const data = print.data.slice();
  for (let at = 0; at < data.length * 0.02; at += 3) data.set([0.7, 0.4, 0.1], at);
  expect(kindOf({ ...print, data })).not.toBe("colour");
  const third = Math.floor(print.height * 0.67) * print.width * 3;
  data.set(scene.data.subarray(third), third);
  expect(kindOf({ ...print, data })).toBe("colour");
});

test("a picture without any range is gray or undecided, never sepia", () => {
  expect(kindOf(mapped(paintScene(), () => [0.5, 0.5, 0.5]))).toBe("gray");
  expect(kindOf(mapped(paintScene(), () => [0.6, 0.5, 0.3]))).toBe("colour");
  expect(kindOf(paintScene(1, 1))).not.toBe("sepia");
});

test.skipIf(kodakMissing)("Kodak photographs are colour, and sepia once printed so", async () => {
  for (const path of kodakPaths.slice(4, 9)) {
    const photograph = await readScene(path);
    expect(kindOf(photograph)).toBe("colour");
    expect(kindOf(asSepia(photograph))).toBe("sepia");
    expect(kindOf(asGray(photograph))).toBe("gray");
  }
});
