import { createManualClock } from "#shared/adapters/manual-clock.ts";
import { createMemoryQueue } from "#shared/adapters/memory-queue.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";
import { queueContract } from "./queue.contract.ts";

queueContract("memory queue", async () => {
  const clock = createManualClock();
  const deadLetters = createMemoryQueue({ clock, entropy: systemEntropy });
  const queue = createMemoryQueue({
    clock,
    entropy: systemEntropy,
    deadLetters: { queue: deadLetters, maxReceives: 3 },
  });
  return { queue, deadLetters, advance: (ms) => clock.advance(ms), close: async () => undefined };
});
