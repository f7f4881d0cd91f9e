/** The engines behind the ports, as bad as the seed has them. */
import { createBlobEngine, type BlobEngine } from "./blob-engine.ts";
import type { Draws } from "./draws.ts";
import type { Rates } from "./profile.ts";
import { createQueueEngine, NO_MISCHIEF, type QueueEngine } from "./queue-engine.ts";
import { createStoreEngine, type Change, type StoreEngine } from "./store-engine.ts";
import type { Loop } from "./virtual-time.ts";

export interface Engines {
  readonly store: StoreEngine;
  readonly queue: QueueEngine;
  readonly deadLetters: QueueEngine;
  readonly blobs: BlobEngine;
}

/** Receipts of one message, where the seed has no dead letters. */
const RECEIVES_MAX = 1_000;

export function createEngines(parts: {
  readonly loop: Loop;
  readonly draws: (purpose: string) => Draws;
  /** As drawn; and as they are now. */
  readonly harm: Rates;
  readonly rates: () => Rates;
  readonly onCommit: (changes: readonly Change[]) => void;
  /** The queue has taken this message. */
  readonly onSent: (body: string) => void;
}): Engines {
  const { loop, draws, harm, rates } = parts;
  const mischief = draws("queue");
  const deadLetters = createQueueEngine({ loop, mischief: NO_MISCHIEF });
  const lag = {
    draw: () => draws("lag").unit() ** 4 * rates().indexLagMs,
    after: (ms: number, act: () => void) => void loop.after(ms, act),
  };
  return {
    store: createStoreEngine({
      now: loop.now,
      onCommit: parts.onCommit,
      ...(harm.indexLagMs > 0 ? { lag } : {}),
    }),
    queue: createQueueEngine({
      loop,
      onSent: parts.onSent,
      mischief: {
        loses: () => mischief.chance(rates().messagesLost),
        doubles: () => mischief.chance(rates().messagesDoubled),
        heedsStale: () => mischief.chance(rates().staleReceiptsHeeded),
        redelivers: () => rates().redeliveryOff === 0,
      },
      deadLetters: {
        queue: deadLetters,
        maxReceives: harm.deadLetterAfter > 0 ? Math.ceil(harm.deadLetterAfter) : RECEIVES_MAX,
      },
    }),
    deadLetters,
    blobs: createBlobEngine(),
  };
}
