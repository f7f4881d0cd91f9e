import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { createManualClock, type ManualClock } from "#shared/adapters/manual-clock.ts";
import { createMemoryQueue } from "#shared/adapters/memory-queue.ts";
import { openSqliteQueue } from "#shared/adapters/sqlite-queue.ts";
import { openSqsQueue } from "#shared/adapters/sqs-queue.ts";
import { createSqsQueue, deleteSqsQueue } from "#shared/adapters/sqs-resources.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";
import { Fault } from "#shared/domain/fault.ts";
import { createLog } from "#shared/log.ts";
import { type ConsumerAsk, runConsumer } from "#shared/queue-consumer.ts";
import type { Delivery, Queue } from "#shared/ports.ts";
import { awsEngine } from "./aws-engines.ts";
import { temporaryFolder } from "./temporary-folder.ts";

interface Line extends Record<string, unknown> {
  readonly level: string;
  readonly event: string;
}

const VISIBILITY_MS = 30_000;

/** A consumer of a memory queue that runs until it is stopped. `through` stands between the two. */
function startConsumer(
  ask: Partial<ConsumerAsk> & Pick<ConsumerAsk, "handle">,
  through: (queue: Queue, clock: ManualClock) => Queue = (queue) => queue,
) {
  const clock = createManualClock();
  const queue = createMemoryQueue({ clock, entropy: systemEntropy });
  const lines: Line[] = [];
  const log = createLog({
    level: "debug",
    write: (line) => lines.push(JSON.parse(line) as Line),
    now: () => clock.now(),
  });
  const abort = new AbortController();
  const doors = { queue: through(queue, clock), clock, log, entropy: () => new Uint8Array(4).fill(255) };
  const running = runConsumer(
    doors,
    { name: "uploads", atOnce: 4, visibilityMs: VISIBILITY_MS, ...ask },
    abort.signal,
  );
  return {
    clock,
    queue,
    lines,
    running,
    abort: () => abort.abort(new Error("stopping")),
    /** What is there for anybody else, and is again a millisecond later. */
    async left() {
      const taken = await queue.receive({ max: 10, waitMs: 0, visibilityMs: 1 });
      await clock.advance(1);
      return taken;
    },
    async [Symbol.asyncDispose]() {
      abort.abort(new Error("stopping"));
      await running;
    },
  };
}

function bodies(deliveries: readonly Delivery[]): string[] {
  return deliveries.map(({ body }) => body).toSorted();
}

/** Resolves when told to, once for each call. */
function createGate() {
  const waiting: (() => void)[] = [];
  return {
    pass: () => new Promise<void>((resolve) => waiting.push(resolve)),
    open: (count = Infinity) => waiting.splice(0, count).forEach((resolve) => resolve()),
    waiting: () => waiting.length,
  };
}

test("what was handled is deleted, many at a time", async () => {
  const handled: string[] = [];
  const deletes: number[] = [];
  const gate = createGate();
  await using consumer = startConsumer(
    {
      handle: async ({ body }) => {
        await gate.pass();
        handled.push(body);
      },
    },
    (queue) => ({ ...queue, delete: (receipts) => (deletes.push(receipts.length), queue.delete(receipts)) }),
  );
  await consumer.queue.send(["a", "b", "c", "d"].map((body) => ({ body })));
  await consumer.clock.advance(1);
  gate.open();
  await consumer.clock.advance(10 * VISIBILITY_MS);
  expect(handled.toSorted()).toEqual(["a", "b", "c", "d"]);
  expect(deletes).toEqual([4]);
  expect(await consumer.left()).toEqual([]);
});

test("no more run at once than allowed, and no more are taken from the queue", async () => {
  const gate = createGate();
  await using consumer = startConsumer({ handle: () => gate.pass() });
  await consumer.queue.send(Array.from({ length: 11 }, (_, i) => ({ body: `m${i}` })));
  const seen: { running: number; left: number }[] = [];
  for (const done of [1, 2, Infinity, Infinity]) {
    await consumer.clock.advance(1);
    seen.push({ running: gate.waiting(), left: (await consumer.left()).length });
    gate.open(done);
  }
  expect(seen).toEqual([
    { running: 4, left: 7 },
    { running: 4, left: 6 },
    { running: 4, left: 4 },
    { running: 4, left: 0 },
  ]);
});

test("a message whose handler throws comes again by itself, and the others are done with", async () => {
  const tries: string[] = [];
  await using consumer = startConsumer({
    handle: async ({ body, receives }) => {
      tries.push(`${body}${receives}`);
      if (body === "late" && receives === 1) throw new Fault("busy", "store_busy", "Try again.");
      if (body === "bug" && receives === 1) throw new TypeError("nobody expected this");
    },
  });
  await consumer.queue.send(["late", "fine", "bug"].map((body) => ({ body })));
  await consumer.clock.advance(VISIBILITY_MS - 1);
  expect(tries.toSorted()).toEqual(["bug1", "fine1", "late1"]);
  await consumer.clock.advance(1);
  expect(tries.slice(3).toSorted()).toEqual(["bug2", "late2"]);
  expect(await consumer.left()).toEqual([]);
  expect(consumer.lines.map(({ level, event }) => `${level} ${event}`).toSorted()).toEqual([
    "error uploads_failed",
    "warn uploads_failed",
  ]);
});

test("a message stays hidden for as long as its handler runs", async () => {
  const gate = createGate();
  await using consumer = startConsumer({ handle: () => gate.pass() });
  await consumer.queue.send([{ body: "long" }]);
  for (let i = 0; i < 10; i++) {
    await consumer.clock.advance(VISIBILITY_MS / 3);
    expect(await consumer.left()).toEqual([]);
  }
  gate.open();
  await consumer.clock.advance(10 * VISIBILITY_MS);
  expect(gate.waiting()).toBe(0);
  expect(await consumer.left()).toEqual([]);
});

test("a handler that runs for too long is aborted, and its message comes again meanwhile", async () => {
  const seen: string[] = [];
  const gate = createGate();
  await using consumer = startConsumer({
    handleMs: 60_000,
    handle: async ({ receives }, signal) => {
      if (receives === 1) await gate.pass();
      signal.throwIfAborted();
      seen.push(`handled ${receives}`);
    },
  });
  await consumer.queue.send([{ body: "endless" }]);
  await consumer.clock.advance(60_000 + VISIBILITY_MS);
  expect(seen).toEqual(["handled 2"]);
  gate.open();
  await consumer.clock.advance(10 * VISIBILITY_MS);
  expect(seen).toEqual(["handled 2"]);
  expect(consumer.lines).toMatchObject([
    { level: "error", event: "uploads_failed", error: { message: "the handler ran for more than 60000 ms" } },
  ]);
});

test("what nobody can read is put aside, logged without its content, and deleted", async () => {
  const aside: string[] = [];
  await using consumer = startConsumer({
    handle: async ({ body }) => {
      if (body !== "fine") throw new Fault("input", "message_unreadable", "This is no announcement.");
    },
    onUnreadable: async ({ body }, reason) => void aside.push(`${body}: ${reason}`),
  });
  await consumer.queue.send(["fine", "secret"].map((body) => ({ body })));
  await consumer.clock.advance(10 * VISIBILITY_MS);
  expect(aside).toEqual(["secret: This is no announcement."]);
  expect(await consumer.left()).toEqual([]);
  expect(consumer.lines).toMatchObject([{ level: "warn", event: "uploads_unreadable", characters: 6 }]);
  expect(JSON.stringify(consumer.lines)).not.toContain("secret");
});

test("what could not be put aside is not deleted", async () => {
  await using consumer = startConsumer({
    handle: () => Promise.reject(new Fault("input", "message_unreadable", "This is no announcement.")),
    onUnreadable: ({ receives }) =>
      receives === 1 ? Promise.reject(new Fault("busy", "store_busy", "Try again.")) : Promise.resolve(),
  });
  await consumer.queue.send([{ body: "x" }]);
  await consumer.clock.advance(1);
  expect(consumer.lines.map(({ event }) => event)).toEqual([
    "uploads_unreadable",
    "uploads_put_aside_failed",
  ]);
  await consumer.clock.advance(10 * VISIBILITY_MS);
  expect(consumer.lines.map(({ event }) => event).slice(2)).toEqual(["uploads_unreadable"]);
  expect(await consumer.left()).toEqual([]);
});

test("a stop receives nothing more, waits for the handlers, and returns at once what they leave", async () => {
  const gate = createGate();
  const consumer = startConsumer({
    handle: async ({ body }, signal) => {
      await gate.pass();
      if (body === "left") signal.throwIfAborted();
    },
  });
  await consumer.queue.send(["done", "left"].map((body) => ({ body })));
  await consumer.clock.advance(1);
  consumer.abort();
  await consumer.queue.send([{ body: "later" }]);
  let hasEnded = false;
  const ending = consumer.running.then(() => (hasEnded = true));
  await consumer.clock.advance(2 * VISIBILITY_MS);
  expect(hasEnded).toBe(false);
  expect(bodies(await consumer.left())).toEqual(["later"]);
  gate.open();
  await ending;
  expect(bodies(await consumer.left())).toEqual(["later", "left"]);
});

test("what a stop meets on its way from the queue is returned at once", async () => {
  const seen: string[] = [];
  const stop: { now: () => void } = { now: () => undefined };
  const consumer = startConsumer({ handle: async ({ body }) => void seen.push(body) }, (queue) => ({
    ...queue,
    receive: async (ask, signal) => {
      const taken = await queue.receive(ask, signal);
      stop.now();
      return taken;
    },
  }));
  stop.now = consumer.abort;
  await consumer.queue.send([{ body: "x" }]);
  await consumer.running;
  expect(seen).toEqual([]);
  expect(await consumer.left()).toMatchObject([{ body: "x", receives: 2 }]);
});

test("a queue that fails is asked again after pauses that grow to 30 s, and served when it is back", async () => {
  const askedAt: number[] = [];
  const handled: string[] = [];
  let isDown = true;
  await using consumer = startConsumer(
    { handle: async ({ body }) => void handled.push(body) },
    (queue, clock) => ({
      ...queue,
      receive: async (ask, signal) => {
        askedAt.push(clock.now());
        if (isDown) throw new Fault("busy", "queue_busy", "Try again.");
        return queue.receive(ask, signal);
      },
    }),
  );
  await consumer.queue.send([{ body: "x" }]);
  await consumer.clock.advance(120_000);
  const pauses = askedAt.slice(1).map((at, i) => Math.round((at - (askedAt[i] ?? 0)) / 1_000));
  expect(pauses).toEqual([1, 2, 4, 8, 16, 30, 30]);
  expect(
    consumer.lines.every(({ level, event }) => level === "warn" && event === "uploads_receive_failed"),
  ).toBe(true);
  expect(consumer.lines).toHaveLength(8);
  isDown = false;
  await consumer.clock.advance(30_000);
  expect(handled).toEqual(["x"]);
  isDown = true;
  await consumer.clock.advance(30_000);
  expect(consumer.lines.slice(8, 10)).toMatchObject([
    { failures: 1, pauseMs: expect.closeTo(1_000, 0) },
    { failures: 2, pauseMs: expect.closeTo(2_000, 0) },
  ]);
});

test("a delete and an extend that fail are logged, and the consumer goes on", async () => {
  const gate = createGate();
  const refuse = (): Promise<void> => Promise.reject(new Fault("busy", "queue_busy", "Try again."));
  await using consumer = startConsumer({ handle: () => gate.pass() }, (queue) => ({
    ...queue,
    extend: refuse,
    delete: refuse,
  }));
  await consumer.queue.send([{ body: "x" }]);
  await consumer.clock.advance(VISIBILITY_MS / 2);
  gate.open();
  await consumer.clock.advance(VISIBILITY_MS / 2);
  expect(consumer.lines.map(({ event }) => event)).toEqual([
    "uploads_extend_failed",
    "uploads_delete_failed",
  ]);
  expect(gate.waiting()).toBe(1);
  gate.open();
});

test("a consumer without sensible limits does not start", async () => {
  for (const ask of [{ atOnce: 0 }, { atOnce: 65 }, { visibilityMs: 1_000 }, { waitMs: 0 }]) {
    const { running } = startConsumer({ handle: async () => undefined, ...ask });
    await expect(running).rejects.toThrow("invariant broken");
  }
});

const sqs = awsEngine("sqs");
const engines: Record<string, () => Promise<{ queue: Queue; close: () => Promise<void> }>> = {
  "sqlite queue": async () => {
    const folder = await temporaryFolder();
    const path = join(folder.path, "queue.db");
    const queue = await openSqliteQueue({
      path,
      name: "uploads",
      clock: systemClock,
      entropy: systemEntropy,
    });
    const close = async (): Promise<void> => {
      await queue.close();
      await folder[Symbol.asyncDispose]();
    };
    return { queue, close };
  },
  "sqs queue": async () => {
    const { url } = await createSqsQueue(sqs.options, { name: `photokeep-test-${randomUUID()}` });
    const queue = await openSqsQueue({ ...sqs.options, url, clock: systemClock });
    const close = async (): Promise<void> => {
      await queue[Symbol.asyncDispose]();
      await deleteSqsQueue(sqs.options, url);
    };
    return { queue, close };
  },
};

for (const [name, open] of Object.entries(engines)) {
  test.skipIf(name === "sqs queue" && !sqs.isHere)(
    `${name}: a consumer sees every message to its end`,
    async () => {
      const { queue, close } = await open();
      const sent = Array.from({ length: 25 }, (_, i) => `m${i}`);
      const done: string[] = [];
      const abort = new AbortController();
      const log = createLog({ level: "error", write: () => undefined, now: () => Date.now() });
      const handle = async ({ body, receives }: Delivery): Promise<void> => {
        if (body === "m7" && receives === 1) throw new Error("not yet");
        done.push(body);
        if (done.length === sent.length) abort.abort(new Error("all done"));
      };
      try {
        await queue.send(sent.map((body) => ({ body })));
        await runConsumer(
          { queue, clock: systemClock, entropy: systemEntropy, log },
          { name: "uploads", atOnce: 8, visibilityMs: 2_000, waitMs: 2_000, handle },
          abort.signal,
        );
        expect(done.toSorted()).toEqual(sent.toSorted());
        expect(await queue.receive({ max: 10, waitMs: 3_000, visibilityMs: 0 })).toEqual([]);
      } finally {
        await close();
      }
    },
  );
}
