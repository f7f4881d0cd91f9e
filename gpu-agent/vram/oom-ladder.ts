import { Fault } from "#shared/domain/fault.ts";

/** A run that was refused memory, and what has been tried for it. */
export interface OomCase {
  readonly model: string;
  readonly tilePixels: number;
  /** The smallest tile that the model can work with; its one size where it has only one. */
  readonly tilePixelsMin: number;
  /** Of the model's session: only a small one is fast enough on the processor. */
  readonly sessionBytes: number;
  readonly tried: readonly OomStep["kind"][];
}

export type OomStep =
  | { readonly kind: "smaller-tile"; readonly tilePixels: number }
  | { readonly kind: "evict-idle" }
  | { readonly kind: "recycle" }
  | { readonly kind: "cpu" }
  | { readonly kind: "fail"; readonly fault: Fault };

/** Half, a quarter, an eighth. */
const SMALLER_TILES_MAX = 3;
const CPU_MODEL_BYTES_MAX = 256 * 2 ** 20;

/**
 * What to do next when a run lacks memory, the cheapest first: a smaller tile; the memory of idle models; a new worker,
 * which has piled up nothing; the processor, for small models. Each is tried once, smaller tiles three times; then it
 * fails as `memory_exhausted`.
 */
export function nextOomStep({ model, tilePixels, tilePixelsMin, sessionBytes, tried }: OomCase): OomStep {
  const half = Math.floor(tilePixels / 2);
  const halvings = tried.filter((kind) => kind === "smaller-tile").length;
  if (half >= tilePixelsMin && halvings < SMALLER_TILES_MAX)
    return { kind: "smaller-tile", tilePixels: half };
  if (!tried.includes("evict-idle")) return { kind: "evict-idle" };
  if (!tried.includes("recycle")) return { kind: "recycle" };
  if (!tried.includes("cpu") && sessionBytes <= CPU_MODEL_BYTES_MAX) return { kind: "cpu" };
  const message = `There is not enough memory for the model ${model}, even with small tiles and nothing else loaded.`;
  return { kind: "fail", fault: new Fault("busy", "memory_exhausted", message) };
}
