/**
 * `npm run fit:fading`: fits the weights of gpu-agent/image/fading.ts on photographs whose truth is known, faded at
 * random, and prints them. The pictures are Set5, Set14 and some of ../shared/photos/edge with cuttings of each; Kodak24
 * and the portrait of the examples stay out, because the benchmarks judge by them. The fades vary more than the ones of
 * `bench:quality`: up to twice as far, each channel straying on its own; two of three yellow the paper as age does, the
 * others, like dyes, go any way. Keys of the last line: scenes, rms_black, rms_white (of the fit, levels 0..1).
 */
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { Matrix, solve } from "ml-matrix";
import { fadingFeatures, type FadedEnds } from "#agent/image/fading.ts";
import { createPixelSampler } from "#agent/image/pixel-sample.ts";
import { channelEnds, withoutSpecks } from "#agent/image/tone-ends.ts";
import { seededRandom } from "../gpu-agent/image/picture-fixture.ts";
import type { MemoryPicture } from "../measures/memory-picture.ts";
import { readPicture } from "../measures/read-picture.ts";
import { normal } from "./quality/old-photo.ts";
import { crop, isBenchmarkHere, readSet } from "./quality/truths.ts";

const EDGE = fileURLToPath(new URL("../../../shared/photos/edge", import.meta.url));
const SEED = 12;
const FADES_PER_SCENE = 40;
/** Share of the scenes that have not faded: they teach restraint. */
const SOUND_SHARE = 0.15;
const YELLOWED_SHARE = 2 / 3;
/** Of the ridge, with the features at unit variance. */
const PENALTY = 0.05;
/** Side of a cutting, and where it begins, as shares of the picture. */
const CUTTING = 0.65;
const CUTTINGS = [
  [0, 0],
  [0.35, 0],
  [0, 0.35],
  [0.35, 0.35],
  [0.17, 0.17],
] as const;

if (isBenchmarkHere()) await fit();
else process.stdout.write("skipped: the pictures are not here (../shared/benchmark)\n{}\n");

async function fit(): Promise<void> {
  const random = seededRandom(SEED);
  const scenes = (await readPictures()).flatMap(scenesOf);
  const features: number[][] = [];
  const targets: number[][] = [];
  for (const scene of scenes) {
    for (let count = 0; count < FADES_PER_SCENE; count += 1) {
      const ends = drawFade(random);
      features.push(fadingFeatures(channelEnds(faded(scene, ends, random))));
      targets.push([...ends.black, ...ends.white]);
    }
  }
  const weights = ridge(new Matrix(features), new Matrix(targets));
  for (const row of weights) {
    process.stdout.write(`  [${row.map((weight) => weight.toFixed(3)).join(", ")}],\n`);
  }
  const errors = features.map((row, i) =>
    weights.map(([constant = 0, ...factors], channel) =>
      factors.reduce((sum, factor, at) => sum + factor * row[at]!, constant - targets[i]![channel]!),
    ),
  );
  const rms = (channels: readonly number[]): number =>
    Math.sqrt(
      errors.reduce((sum, row) => sum + channels.reduce((part, at) => part + row[at]! ** 2, 0), 0) /
        (errors.length * channels.length),
    );
  const round = (value: number): number => Math.round(value * 1e4) / 1e4;
  const figures = {
    scenes: scenes.length,
    rms_black: round(rms([0, 1, 2])),
    rms_white: round(rms([3, 4, 5])),
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}

async function readPictures(): Promise<MemoryPicture[]> {
  const edge = (await readdir(EDGE)).filter((name) => name.endsWith(".jpg")).toSorted();
  const pictures = [
    ...(await readSet("set5", 1)).map(({ picture }) => picture),
    ...(await readSet("set14", 1)).map(({ picture }) => picture),
    ...(await Promise.all(edge.map((name) => readPicture(join(EDGE, name))))),
  ];
  return pictures.filter(({ channels }) => channels === 3);
}

/** The picture and its cuttings, as the measurement sees them. */
function scenesOf(picture: MemoryPicture): Float32Array[] {
  const width = Math.floor(CUTTING * picture.width);
  const height = Math.floor(CUTTING * picture.height);
  const cuttings = CUTTINGS.map(([x, y]) =>
    crop(picture, { width, height, x: Math.floor(x * picture.width), y: Math.floor(y * picture.height) }),
  );
  return [picture, ...cuttings].map((part) => {
    const sampler = createPixelSampler(part);
    sampler.push(part.data);
    return withoutSpecks(sampler.finish().overview);
  });
}

function drawFade(random: () => number): FadedEnds {
  const depth = random() < SOUND_SHARE ? 0 : 0.2 + 1.8 * random();
  const isYellowed = random() < YELLOWED_SHARE;
  const rise = 0.12 + 0.03 * normal(random);
  const fall = (isYellowed ? 0.02 : 0.025) * normal(random);
  const falls = isYellowed ? [0.07, 0.11, 0.15] : [0.11, 0.11, 0.11];
  const stray = isYellowed ? 0.025 : 0.04;
  return {
    black: falls.map(() => Math.min(0.42, Math.max(0, depth * (rise + 0.03 * normal(random))))),
    white: falls.map((each) =>
      Math.min(1, Math.max(0.5, 1 - depth * (each + fall + stray * normal(random)))),
    ),
  };
}

function faded(scene: Float32Array, { black, white }: FadedEnds, random: () => number): Float32Array {
  return Float32Array.from(scene, (level, i) => {
    const low = black[i % 3]!;
    return Math.min(1, Math.max(0, low + (white[i % 3]! - low) * level + 0.004 * normal(random)));
  });
}

/** The weights by target: a constant, then one factor for each feature as it is. */
function ridge(features: Matrix, targets: Matrix): number[][] {
  const means = features.mean("column");
  const deviations = features.standardDeviation("column");
  const scaled = features.clone().subRowVector(means).divRowVector(deviations);
  const middle = targets.mean("column");
  const left = scaled.transpose().mmul(scaled);
  left.add(Matrix.eye(features.columns).mul(PENALTY * features.rows));
  const factors = solve(left, scaled.transpose().mmul(targets.clone().subRowVector(middle)));
  return middle.map((level, target) => {
    const own = means.map((_, feature) => factors.get(feature, target) / deviations[feature]!);
    return [own.reduce((sum, factor, i) => sum - factor * means[i]!, level), ...own];
  });
}
