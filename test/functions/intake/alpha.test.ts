import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createIntakeFixture, samplesOf, type IntakeFixture } from "./intake-fixture.ts";
import { bicubic, resize } from "#agent/image/resample.ts";

let fixture: IntakeFixture;

beforeAll(async () => {
  fixture = await createIntakeFixture();
});

afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

const side = 64;
const radius = 22;
const scale = 4;
const disc = [220, 60, 40] as const;

/** How much of a pixel of a grid of `size` lies in the disc, by 8 × 8 points. */
function coverage(x: number, y: number, size: number): number {
  let inside = 0;
  for (let at = 0; at < 64; at += 1) {
    const dx = ((x + ((at % 8) + 0.5) / 8) / size - 0.5) * side;
    const dy = ((y + (Math.floor(at / 8) + 0.5) / 8) / size - 0.5) * side;
    if (dx * dx + dy * dy < radius * radius) inside += 1;
  }
  return inside / 64;
}

/** A disc with a smooth edge, over nothing; where nothing shows, this is stored. */
function discOver(under: readonly [number, number, number]): Promise<Buffer> {
  const data = Buffer.alloc(side * side * 4);
  for (let at = 0; at < side * side; at += 1) {
    const alpha = Math.round(255 * coverage(at % side, Math.floor(at / side), side));
    data.set([...(alpha > 0 ? disc : under), alpha], 4 * at);
  }
  return sharp(data, { raw: { width: side, height: side, channels: 4 } })
    .png()
    .toBuffer();
}

/** The worst difference from the disc itself, laid over `ground`, when colours and alpha are enlarged apart. */
async function worstFringe(colours: Uint16Array, alpha: Uint16Array, ground: number): Promise<number> {
  const enlarge = (samples: Uint16Array, channels: number) =>
    resize(
      { data: Float32Array.from(samples), width: side, height: side, channels },
      { width: scale * side, height: scale * side },
      bicubic,
    ).data;
  const clip = (value: number) => Math.min(255, Math.max(0, value));
  const [colour, opacity] = [enlarge(colours, 3), enlarge(alpha, 1)];
  let worst = 0;
  for (let at = 0; at < opacity.length; at += 1) {
    const share = clip(opacity[at]!) / 255;
    for (let channel = 0; channel < 3; channel += 1) {
      const shown = share * clip(colour[3 * at + channel]!) + (1 - share) * ground;
      // By the enlarged alpha itself: how sharp the edge is stands on another page.
      const due = share * disc[channel]! + (1 - share) * ground;
      worst = Math.max(worst, Math.abs(shown - due));
    }
  }
  return worst;
}

test("what is cut out keeps its colours to the edge when it is enlarged, whatever lies under nothing", async () => {
  for (const under of [
    [0, 0, 0],
    [255, 255, 255],
    [0, 255, 0],
  ] as const) {
    const file = await discOver(under);
    const raw = await sharp(file).raw().toBuffer();
    const stored = Uint16Array.from(raw).filter((_, at) => at % 4 !== 3);
    const { image, alpha } = await fixture.intake(file, "disc.png");
    const colours = await samplesOf(image, side * side * 3, 8);
    const opacity = await samplesOf(alpha!, side * side, 8);
    for (const ground of [0, 255]) {
      // Without the care taken at intake there is a fringe: this test can tell.
      if (ground !== under[0]) expect(await worstFringe(stored, opacity, ground)).toBeGreaterThan(10);
      expect(await worstFringe(colours, opacity, ground)).toBeLessThan(1);
    }
  }
});

test("pixels that show, however little, keep their own colours", async () => {
  const data = Buffer.from([10, 20, 30, 1, 0, 0, 0, 0, 200, 100, 50, 255, 0, 0, 0, 0]);
  const file = await sharp(data, { raw: { width: 4, height: 1, channels: 4 } })
    .png()
    .toBuffer();
  const { image } = await fixture.intake(file);
  const row = [...(await samplesOf(image, 12, 8))];
  expect([row.slice(0, 3), row.slice(6, 9), row.slice(9)]).toEqual([
    [10, 20, 30],
    [200, 100, 50],
    [200, 100, 50],
  ]);
});

test("colours spread across the bands in which a tall picture is read, up, down and sideways", async () => {
  const [width, height] = [40, 300];
  const data = Buffer.alloc(width * height * 4);
  // One visible pixel, next to where two bands meet.
  data.set([200, 100, 50, 255], 4 * (128 * width + 20));
  const file = await sharp(data, { raw: { width, height, channels: 4 } })
    .png()
    .toBuffer();
  const { image } = await fixture.intake(file);
  const samples = await samplesOf(image, width * height * 3, 8);
  const red = (x: number, y: number) => samples[3 * (y * width + x)];
  expect([red(20, 97), red(20, 127), red(20, 160), red(5, 128), red(30, 138)]).toEqual([
    200, 200, 200, 200, 200,
  ]);
  expect([red(20, 95), red(20, 161), red(0, 115)]).toEqual([0, 0, 0]);
});
