import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { createManualClock } from "#shared/adapters/manual-clock.ts";
import { openSqliteQueue, type SqliteQueueOptions } from "#shared/adapters/sqlite-queue.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";
import { queueContract } from "./queue.contract.ts";
import { temporaryFolder } from "./temporary-folder.ts";

queueContract("sqlite queue", async () => {
  const folder = await temporaryFolder();
  const clock = createManualClock();
  const deadLetters = await openQueue(folder.path, { clock, name: "dead" });
  const queue = await openQueue(folder.path, { clock, deadLetters: { name: "dead", maxReceives: 3 } });
  const close = async () => {
    await queue.close();
    await deadLetters.close();
    await folder[Symbol.asyncDispose]();
  };
  return { queue, deadLetters, advance: (ms) => clock.advance(ms), close };
});

function openQueue(folder: string, options: Partial<SqliteQueueOptions> = {}) {
  const path = join(folder, "queue.db");
  return openSqliteQueue({ path, name: "bells", clock: systemClock, entropy: systemEntropy, ...options });
}

const ASK = { max: 10, waitMs: 0, visibilityMs: 30_000 };

test("what was sent, and what is in flight, is there when the file is opened again", async () => {
  await using folder = await temporaryFolder();
  const clock = createManualClock();
  {
    await using queue = await openQueue(folder.path, { clock });
    await queue.send([{ body: "a" }, { body: "b" }]);
    await queue.receive({ ...ASK, max: 1 });
  }
  await using queue = await openQueue(folder.path, { clock });
  expect(await queue.receive(ASK)).toMatchObject([{ receives: 1 }]);
  await clock.advance(30_000);
  expect((await queue.receive(ASK)).map(({ receives }) => receives)).toEqual([2, 2]);
  expect(await queue.check()).toEqual([]);
});

test("a receiver that waits is woken by another connection's message at its next glance", async () => {
  await using folder = await temporaryFolder();
  const clock = createManualClock();
  await using sender = await openQueue(folder.path, { clock });
  await using receiver = await openQueue(folder.path, { clock });
  const waiting = receiver.receive({ ...ASK, waitMs: 600_000 });
  await clock.advance(1_000);
  await sender.send([{ body: "x" }]);
  await clock.advance(15);
  expect(await waiting).toMatchObject([{ body: "x" }]);
});

test("a receiver aborted while another process holds the file takes no message along", async () => {
  await using folder = await temporaryFolder();
  await using queue = await openQueue(folder.path);
  await queue.send([{ body: "x" }]);
  using holder = new DatabaseSync(join(folder.path, "queue.db"));
  holder.exec("BEGIN IMMEDIATE");
  const abort = new AbortController();
  const waiting = queue.receive(ASK, abort.signal);
  const later = queue.send([{ body: "y" }]);
  abort.abort(new Error("no longer needed"));
  holder.exec("ROLLBACK");
  await expect(waiting).rejects.toThrow("no longer needed");
  await later;
  const deliveries = await queue.receive(ASK);
  expect(deliveries.map(({ body, receives }) => `${body}${receives}`).toSorted()).toEqual(["x1", "y1"]);
});

test("queues that share a file share no messages", async () => {
  await using folder = await temporaryFolder();
  await using bells = await openQueue(folder.path);
  await using other = await openQueue(folder.path, { name: "other" });
  await bells.send([{ body: "x" }]);
  expect(await other.receive(ASK)).toEqual([]);
  const [delivery] = await bells.receive(ASK);
  await other.delete([delivery?.receipt ?? ""]);
  await bells.extend([delivery?.receipt ?? ""], 0);
  expect(await bells.receive(ASK)).toMatchObject([{ id: delivery?.id, receives: 2 }]);
});

test("text that is no receipt of this queue is a stale receipt", async () => {
  await using folder = await temporaryFolder();
  await using queue = await openQueue(folder.path);
  await queue.send([{ body: "x" }]);
  await queue.delete(["", "x", "'; DROP TABLE message; --", "0.0", "ff.999999999999"]);
  expect(await queue.receive(ASK)).toHaveLength(1);
});
