import type { Entropy } from "./ports.ts";

/** A length drawn evenly from 0 to `ms`, so that many who failed together do not come back together. */
export function fullJitter(ms: number, entropy: Entropy): number {
  return (new DataView(Uint8Array.from(entropy(4)).buffer).getUint32(0) / 2 ** 32) * ms;
}
