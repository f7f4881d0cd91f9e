import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { gaussianBlur } from "#agent/image/gaussian-blur.ts";
import { alignFace } from "./face-alignment.ts";
import { cosine, openFaceIdentity } from "./identity.ts";
import type { MemoryPicture } from "./memory-picture.ts";
import { readPicture } from "./read-picture.ts";

const shared = fileURLToPath(new URL("../../../shared/", import.meta.url));

test("a face is turned, scaled and moved to the template", () => {
  // Every pixel says where it is.
  const size = { width: 400, height: 300 };
  const picture: MemoryPicture = {
    ...size,
    data: Uint16Array.from({ length: size.width * size.height * 3 }, (_, i) => {
      const pixel = Math.floor(i / 3);
      return i % 3 === 0 ? (pixel % 400) * 100 : i % 3 === 1 ? Math.floor(pixel / 400) * 100 : 0;
    }),
    channels: 3,
  };
  // The template turned by 30 degrees, half as large, around (200, 150).
  const [cos, sin] = [Math.cos(Math.PI / 6) / 2, Math.sin(Math.PI / 6) / 2];
  const place = (u: number, v: number) =>
    [200 + cos * (u - 56) - sin * (v - 56), 150 + sin * (u - 56) + cos * (v - 56)] as const;
  const face = alignFace(picture, [
    place(38.2946, 51.6963),
    place(73.5318, 51.5014),
    place(56.0252, 71.7366),
    place(41.5493, 92.3655),
    place(70.7299, 92.2041),
  ]);
  for (const [u, v] of [
    [0, 0],
    [111, 3],
    [56, 56],
    [20, 100],
  ] as const) {
    const at = (v * 112 + u) * 3;
    const found = [...face.data.subarray(at, at + 2)].map((level) => (level * 257) / 100);
    expect(found[0]).toBeCloseTo(place(u, v)[0], 2);
    expect(found[1]).toBeCloseTo(place(u, v)[1], 2);
  }
});

/** The picture after a blur of so many pixels. */
function blurred(picture: MemoryPicture, sigma: number): MemoryPicture {
  const { data } = gaussianBlur({ ...picture, data: Float32Array.from(picture.data) }, sigma);
  return { ...picture, data: new Uint8Array(Uint8ClampedArray.from(data)) };
}

test.skipIf(!existsSync(`${shared}models`))(
  "a face is itself, a little less itself blurred, and nobody else (needs ../shared)",
  async () => {
    const astronaut = await readPicture(`${shared}photos/free/astronaut.png`);
    await using identity = await openFaceIdentity(`${shared}models`);
    expect(await identity.compare(astronaut, astronaut)).toEqual([expect.closeTo(1, 4)]);
    const [little] = await identity.compare(blurred(astronaut, 1), astronaut);
    const [much] = await identity.compare(blurred(astronaut, 4), astronaut);
    expect(little).toBeGreaterThan(0.85);
    expect(much).toBeLessThan(little! - 0.1);

    const own = await identity.embed(astronaut, (await identity.find(astronaut))[0]!);
    for (const name of ["kodim04", "kodim15"]) {
      const other = await readPicture(`${shared}benchmark/kodak24/${name}.png`);
      const [points] = await identity.find(other);
      expect(cosine(own, await identity.embed(other, points!))).toBeLessThan(0.4);
    }
    const flat = { ...astronaut, data: new Uint8Array(astronaut.data.length).fill(128) };
    expect(await identity.compare(astronaut, flat)).toEqual([]);
  },
);
