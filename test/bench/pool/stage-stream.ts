import { seededRandom } from "../../chaos/seeded-random.ts";

/** A job of the stream: places of its models, in the order of its stages. */
export type StreamJob = readonly number[];

const PRESETS = 10;
const STAGES = { min: 2, max: 5 } as const;

/**
 * Jobs of ten presets, some far more frequent than others (Zipf); a preset is two to five different models in a fixed
 * order, and a stage is left out now and then, as a plan does. The same seed, the same jobs.
 */
export function stageStream({
  models,
  stages,
  seed,
}: {
  /** How many there are. */
  readonly models: number;
  /** At least so many in all. */
  readonly stages: number;
  readonly seed: number;
}): readonly StreamJob[] {
  const random = seededRandom(seed);
  const below = (end: number): number => Math.floor(random() * end);
  const presets = Array.from({ length: PRESETS }, () => {
    const left = Array.from({ length: models }, (_, place) => place);
    const length = STAGES.min + below(STAGES.max - STAGES.min + 1);
    return Array.from({ length }, () => left.splice(below(left.length), 1)[0]!);
  });
  const weights = presets.map((_, rank) => 1 / (rank + 1));
  const weightOfAll = weights.reduce((sum, weight) => sum + weight, 0);

  function draw(): StreamJob {
    let rest = random() * weightOfAll;
    const preset = presets[weights.findIndex((weight) => (rest -= weight) <= 0)] ?? presets[0]!;
    return preset.filter((_, place) => place === 0 || random() > 0.12);
  }

  const jobs: StreamJob[] = [];
  for (let count = 0; count < stages; count += jobs.at(-1)!.length) jobs.push(draw());
  return jobs;
}
