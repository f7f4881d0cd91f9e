import { expect, test } from "vitest";
import { createTurnstile } from "#functions/intake/turnstile.ts";

/** Work that ends when told to. */
function heldWork() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { work: () => promise, release: resolve };
}

test("no more pass at once than the limit, and those who wait go in the order they came", async () => {
  const turnstile = createTurnstile({ atOnce: 2, waitingMax: 10 });
  const held = Array.from({ length: 5 }, heldWork);
  const entered: number[] = [];
  const passing = held.map(({ work }, index) =>
    turnstile.pass(async () => {
      entered.push(index);
      await work();
    }),
  );
  for (const [index, { release }] of held.entries()) {
    await Promise.resolve();
    expect(entered.length).toBeLessThanOrEqual(index + 2);
    release();
    await passing[index];
  }
  expect(entered).toEqual([0, 1, 2, 3, 4]);
});

test("a failure frees its place", async () => {
  const turnstile = createTurnstile({ atOnce: 1, waitingMax: 0 });
  await expect(turnstile.pass(() => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  expect(await turnstile.pass(() => Promise.resolve("through"))).toBe("through");
});

test("who gives up waiting leaves the queue and never enters", async () => {
  const turnstile = createTurnstile({ atOnce: 1, waitingMax: 2 });
  const first = heldWork();
  const inside = turnstile.pass(first.work);
  const abort = new AbortController();
  let isEntered = false;
  const waiting = turnstile.pass(() => {
    isEntered = true;
    return Promise.resolve();
  }, abort.signal);
  const after = turnstile.pass(() => Promise.resolve("after"));
  abort.abort(new Error("gave up"));
  await expect(waiting).rejects.toThrow("gave up");
  first.release();
  await inside;
  expect(await after).toBe("after");
  expect(isEntered).toBe(false);
});

test("past the limit of the queue one is turned away", async () => {
  const turnstile = createTurnstile({ atOnce: 1, waitingMax: 1 });
  const first = heldWork();
  const inside = turnstile.pass(first.work);
  const waiting = turnstile.pass(() => Promise.resolve());
  await expect(turnstile.pass(() => Promise.resolve())).rejects.toMatchObject({
    kind: "busy",
    code: "intake_busy",
  });
  first.release();
  await Promise.all([inside, waiting]);
});
