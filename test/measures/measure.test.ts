import { expect, test } from "vitest";
import { drawnPair } from "./drawn-pair.ts";
import { estimate } from "./estimates.ts";
import { measure } from "./measure.ts";
import { asColour, type MemoryPicture } from "./memory-picture.ts";
import { seededRandom } from "../gpu-agent/image/picture-fixture.ts";

test("equal pictures are as near as can be", () => {
  const { truth } = drawnPair(180, 176, 0);
  expect(measure(truth, truth)).toEqual({
    psnr: Infinity,
    psnrY: Infinity,
    ssim: expect.closeTo(1, 10),
    msSsim: expect.closeTo(1, 10),
    deltaE: 0,
    lowDeltaE: 0,
  });
});

test("more damage is worse by every measure", () => {
  const [little, much] = [1, 4].map((strength) => {
    const { truth, damaged } = drawnPair(180, 176, strength);
    return measure(damaged, truth, { borderPixels: 0 });
  });
  expect(little!.psnr).toBeGreaterThan(much!.psnr);
  expect(little!.psnrY).toBeGreaterThan(much!.psnrY);
  expect(little!.ssim).toBeGreaterThan(much!.ssim);
  expect(little!.msSsim).toBeGreaterThan(much!.msSsim!);
  expect(little!.deltaE).toBeLessThan(much!.deltaE);
  expect(little!.lowDeltaE).toBeLessThan(much!.lowDeltaE);
});

test("a picture too short for five scales has all other measures", () => {
  const { truth, damaged } = drawnPair(180, 176, 1);
  expect(measure(damaged, truth)).toHaveProperty("msSsim");
  expect(measure(damaged, truth, { borderPixels: 1 })).not.toHaveProperty("msSsim");
});

test("grain and blur are estimated of gray pictures and coloured ones alike", () => {
  const random = seededRandom(9);
  const squares: MemoryPicture = {
    data: Uint8Array.from({ length: 256 * 256 }, (_, i) => {
      const [x, y] = [i % 256, i >> 8];
      return 60 + 120 * (((x >> 5) + (y >> 5)) % 2) + 12 * (random() + random() + random() - 1.5);
    }),
    width: 256,
    height: 256,
    channels: 1,
  };
  const found = estimate(squares);
  // The sum of three has a standard deviation of a half: six levels.
  expect(found.noise * 255).toBeGreaterThan(5);
  expect(found.noise * 255).toBeLessThan(7);
  expect(found.sharpness).toBeGreaterThan(0.9);
  expect(estimate(asColour(squares))).toEqual(found);
});
