import { expect } from "vitest";
import { QUEUE_BODY_BYTES_MAX } from "#shared/domain/limits.ts";
import type { Delivery, Queue } from "#shared/ports.ts";
import { type EngineLimits, promisesOf } from "./promise.ts";

export interface QueueFixture {
  /** Gives a message up after three deliveries. */
  readonly queue: Queue;
  /** Where it goes then. */
  readonly deadLetters: Queue;
  /** Lets time pass: by hand, or by waiting where the engine has a clock of its own. */
  readonly advance: (ms: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

const SECOND = 1_000;

/** Every promise of the Queue port. `open` gives empty queues. Times are whole seconds, the grain of SQS. */
export function queueContract(
  name: string,
  open: () => Promise<QueueFixture>,
  limits: EngineLimits = {},
): void {
  const promise = promisesOf(name, open, limits);

  promise("what was sent is received whole, with its group and its first receive", async ({ queue }) => {
    await queue.send([{ body: '{"job":"ä€𝄞"}', group: "org_1" }]);
    const [delivery] = await receive(queue);
    expect(delivery).toMatchObject({ body: '{"job":"ä€𝄞"}', group: "org_1", receives: 1 });
    expect(delivery?.id).not.toBe("");
    expect(delivery?.receipt).not.toBe("");
  });

  promise("a message without a group has none", async ({ queue }) => {
    await queue.send([{ body: "x" }]);
    expect((await receive(queue))[0]).not.toHaveProperty("group");
  });

  promise("an empty queue answers with nothing when it was not to wait", async ({ queue }) => {
    expect(await receive(queue)).toEqual([]);
  });

  promise("no more is received at once than asked for, and everything in the end", async ({ queue }) => {
    const bodies = Array.from({ length: 25 }, (_, i) => `m${i}`);
    await queue.send(bodies.map((body) => ({ body })));
    const batches: string[][] = [];
    for (let i = 0; i < 20 && batches.flat().length < 25; i++) {
      batches.push((await receive(queue, { max: 10 })).map(({ body }) => body));
    }
    expect(Math.max(...batches.map((batch) => batch.length))).toBeLessThanOrEqual(10);
    expect(batches.flat().toSorted()).toEqual(bodies.toSorted());
  });

  promise("a message in flight is hidden from every other receiver", async ({ queue, advance }) => {
    await queue.send([{ body: "x" }]);
    expect(await receive(queue, { visibilityMs: 10 * SECOND })).toHaveLength(1);
    await advance(SECOND);
    expect(await receive(queue)).toEqual([]);
  });

  promise(
    "a message that is not deleted in time comes again under its id, counted",
    async ({ queue, advance }) => {
      await queue.send([{ body: "x", group: "g" }]);
      const [first] = await receive(queue, { visibilityMs: SECOND });
      await advance(SECOND);
      const [second] = await receive(queue);
      expect(second).toMatchObject({ id: first?.id, body: "x", group: "g", receives: 2 });
      expect(second?.receipt).not.toBe(first?.receipt);
    },
  );

  promise("a deleted message never comes again", async ({ queue, advance }) => {
    await queue.send([{ body: "x" }]);
    await queue.delete(receipts(await receive(queue, { visibilityMs: SECOND })));
    await advance(2 * SECOND);
    expect(await receive(queue)).toEqual([]);
  });

  promise("deleting twice, or by a receipt of nothing, is no error", async ({ queue }) => {
    await queue.send([{ body: "x" }]);
    const held = receipts(await receive(queue));
    await queue.delete(held);
    await queue.delete(held);
    await queue.extend(held, SECOND);
    await queue.delete([]);
    expect(await receive(queue)).toEqual([]);
  });

  promise(
    "a stale receipt neither deletes nor extends what another holds now",
    async ({ queue, advance }) => {
      await queue.send([{ body: "x" }]);
      const stale = receipts(await receive(queue, { visibilityMs: SECOND }));
      await advance(SECOND);
      expect(await receive(queue, { visibilityMs: 2 * SECOND })).toHaveLength(1);
      await queue.delete(stale);
      await queue.extend(stale, 100 * SECOND);
      await queue.extend(stale, 0);
      expect(await receive(queue)).toEqual([]);
      await advance(2 * SECOND);
      expect(await receive(queue)).toMatchObject([{ receives: 3 }]);
    },
  );

  promise("extending hides a message for so long from now", async ({ queue, advance }) => {
    await queue.send([{ body: "x" }]);
    const held = receipts(await receive(queue, { visibilityMs: 2 * SECOND }));
    await advance(SECOND);
    await queue.extend(held, 3 * SECOND);
    await advance(2 * SECOND);
    expect(await receive(queue)).toEqual([]);
    await advance(SECOND);
    expect(await receive(queue)).toHaveLength(1);
  });

  promise("extending by nothing returns a message at once", async ({ queue }) => {
    await queue.send([{ body: "x" }]);
    await queue.extend(receipts(await receive(queue, { visibilityMs: 100 * SECOND })), 0);
    expect(await receive(queue)).toMatchObject([{ body: "x", receives: 2 }]);
  });

  promise("several receipts are extended and deleted in one call", async ({ queue, advance }) => {
    await queue.send(["a", "b", "c"].map((body) => ({ body })));
    const held = await receive(queue, { max: 10, visibilityMs: SECOND });
    const [done = "", ...others] = receipts(held);
    await queue.delete([done]);
    await queue.extend(others, 3 * SECOND);
    await advance(SECOND);
    expect(await receive(queue, { max: 10 })).toEqual([]);
    await advance(2 * SECOND);
    expect(await receive(queue, { max: 10 })).toHaveLength(2);
  });

  promise("more receipts than fit into a batch are extended and deleted in one call", async ({ queue }) => {
    const bodies = Array.from({ length: 25 }, (_, i) => `m${i}`);
    await queue.send(bodies.map((body) => ({ body })));
    const held = await receiveAll(queue, 25);
    await queue.extend(receipts(held), 0);
    const again = await receiveAll(queue, 25);
    expect(again.map(({ body, receives }) => `${body} ${receives}`).toSorted()).toEqual(
      bodies.map((body) => `${body} 2`).toSorted(),
    );
    await queue.delete(receipts(again));
    await queue.extend(receipts(again), 0);
    expect(await receive(queue)).toEqual([]);
  });

  promise("receipts of nothing among others keep no other from its due", async ({ queue, advance }) => {
    await queue.send(["gone", "kept", "done"].map((body) => ({ body })));
    const held = await receiveAll(queue, 3, { visibilityMs: SECOND });
    const receiptOf = (body: string): string => held.find((each) => each.body === body)?.receipt ?? "";
    const gone = receiptOf("gone");
    await queue.delete([gone]);
    await queue.extend([gone, receiptOf("kept"), gone], 100 * SECOND);
    await queue.delete([gone, receiptOf("done"), gone]);
    await advance(SECOND);
    expect(await receive(queue, { max: 10 })).toEqual([]);
    await queue.extend([gone, receiptOf("kept")], 0);
    expect(await receive(queue, { max: 10 })).toMatchObject([{ body: "kept", receives: 2 }]);
  });

  promise("a delayed message stays hidden until its time", async ({ queue, advance }) => {
    await queue.send([{ body: "later", delayMs: 2 * SECOND }, { body: "now" }]);
    expect((await receive(queue, { max: 10 })).map(({ body }) => body)).toEqual(["now"]);
    await advance(SECOND);
    expect(await receive(queue)).toEqual([]);
    await advance(SECOND);
    expect((await receive(queue)).map(({ body }) => body)).toEqual(["later"]);
  });

  promise(
    "a message delivered often enough goes to the dead letters, keeping id, body and group",
    async (fixture) => {
      const { queue, deadLetters, advance } = fixture;
      await queue.send([{ body: "poison", group: "g" }]);
      let id: string | undefined;
      for (const receives of [1, 2, 3]) {
        const [delivery] = await receive(queue, { visibilityMs: SECOND });
        expect(delivery).toMatchObject({ receives });
        id = delivery?.id;
        await advance(SECOND);
      }
      expect(await receive(queue)).toEqual([]);
      expect(await receive(deadLetters)).toMatchObject([{ id, body: "poison", group: "g" }]);
      await advance(2 * SECOND);
      expect(await receive(queue)).toEqual([]);
    },
  );

  promise(
    "a message deleted on its last delivery is no dead letter",
    async ({ queue, deadLetters, advance }) => {
      await queue.send([{ body: "x" }]);
      for (let i = 0; i < 2; i++) {
        await receive(queue, { visibilityMs: SECOND });
        await advance(SECOND);
      }
      await queue.delete(receipts(await receive(queue, { visibilityMs: SECOND })));
      await advance(SECOND);
      expect(await receive(queue)).toEqual([]);
      expect(await receive(deadLetters)).toEqual([]);
    },
  );

  promise("dead letters do not hold up the messages behind them", async ({ queue, advance }) => {
    await queue.send([{ body: "poison" }]);
    for (let i = 0; i < 3; i++) {
      await receive(queue, { visibilityMs: SECOND });
      await advance(SECOND);
    }
    await queue.send([{ body: "fine" }]);
    expect((await receive(queue)).map(({ body }) => body)).toEqual(["fine"]);
  });

  promise("a waiting receiver gets a message as soon as it is sent", async ({ queue, advance }) => {
    const waiting = receive(queue, { waitMs: 20 * SECOND });
    await advance(SECOND);
    await queue.send([{ body: "x" }]);
    expect(await waiting).toMatchObject([{ body: "x" }]);
  });

  promise("a waiting receiver gets a message that is returned", async ({ queue, advance }) => {
    await queue.send([{ body: "x" }]);
    const held = receipts(await receive(queue, { visibilityMs: 100 * SECOND }));
    const waiting = receive(queue, { waitMs: 20 * SECOND });
    await advance(SECOND);
    await queue.extend(held, 0);
    expect(await waiting).toMatchObject([{ body: "x", receives: 2 }]);
  });

  promise(
    "a waiting receiver gets a message when its delay or its hiding ends",
    async ({ queue, advance }) => {
      await queue.send([{ body: "delayed", delayMs: SECOND }]);
      const first = receive(queue, { waitMs: 10 * SECOND, visibilityMs: SECOND });
      await advance(SECOND);
      expect(await first).toMatchObject([{ receives: 1 }]);
      const second = receive(queue, { waitMs: 10 * SECOND });
      await advance(SECOND);
      expect(await second).toMatchObject([{ receives: 2 }]);
    },
  );

  promise("a receiver that waited in vain gets nothing", async ({ queue, advance }) => {
    const waiting = receive(queue, { waitMs: SECOND });
    await advance(SECOND);
    expect(await waiting).toEqual([]);
  });

  promise("one message goes to one of many waiting receivers", async ({ queue, advance }) => {
    const waiting = Array.from({ length: 5 }, () =>
      receive(queue, { waitMs: SECOND, visibilityMs: 60 * SECOND }),
    );
    await queue.send([{ body: "x" }]);
    await advance(SECOND);
    expect((await Promise.all(waiting)).flat()).toHaveLength(1);
  });

  promise("many receivers at once share the messages without handing one out twice", async ({ queue }) => {
    const bodies = Array.from({ length: 40 }, (_, i) => `m${i}`);
    await queue.send(bodies.map((body, i) => ({ body, group: `g${i % 3}` })));
    const batches = await Promise.all(Array.from({ length: 40 }, () => receive(queue)));
    expect(
      batches
        .flat()
        .map(({ body }) => body)
        .toSorted(),
    ).toEqual(bodies.toSorted());
  });

  promise("an aborted receiver rejects with the reason at once", async ({ queue, advance }) => {
    const abort = new AbortController();
    const waiting = receive(queue, { waitMs: 3 * SECOND }, abort.signal);
    const reason = new Error("no longer needed");
    await advance(SECOND);
    abort.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(receive(queue, {}, abort.signal)).rejects.toBe(reason);
  });

  promise("an aborted receiver takes no message along", async ({ queue, advance }) => {
    const abort = new AbortController();
    const waiting = receive(queue, { waitMs: 20 * SECOND }, abort.signal);
    await advance(SECOND);
    abort.abort(new Error("no longer needed"));
    await expect(waiting).rejects.toThrow("no longer needed");
    await queue.send([{ body: "x" }]);
    expect(await receive(queue)).toMatchObject([{ body: "x", receives: 1 }]);
  });

  promise("what comes after a receiver was aborted goes to another one", async ({ queue, advance }) => {
    const abort = new AbortController();
    const waiting = receive(queue, { waitMs: 20 * SECOND, visibilityMs: 100 * SECOND }, abort.signal);
    await advance(SECOND);
    abort.abort(new Error("no longer needed"));
    await expect(waiting).rejects.toThrow("no longer needed");
    const other = receive(queue, { waitMs: 20 * SECOND });
    await queue.send([{ body: "x" }]);
    expect(await other).toMatchObject([{ body: "x" }]);
  });

  promise("a message is either received or left, when the abort meets it", async ({ queue }) => {
    const abort = new AbortController();
    const ask = { waitMs: 20 * SECOND, visibilityMs: 100 * SECOND };
    const waiting = receive(queue, ask, abort.signal).catch(() => []);
    const sending = queue.send([{ body: "x" }]);
    abort.abort(new Error("at the same time"));
    await sending;
    const taken = await waiting;
    const left = taken.length === 0 ? await receive(queue, { waitMs: 20 * SECOND }) : await receive(queue);
    expect([...taken, ...left].map(({ body }) => body)).toEqual(["x"]);
  });

  promise("a group with one message is not kept waiting by a group with many", async ({ queue }) => {
    await queue.send(Array.from({ length: 30 }, (_, i) => ({ body: `busy${i}`, group: "busy" })));
    await receive(queue);
    await queue.send([{ body: "quiet", group: "quiet" }]);
    const next = [...(await receive(queue)), ...(await receive(queue))].map(({ body }) => body);
    expect(next).toContain("quiet");
  });

  promise("groups take turns, however unequal they are", async ({ queue }) => {
    const groups = `${"a".repeat(20)}bbbcc`.split("");
    await queue.send(groups.map((group) => ({ body: group, group })));
    const served: string[] = [];
    for (let i = 0; i < 9; i++) served.push(...(await receive(queue)).map(({ body }) => body));
    const count = (group: string) => served.filter((body) => body === group).length;
    expect([count("a"), count("b"), count("c")]).toEqual([4, 3, 2]);
    expect(new Set(served.slice(0, 3)).size).toBe(3);
  });

  promise("a batch takes turns as well", async ({ queue }) => {
    await queue.send(Array.from({ length: 10 }, () => ({ body: "busy", group: "busy" })));
    await queue.send([{ body: "quiet", group: "quiet" }]);
    const bodies = (await receive(queue, { max: 2 })).map(({ body }) => body);
    expect(bodies.toSorted()).toEqual(["busy", "quiet"]);
  });

  promise("a group whose messages are all in flight does not hold up the others", async ({ queue }) => {
    await queue.send([{ body: "a", group: "a" }]);
    await receive(queue, { visibilityMs: 100 * SECOND });
    await queue.send([{ body: "b", group: "b" }]);
    expect(await receive(queue)).toMatchObject([{ body: "b" }]);
    expect(await receive(queue)).toEqual([]);
  });

  promise("what no engine could take is a bug of the caller", async ({ queue }) => {
    const invalid = [
      queue.send([{ body: "" }]),
      queue.send([{ body: "x".repeat(QUEUE_BODY_BYTES_MAX + 1) }]),
      queue.send([{ body: "x", delayMs: 900_001 }]),
      queue.send([{ body: "x", delayMs: -1 }]),
      queue.send([{ body: "x\u0000" }]),
      queue.send([{ body: "x\uffff" }]),
      queue.send([{ body: "x\ud800" }]),
      queue.send([{ body: "x", group: "" }]),
      queue.send([{ body: "x", group: "g".repeat(129) }]),
      queue.send([{ body: "x", group: "two words" }]),
      queue.send([{ body: "x", group: "müller" }]),
      receive(queue, { max: 11 }),
      receive(queue, { max: 0 }),
      receive(queue, { visibilityMs: -1 }),
    ];
    for (const call of await Promise.allSettled(invalid)) {
      expect(call).toMatchObject({
        status: "rejected",
        reason: { message: expect.stringContaining("invariant broken") },
      });
    }
    await queue.send([{ body: "x".repeat(QUEUE_BODY_BYTES_MAX), group: "!~".repeat(64) }]);
    expect(await receive(queue)).toHaveLength(1);
  });
}

type Ask = Partial<Parameters<Queue["receive"]>[0]>;

function receive(queue: Queue, ask: Ask = {}, signal?: AbortSignal): Promise<readonly Delivery[]> {
  return queue.receive({ max: 1, waitMs: 0, visibilityMs: 30 * SECOND, ...ask }, signal);
}

/** So many messages, in as many batches as it takes. */
async function receiveAll(queue: Queue, count: number, ask: Ask = {}): Promise<Delivery[]> {
  const taken: Delivery[] = [];
  for (let i = 0; i < count && taken.length < count; i++) {
    taken.push(...(await receive(queue, { max: 10, ...ask })));
  }
  return taken;
}

function receipts(deliveries: readonly Delivery[]): string[] {
  return deliveries.map(({ receipt }) => receipt);
}
