import { createManualClock } from "#shared/adapters/manual-clock.ts";
import { createMemoryQueue } from "#shared/adapters/memory-queue.ts";
import { VISIBILITY_MS } from "#shared/domain/limits.ts";
import { createLog } from "#shared/log.ts";
import type { Entropy, Queue } from "#shared/ports.ts";
import { runSupervisor } from "#agent/supervisor.ts";
import { createFakeControl, type FakeControl } from "./fake-control.ts";
import { createFakeWorker } from "./fake-worker.ts";

/** Distinct every time, and exactly half way for whoever takes jitter from it. */
function countingEntropy(): Entropy {
  let count = 0;
  return (bytes) => {
    const drawn = new Uint8Array(Math.max(bytes, 8));
    drawn[0] = 128;
    new DataView(drawn.buffer).setUint32(4, (count += 1));
    return drawn.subarray(0, bytes);
  };
}

/** A supervisor on a clock that stands still, a queue in memory, and workers and a control plane that the test steers. */
export async function startAgent(
  options: {
    slots?: number;
    drainGraceMs?: number;
    prepare?: (control: FakeControl) => void;
    /** Changes what the queue does. */
    queue?: (queue: Queue) => Queue;
  } = {},
) {
  const clock = createManualClock();
  const entropy = countingEntropy();
  const { drainGraceMs = 0, queue: changed = (same: Queue) => same } = options;
  const queue = changed(createMemoryQueue({ clock, entropy }));
  const control = createFakeControl();
  const workers = Array.from({ length: options.slots ?? 1 }, createFakeWorker);
  const lines: string[] = [];
  const log = createLog({ level: "debug", now: clock.now, write: (line) => lines.push(line) });
  const stop = new AbortController();
  options.prepare?.(control);
  const ids: string[] = [];
  const onReady = (id: string): void => void ids.push(id);
  const running = runSupervisor(
    { control, queue, workers, clock, entropy, log, onReady, drainGraceMs: () => drainGraceMs },
    stop.signal,
  );
  running.catch(() => undefined);
  await clock.advance(0);
  return {
    clock,
    queue,
    control,
    worker: workers[0]!,
    workers,
    lines,
    /** The ids it was known by. */
    ids,
    running,
    stop,
    ring: async (job = "job_1") => {
      await queue.send([{ body: JSON.stringify({ job }) }]);
      await clock.advance(0);
    },
    /** How many bells lie in the queue, hidden ones included. */
    bells: async () => {
      await clock.advance(VISIBILITY_MS);
      return (await queue.receive({ max: 10, waitMs: 0, visibilityMs: 1_000 })).length;
    },
    async drain() {
      stop.abort();
      await clock.advance(10_000);
      await running;
    },
  };
}
