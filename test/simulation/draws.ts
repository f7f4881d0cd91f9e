import type { Entropy } from "#shared/ports.ts";
import { seededRandom } from "../chaos/seeded-random.ts";

/** One stream of chance. Each purpose of a run has its own, so that switching one fault off leaves the other draws alone. */
export interface Draws {
  /** Uniform in [0, 1). */
  unit(): number;
  chance(probability: number): boolean;
  between(low: number, high: number): number;
  /** As likely in every decade: for rates and lengths of which only the order of magnitude is known. */
  decades(low: number, high: number): number;
  /** The time to the next of events that come by chance, `mean` apart. */
  exponential(mean: number): number;
  pick<T>(from: readonly T[]): T;
  entropy: Entropy;
}

export function createDraws(seed: number, purpose: string): Draws {
  let hash = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b);
  for (let i = 0; i < purpose.length; i++) hash = Math.imul(hash ^ purpose.charCodeAt(i), 0x01000193);
  const unit = seededRandom(hash);
  for (let i = 0; i < 4; i++) unit();
  return {
    unit,
    chance: (probability) => probability > 0 && unit() < probability,
    between: (low, high) => low + unit() * (high - low),
    decades: (low, high) => low * (high / low) ** unit(),
    exponential: (mean) => -mean * Math.log(1 - unit()),
    pick: (from) => from[Math.floor(unit() * from.length)]!,
    entropy(bytes) {
      const drawn = new Uint8Array(bytes);
      for (let i = 0; i < bytes; i++) drawn[i] = unit() * 256;
      return drawn;
    },
  };
}
