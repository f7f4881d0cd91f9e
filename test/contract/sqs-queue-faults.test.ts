import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openSqsQueue } from "#shared/adapters/sqs-queue.ts";
import { createSqsQueue, deleteSqsQueue } from "#shared/adapters/sqs-resources.ts";
import { systemClock as clock } from "#shared/adapters/system-clock.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { Queue } from "#shared/ports.ts";
import { everyKind, type FaultName, type FaultTimes, type RequestHead } from "../faults/fault-plan.ts";
import { startFaultProxy } from "../faults/fault-proxy.ts";
import { awsEngine } from "./aws-engines.ts";

const { endpoint, ...options } = awsEngine("sqs").options;
const aws = test.skipIf(endpoint === undefined);

/** A queue of its own behind a proxy of its own. */
async function openBehindProxy({
  seed = 1,
  times = {},
}: { seed?: number; times?: Partial<FaultTimes> } = {}) {
  await using opened = new AsyncDisposableStack();
  const engine = { ...options, endpoint: endpoint ?? "" };
  const { url } = await createSqsQueue(engine, { name: `photokeep-test-faults-${randomUUID()}` });
  opened.defer(() => deleteSqsQueue(engine, url));
  const proxy = opened.use(
    await startFaultProxy({ target: new URL(engine.endpoint), seed, dialect: "sqs", times }),
  );
  // A queue's address is where the SDK sends to.
  const proxied = new URL(new URL(url).pathname, proxy.url).href;
  const queue = opened.use(await openSqsQueue({ ...options, endpoint: proxy.url, url: proxied, clock }));
  const kept = opened.move();
  return { proxy, queue, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

const isCalled =
  (operation: string) =>
  (request: RequestHead): boolean =>
    request.operation === operation;

const bodiesOf = (count: number): string[] => Array.from({ length: count }, (_, n) => `message ${n}`);

/** Receives and deletes until nothing is there. */
async function drain(queue: Queue): Promise<string[]> {
  const bodies: string[] = [];
  for (;;) {
    const taken = await queue.receive({ max: 10, waitMs: 0, visibilityMs: 30_000 });
    if (taken.length === 0) return bodies;
    bodies.push(...taken.map(({ body }) => body));
    await queue.delete(taken.map(({ receipt }) => receipt));
  }
}

/** Repeats what the queue was too busy for. */
async function untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "queue_busy" || tries === 20) throw error;
    }
  }
}

aws.concurrent.each<FaultName>(["throttle", "server-error", "drop-before", "half-open"])(
  "under %s that lasts the queue is busy",
  async (kind) => {
    await using faulty = await openBehindProxy();
    const { proxy, queue } = faulty;
    proxy.setRates({ [kind]: 1 });
    const ask = { max: 1, waitMs: 0, visibilityMs: 1_000 };
    const calls = [queue.send([{ body: "never" }]), queue.receive(ask), queue.delete(["any"])];
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { kind: "busy", code: "queue_busy" } });
    }
    proxy.setRates({});
    expect(await queue.receive(ask)).toEqual([]);
  },
  15_000,
);

aws.concurrent(
  "three hundred messages at 5 % of each fault all come, and no others",
  async () => {
    const times = { delayMsMin: 5, delayMsMax: 50, slowMsMax: 100, halfOpenMs: 200 };
    await using faulty = await openBehindProxy({ seed: 42, times });
    const { proxy, queue } = faulty;
    proxy.setRates(everyKind(0.05, "sqs"));
    const bodies = bodiesOf(300);
    const senders = Array.from({ length: 10 }, async (_, n) => {
      for (let from = n; from < bodies.length; from += 30) {
        const some = [0, 10, 20].map((more) => ({ body: bodies[from + more] ?? "" }));
        await untilAnswered(() => queue.send(some));
      }
    });
    const came = new Set<string>();
    const receivers = Array.from({ length: 10 }, async () => {
      while (came.size < bodies.length) {
        const taken = await untilAnswered(() =>
          queue.receive({ max: 10, waitMs: 1_000, visibilityMs: 2_000 }),
        );
        for (const { body } of taken) came.add(body);
        await untilAnswered(() => queue.delete(taken.map(({ receipt }) => receipt)));
      }
    });
    await Promise.all([...senders, ...receivers]);
    expect([...came].toSorted()).toEqual(bodies.toSorted());
    expect(Object.values(proxy.counts()).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(100);
  },
  40_000,
);

aws.concurrent.each<FaultName>(["drop-before", "drop-after", "cut", "duplicate"])(
  "under %s what was sent comes at least once, and nothing else",
  async (kind) => {
    await using faulty = await openBehindProxy();
    const { proxy, queue } = faulty;
    const bodies = bodiesOf(25);
    proxy.next({ kind, when: isCalled("SendMessageBatch"), times: 2 });
    await queue.send(bodies.map((body) => ({ body })));
    expect(proxy.counts()).toEqual({ [kind]: 2 });
    const came = await drain(queue);
    expect([...new Set(came)].toSorted()).toEqual(bodies.toSorted());
    expect(came).toHaveLength(kind === "drop-before" ? 25 : 45);
  },
);

aws.concurrent.each<FaultName>(["drop-after", "cut"])(
  "what a receiver under %s never saw comes again",
  async (kind) => {
    await using faulty = await openBehindProxy();
    const { proxy, queue } = faulty;
    await queue.send([{ body: "seen late" }]);
    proxy.next({ kind, when: isCalled("ReceiveMessage") });
    const ask = { max: 10, waitMs: 0, visibilityMs: 1_000 };
    expect(await queue.receive(ask)).toEqual([]);
    expect(await queue.receive({ ...ask, waitMs: 3_000 })).toMatchObject([
      { body: "seen late", receives: 2 },
    ]);
    expect(proxy.counts()).toEqual({ [kind]: 1 });
  },
);

aws.concurrent.each<FaultName>(["drop-after", "cut", "duplicate", "server-error", "throttle"])(
  "deleting and extending are done under %s, and no error",
  async (kind) => {
    await using faulty = await openBehindProxy();
    const { proxy, queue } = faulty;
    await queue.send(bodiesOf(2).map((body) => ({ body })));
    const ask = { max: 10, waitMs: 0, visibilityMs: 1_000 };
    const receipts = (await queue.receive(ask)).map(({ receipt }) => receipt);
    expect(receipts).toHaveLength(2);
    proxy.next({ kind, when: isCalled("ChangeMessageVisibilityBatch") });
    proxy.next({ kind, when: isCalled("DeleteMessageBatch") });
    await queue.extend(receipts, 1_000);
    await queue.delete(receipts);
    expect(proxy.counts()).toEqual({ [kind]: 2 });
    expect(await queue.receive({ ...ask, waitMs: 2_000 })).toEqual([]);
  },
);

aws.concurrent(
  "a delivery that goes out twice, or comes after its deletion, is one like any other",
  async () => {
    await using faulty = await openBehindProxy();
    const { proxy, queue } = faulty;
    await queue.send([{ body: "once" }]);
    const ask = { max: 1, waitMs: 0, visibilityMs: 30_000 };
    const first = await queue.receive(ask);
    proxy.next({ kind: "double-delivery", when: isCalled("ReceiveMessage") });
    expect(await queue.receive(ask)).toEqual(first);
    const receipts = first.map(({ receipt }) => receipt);
    await queue.delete(receipts);
    proxy.next({ kind: "late-redelivery", when: isCalled("ReceiveMessage") });
    expect(await queue.receive(ask)).toEqual(first);
    await queue.extend(receipts, 1_000);
    await queue.delete(receipts);
    expect(await queue.receive(ask)).toEqual([]);
  },
);
