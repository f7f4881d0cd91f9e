/**
 * `npm run bench:example`: how much nearer the restored example is to its original than a plain enlargement, with the
 * npm weights alone, and what each stage contributes. Y-PSNR against examples/portrait.original.png, brought to its
 * size. Keys of the last line: psnr_restored, psnr_bicubic.
 */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { MemoryPicture } from "../measures/memory-picture.ts";
import { psnr } from "../measures/psnr.ts";
import { readPicture } from "../measures/read-picture.ts";
import { openBenchStack, type BenchStack } from "./bench-stack.ts";
import { bicubic, lanczos3, resize, type Kernel } from "#agent/image/resample.ts";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const EXAMPLE = at("../../examples/portrait.jpg");
const ORIGINAL = at("../../examples/portrait.original.png");
const BETTER_MODELS = at("../../../shared/models");
const BORDER_PX = 4;

function enlarged(
  picture: MemoryPicture,
  size: { width: number; height: number },
  kernel: Kernel,
): MemoryPicture {
  const { data } = resize(
    { data: Float32Array.from(picture.data), width: picture.width, height: picture.height, channels: 3 },
    size,
    kernel,
  );
  return {
    data: Uint8Array.from(data, (value) => Math.max(0, Math.min(255, Math.round(value)))),
    ...size,
    channels: 3,
  };
}

const original = await readPicture(ORIGINAL);
const size = { width: original.width, height: original.height };
const score = (picture: MemoryPicture): number => {
  const same =
    picture.width === size.width && picture.height === size.height
      ? picture
      : enlarged(picture, size, bicubic);
  return psnr(same, original, { over: "y", borderPixels: BORDER_PX });
};
const restored = async (stack: BenchStack, operations: Record<string, unknown>): Promise<number> => {
  const done = await stack.restore(readFileSync(EXAMPLE), { operations }, "image/jpeg");
  return score(await readPicture(await stack.download(done.output?.url ?? "")));
};

const input = await readPicture(EXAMPLE);
const rows: [string, number][] = [
  ["the input, bicubic", score(enlarged(input, size, bicubic))],
  ["the input, Lanczos 3", score(enlarged(input, size, lanczos3))],
];
const figures: Record<string, number> = { psnr_bicubic: rows[0]?.[1] ?? Number.NaN };
{
  await using npm = await openBenchStack({ models: "none" });
  rows.push(["tone alone, then bicubic", await restored(npm, { upscale: 1 })]);
  rows.push(["esrgan-thick alone", await restored(npm, { tone: false })]);
  figures["psnr_restored"] = await restored(npm, {});
  rows.push(["all stages, npm weights", figures["psnr_restored"]]);
}
if (existsSync(BETTER_MODELS)) {
  await using better = await openBenchStack({ models: BETTER_MODELS });
  rows.push(["realesr-general-x4v3 alone", await restored(better, { tone: false })]);
  figures["psnr_restored_general"] = await restored(better, {});
  rows.push(["all stages, realesr-general-x4v3", figures["psnr_restored_general"]]);
}
const base = figures["psnr_bicubic"] ?? Number.NaN;
for (const [name, value] of rows)
  process.stdout.write(
    `${name.padEnd(34)} ${value.toFixed(2)} dB  ${value >= base ? "+" : ""}${(value - base).toFixed(2)}\n`,
  );
process.stdout.write(
  `${JSON.stringify(Object.fromEntries(Object.entries(figures).map(([key, value]) => [key, Math.round(value * 100) / 100])))}\n`,
);
process.exit(0);
