/** Mean and standard deviation of samples, 0..1 of full scale. */
export interface Levels {
  mean: number;
  deviation: number;
}

/** What went into a model and what came out of it, over everything seen so far. */
export interface ModelLevels {
  input: Levels;
  output: Levels;
}

/** Sums from which {@link Levels} follow; filled tile by tile. */
export interface LevelSums {
  count: number;
  sum: number;
  squares: number;
}

/** No samples yet. */
export const noLevels = (): LevelSums => ({ count: 0, sum: 0, squares: 0 });

/** Of larger tensors every n-th sample is looked at, so that about this many are: the mean is then known to 1/1000. */
const samplesWanted = 50_000;

/** Adds the samples of a tensor whose white is `range`, or an even choice of them where there are many. */
export function addLevels(into: LevelSums, samples: Float32Array, range: number): void {
  // Odd, so that it wanders through the columns of a picture as wide as a power of two.
  const step = Math.floor(samples.length / samplesWanted / 2) * 2 + 1;
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < samples.length; i += step) {
    const sample = samples[i]!;
    sum += sample;
    squares += sample * sample;
  }
  into.count += Math.ceil(samples.length / step);
  into.sum += sum / range;
  into.squares += squares / (range * range);
}

/** The levels of everything added so far; all zero for nothing. */
export function levelsOf({ count, sum, squares }: LevelSums): Levels {
  if (count === 0) return { mean: 0, deviation: 0 };
  const mean = sum / count;
  return { mean, deviation: Math.sqrt(Math.max(0, squares / count - mean * mean)) };
}

/**
 * Why a model's output cannot be a restored version of its input, or nothing when it can: a picture with contrast
 * (deviation above 2/255) that came out flat (under a tenth of it), or brightness moved by more than 0.15. Reduced
 * precision fails in just these ways (GFPGAN in fp16 answers flat gray, GPEN-1024 black).
 * @param sigma of the noise that the model was to remove, 0..1: what is no more than that may come out flat.
 */
export function levelsProblem({ input, output }: ModelLevels, sigma = 0): "flat" | "shifted" | undefined {
  const contrast = Math.sqrt(Math.max(0, input.deviation ** 2 - sigma ** 2));
  if (contrast > 2 / 255 && output.deviation < 0.1 * contrast) return "flat";
  return Math.abs(output.mean - input.mean) > 0.15 ? "shifted" : undefined;
}
