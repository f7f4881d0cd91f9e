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

/** Adds all samples of a tensor whose white is `range`. The sums turn non-finite exactly when a sample is. */
export function addLevels(into: LevelSums, samples: Float32Array, range: number): void {
  // Four independent sums: a single chain of additions would wait for itself.
  let sum0 = 0;
  let sum1 = 0;
  let squares0 = 0;
  let squares1 = 0;
  const even = samples.length - (samples.length % 2);
  for (let i = 0; i < even; i += 2) {
    const a = samples[i]!;
    const b = samples[i + 1]!;
    sum0 += a;
    sum1 += b;
    squares0 += a * a;
    squares1 += b * b;
  }
  const rest = even < samples.length ? samples[even]! : 0;
  into.count += samples.length;
  into.sum += (sum0 + sum1 + rest) / range;
  into.squares += (squares0 + squares1 + rest * rest) / (range * range);
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
 */
export function levelsProblem({ input, output }: ModelLevels): "flat" | "shifted" | undefined {
  if (input.deviation > 2 / 255 && output.deviation < 0.1 * input.deviation) return "flat";
  return Math.abs(output.mean - input.mean) > 0.15 ? "shifted" : undefined;
}
