import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { openSqliteQueue } from "#shared/adapters/sqlite-queue.ts";
import { openSqliteStore } from "#shared/adapters/sqlite-store.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";
import type { Store } from "#shared/ports.ts";
import { temporaryFolder } from "./temporary-folder.ts";

type Child = ChildProcessByStdio<null, Readable, Readable>;

const parts = { clock: systemClock, entropy: systemEntropy };

function start(script: string, ...args: readonly string[]): Child {
  const path = join(import.meta.dirname, script);
  return spawn(process.execPath, [path, ...args], { stdio: ["ignore", "pipe", "pipe"] });
}

/** The whole lines of a process as they come, to the last one. */
async function* linesOf(child: Child): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of child.stdout.setEncoding("utf8")) {
    const lines = `${rest}${String(chunk)}`.split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

async function nextLine(lines: AsyncIterator<string>): Promise<string> {
  const { value, done } = await lines.next();
  if (done === true) throw new Error("the process ended without saying more");
  return value;
}

async function textOf(stream: Readable): Promise<string> {
  return (await stream.setEncoding("utf8").toArray()).join("");
}

function hasEnded({ exitCode, signalCode }: Child): boolean {
  return exitCode !== null || signalCode !== null;
}

async function count(store: Store, sk: string): Promise<void> {
  await store.transact([
    { op: "put", item: { pk: "count", sk, body: {}, counters: { n: 0 } }, when: "absent" },
  ]);
}

async function counted(store: Store, sk: string): Promise<number> {
  return (await store.get({ pk: "count", sk }))?.counters["n"] ?? -1;
}

test("writers killed at any moment lose nothing they had acknowledged, and nothing is half written", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "store.db");
  await using store = await openSqliteStore({ path, ...parts });
  for (const [round, lifetime] of [1, 7, 40, 150, 400].entries()) {
    const names = [`${round}-one`, `${round}-two`];
    for (const name of names) await count(store, name);
    const acknowledged = await Promise.all(
      names.map(async (name) => {
        using child = start("writer-process.ts", path, name, "append");
        const lines = linesOf(child);
        for (let i = 0; i < lifetime; i++) await nextLine(lines);
        child.kill("SIGKILL");
        let written = lifetime;
        while ((await lines.next()).done !== true) written += 1;
        return written;
      }),
    );
    for (const [i, name] of names.entries()) {
      const entries = await counted(store, name);
      // A write may have been committed whose acknowledgement was never said.
      expect(entries).toBeGreaterThanOrEqual(acknowledged[i] ?? 0);
      expect(entries).toBeLessThanOrEqual((acknowledged[i] ?? 0) + 1);
      const last = String(entries - 1).padStart(8, "0");
      expect(await store.get({ pk: name, sk: last })).toMatchObject({ body: { n: entries - 1 } });
      expect(
        (await store.nominate("due", name, { limit: 1, prefix: String(entries - 1) })).rows,
      ).toHaveLength(1);
      expect(await store.get({ pk: name, sk: String(entries).padStart(8, "0") })).toBeUndefined();
    }
  }
  expect(await store.check()).toEqual([]);
});

test("four processes that write to one file at the same time lose nothing, and neither they nor a reader are turned away", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "store.db");
  await using store = await openSqliteStore({ path, ...parts });
  await count(store, "shared");
  const children = Array.from({ length: 4 }, () => start("writer-process.ts", path, "x", "add"));
  for (const child of children) child.stdout.resume();
  const noise = Promise.all(children.map((child) => textOf(child.stderr)));
  for (let seen = 0; seen < 800;) {
    const now = await counted(store, "shared");
    expect(now).toBeGreaterThanOrEqual(seen);
    if (now === seen && children.every(hasEnded)) break;
    seen = now;
    await setImmediate();
  }
  expect(await noise).toEqual(["", "", "", ""]);
  expect(await counted(store, "shared")).toBe(800);
  expect(await store.check()).toEqual([]);
});

test("a message wakes a waiting process, and is handed on when that process is killed", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "queue.db");
  await using queue = await openSqliteQueue({ path, name: "bells", ...parts });
  using child = start("receiver-process.ts", path, "300");
  const lines = linesOf(child);
  expect(await nextLine(lines)).toBe("ready");
  await queue.send([{ body: "x" }]);
  expect(JSON.parse(await nextLine(lines))).toMatchObject({ body: "x", receives: 1 });
  child.kill("SIGKILL");
  await once(child, "close");
  const [delivery] = await queue.receive({ max: 1, waitMs: 60_000, visibilityMs: 0 });
  expect(delivery?.body).toBe("x");
  expect(delivery?.receives).toBeGreaterThan(1);
  expect(await queue.check()).toEqual([]);
});
