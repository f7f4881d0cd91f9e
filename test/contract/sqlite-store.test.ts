import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { createManualClock } from "#shared/adapters/manual-clock.ts";
import { openSqliteStore } from "#shared/adapters/sqlite-store.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";
import type { Clock, Write } from "#shared/ports.ts";
import { storeContract } from "./store.contract.ts";
import { storeScanContract } from "./store-scan.contract.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const open = async () => {
  const folder = await temporaryFolder();
  const store = await openStore(folder.path);
  const close = async () => {
    await store.close();
    await folder[Symbol.asyncDispose]();
  };
  return { store, close };
};

storeContract("sqlite store", open);
storeScanContract("sqlite store", open);

function openStore(folder: string, clock: Clock = createManualClock(), bytesMax?: number) {
  const path = join(folder, "store.db");
  return openSqliteStore({
    path,
    clock,
    entropy: systemEntropy,
    ...(bytesMax !== undefined && { bytesMax }),
  });
}

const put = (sk: string, body: unknown = {}): Write => ({
  op: "put",
  item: { pk: "p", sk, body },
  when: "absent",
});

test("what was committed is there when the file is opened again, and the file is sound", async () => {
  await using folder = await temporaryFolder();
  {
    await using store = await openStore(folder.path);
    await store.transact([put("a", "kept")], "token");
  }
  await using store = await openStore(folder.path);
  expect(await store.get({ pk: "p", sk: "a" })).toMatchObject({ body: "kept" });
  expect(await store.transact([put("a", "kept")], "token")).toEqual({ ok: true });
  expect(await store.check()).toEqual([]);
});

test("a token is forgotten after ten minutes, and the table of tokens stays small", async () => {
  await using folder = await temporaryFolder();
  const clock = createManualClock();
  await using store = await openStore(folder.path, clock);
  await store.transact([
    { op: "put", item: { pk: "p", sk: "a", body: 0, counters: { n: 0 } }, when: "absent" },
  ]);
  const add: Write[] = [{ op: "add", key: { pk: "p", sk: "a" }, add: { n: 1 } }];
  for (let i = 0; i < 40; i++) await store.transact(add, `token-${i}`);
  await clock.advance(599_999);
  await store.transact(add, "token-0");
  expect(await store.get({ pk: "p", sk: "a" })).toMatchObject({ counters: { n: 40 } });
  await clock.advance(1);
  for (let i = 0; i < 20; i++) await store.transact(add, `token-${i}`);
  expect(await store.get({ pk: "p", sk: "a" })).toMatchObject({ counters: { n: 60 } });
  using reader = new DatabaseSync(join(folder.path, "store.db"));
  expect(reader.prepare("SELECT count(*) AS n FROM token").get()).toMatchObject({ n: 20 });
});

test("two connections on one file see each other's commits at once and exclude each other's writes", async () => {
  await using folder = await temporaryFolder();
  await using one = await openStore(folder.path);
  await using two = await openStore(folder.path);
  await one.transact([put("a", 0)]);
  const writers = Array.from({ length: 50 }, (_, i) =>
    (i % 2 === 0 ? one : two).transact([
      { op: "put", item: { pk: "p", sk: "a", body: i }, when: { rev: 1 } },
    ]),
  );
  const won = (await Promise.all(writers)).filter(({ ok }) => ok);
  expect(won).toHaveLength(1);
  expect(await one.get({ pk: "p", sk: "a" })).toEqual(await two.get({ pk: "p", sk: "a" }));
});

test("a full disk refuses the write as busy, keeps what was there, and writing goes on once there is room", async () => {
  await using folder = await temporaryFolder();
  {
    await using store = await openStore(folder.path, createManualClock(), 600_000);
    await store.transact([put("a", "kept")]);
    const large = store.transact([put("b", "x".repeat(300_000)), put("c", "x".repeat(300_000))]);
    await expect(large).rejects.toMatchObject({ kind: "busy", code: "disk_full" });
    await store.transact([put("d", "fits")]);
    expect((await store.list("p", { limit: 10 })).rows.map(({ sk }) => sk)).toEqual(["a", "d"]);
    expect(await store.check()).toEqual([]);
  }
  await using store = await openStore(folder.path);
  expect(await store.transact([put("b", "x".repeat(300_000))])).toEqual({ ok: true });
});

test("opened to be read, a file shows what others commit and is written by nobody", async () => {
  await using folder = await temporaryFolder();
  await using writer = await openStore(folder.path);
  await writer.transact([put("a", 1)]);
  const options = { path: join(folder.path, "store.db"), clock: createManualClock(), entropy: systemEntropy };
  await using reader = await openSqliteStore({ ...options, readOnly: true });
  expect(await reader.get({ pk: "p", sk: "a" })).toMatchObject({ body: 1 });
  await writer.transact([put("b", 2)]);
  expect((await reader.scan({ limit: 10 })).rows.map(({ sk }) => sk)).toEqual(["a", "b"]);
  await expect(reader.transact([put("c")])).rejects.toThrow("invariant broken");
  const other = { ...options, path: join(folder.path, "other.db"), readOnly: true as const };
  await expect(openSqliteStore(other)).rejects.toMatchObject({ code: "database_missing" });
});
