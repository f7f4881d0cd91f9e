import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { openSqliteDatabase, type SqliteOptions } from "#shared/adapters/sqlite-database.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const FIRST = "CREATE TABLE note (text TEXT NOT NULL) STRICT;";
const SECOND = "ALTER TABLE note ADD COLUMN stars INTEGER NOT NULL DEFAULT 3;";

function openDatabase(folder: string, options: Partial<SqliteOptions> = {}) {
  return openSqliteDatabase({
    path: join(folder, "test.db"),
    schema: [FIRST],
    entropy: systemEntropy,
    ...options,
  });
}

test("an older schema is lifted to the newest with its data", async () => {
  await using folder = await temporaryFolder();
  {
    await using database = await openDatabase(folder.path);
    await database.write((prepare) => prepare("INSERT INTO note VALUES ('old')").run());
  }
  await using database = await openDatabase(folder.path, { schema: [FIRST, SECOND] });
  expect(await database.read((prepare) => prepare("SELECT * FROM note").all())).toEqual([
    { text: "old", stars: 3 },
  ]);
  expect(await database.read((prepare) => prepare("PRAGMA user_version").get())).toEqual({ user_version: 2 });
});

test("a lift that fails half way leaves the older schema as it was", async () => {
  await using folder = await temporaryFolder();
  await (await openDatabase(folder.path)).close();
  await expect(openDatabase(folder.path, { schema: [FIRST, `${SECOND} nonsense;`] })).rejects.toThrow(
    "syntax error",
  );
  await using database = await openDatabase(folder.path);
  expect(await database.read((prepare) => prepare("SELECT * FROM note").columns().length)).toBe(1);
});

test("a process killed in the middle of a lift leaves the older schema with its data, and the next one lifts it", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "test.db");
  {
    await using database = await openDatabase(folder.path);
    await database.write((prepare) => prepare("INSERT INTO note VALUES ('old')").run());
  }
  const slow = `${SECOND} WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000000)
    INSERT INTO note SELECT hex(zeroblob(500)), i FROM n;`;
  const script = join(import.meta.dirname, "lift-process.ts");
  using child = spawn(process.execPath, [script, path, JSON.stringify([FIRST, slow])], { stdio: "ignore" });
  // What the cache cannot hold goes to the log before the commit.
  const logBytes = async () => (await stat(`${path}-wal`).catch(() => ({ size: 0 }))).size;
  await expect.poll(logBytes, { interval: 5, timeout: 20_000 }).toBeGreaterThan(1_000_000);
  child.kill("SIGKILL");
  expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
  {
    await using database = await openDatabase(folder.path);
    expect(await database.read((prepare) => prepare("SELECT * FROM note").all())).toEqual([{ text: "old" }]);
    expect(await database.read((prepare) => prepare("PRAGMA user_version").get())).toEqual({
      user_version: 1,
    });
  }
  await using database = await openDatabase(folder.path, { schema: [FIRST, SECOND] });
  expect(await database.read((prepare) => prepare("SELECT * FROM note").all())).toEqual([
    { text: "old", stars: 3 },
  ]);
});

test("a file with a newer schema is refused in a sentence that names it, and left untouched", async () => {
  await using folder = await temporaryFolder();
  await (await openDatabase(folder.path, { schema: [FIRST, SECOND] })).close();
  const path = join(folder.path, "test.db");
  await expect(openDatabase(folder.path)).rejects.toMatchObject({
    kind: "conflict",
    code: "schema_newer",
    message: `The database ${path} was written by a newer version: update PhotoKeep, or take another data folder.`,
  });
  await (await openDatabase(folder.path, { schema: [FIRST, SECOND] })).close();
});

test("a file that a newer version lifts while an older one waits to do so is refused as well", async () => {
  await using folder = await temporaryFolder();
  using newer = new DatabaseSync(join(folder.path, "test.db"));
  newer.exec("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE");
  const opening = openDatabase(folder.path);
  await setImmediate();
  newer.exec(`${FIRST} ${SECOND} PRAGMA user_version = 2; COMMIT`);
  await expect(opening).rejects.toMatchObject({ kind: "conflict", code: "schema_newer" });
  expect(newer.prepare("PRAGMA user_version").get()).toMatchObject({ user_version: 2 });
});

test("many openings of a new file at once all succeed and create the schema once", async () => {
  await using folder = await temporaryFolder();
  const databases = await Promise.all(Array.from({ length: 8 }, () => openDatabase(folder.path)));
  for (const database of databases) expect(await database.check()).toEqual([]);
  for (const database of databases) await database.close();
});

const DAMAGES: Readonly<Record<string, (path: string) => Promise<void>>> = {
  "a page overwritten": (path) => overwrite(path, 5 * 8_192, Buffer.alloc(4_096, 0xa5)),
  "its end cut off": async (path) => truncate(path, Math.floor((await stat(path)).size / 2)),
  "its header overwritten": (path) => overwrite(path, 0, Buffer.alloc(100, 0xa5)),
  "something else in its place": (path) => writeFile(path, "this is no database".repeat(1_000)),
};

async function overwrite(path: string, at: number, bytes: Uint8Array): Promise<void> {
  await using file = await open(path, "r+");
  await file.write(bytes, 0, bytes.length, at);
}

async function fill(folder: string): Promise<string> {
  await using database = await openDatabase(folder);
  await database.write((prepare) => {
    for (let i = 0; i < 1_000; i++) prepare("INSERT INTO note VALUES (?)").run("x".repeat(100));
  });
  expect(await database.check()).toEqual([]);
  return join(folder, "test.db");
}

for (const [what, damage] of Object.entries(DAMAGES)) {
  test(`a damaged file is refused when it is opened, in a sentence that names it: ${what}`, async () => {
    await using folder = await temporaryFolder();
    const path = await fill(folder.path);
    await damage(path);
    await expect(openDatabase(folder.path)).rejects.toMatchObject({
      kind: "conflict",
      code: "database_damaged",
      message: `The database ${path} is damaged: put a copy of it back, or move it away with its -wal and -shm files to begin anew.`,
    });
  });
}

test("damage done to an open file is found by its check, and a caller who meets it is not told where the file lies", async () => {
  await using folder = await temporaryFolder();
  const path = await fill(folder.path);
  await using one = await openDatabase(folder.path);
  await using two = await openDatabase(folder.path);
  await overwrite(path, 5 * 8_192, Buffer.alloc(4_096, 0xa5));
  // The commit of another connection empties the cache.
  await two.write((prepare) => prepare("INSERT INTO note VALUES ('new')").run());
  expect(await one.check()).not.toEqual([]);
  const reading = one.read((prepare) => prepare("SELECT * FROM note").all());
  await expect(reading).rejects.toMatchObject({
    kind: "conflict",
    code: "database_damaged",
    message: "The database is damaged; restore it from a copy.",
  });
});

test("a transaction that throws leaves nothing behind", async () => {
  await using folder = await temporaryFolder();
  await using database = await openDatabase(folder.path);
  const failing = database.write((prepare) => {
    prepare("INSERT INTO note VALUES ('gone')").run();
    throw new Error("on purpose");
  });
  await expect(failing).rejects.toThrow("on purpose");
  expect(await database.read((prepare) => prepare("SELECT * FROM note").all())).toEqual([]);
});

test("a writer that is never let in gives up as busy, and reading goes on meanwhile", async () => {
  await using folder = await temporaryFolder();
  await using database = await openDatabase(folder.path, { busyMs: 50 });
  using holder = new DatabaseSync(join(folder.path, "test.db"));
  holder.exec("BEGIN IMMEDIATE");
  const writing = database.write((prepare) => prepare("INSERT INTO note VALUES ('late')").run());
  const reading = database.read((prepare) => prepare("SELECT * FROM note").all());
  await expect(writing).rejects.toMatchObject({ kind: "busy", code: "store_busy" });
  expect(await reading).toEqual([]);
});

test("a writer that waits its turn is let in as soon as the other is done", async () => {
  await using folder = await temporaryFolder();
  await using database = await openDatabase(folder.path);
  using holder = new DatabaseSync(join(folder.path, "test.db"));
  holder.exec("BEGIN IMMEDIATE");
  const writing = database.write((prepare) => prepare("INSERT INTO note VALUES ('late')").run());
  holder.exec("INSERT INTO note VALUES ('early'); COMMIT");
  await writing;
  expect(await database.read((prepare) => prepare("SELECT text FROM note ORDER BY text").all())).toEqual([
    { text: "early" },
    { text: "late" },
  ]);
});

test("the writers of one process are let in one by one, in the order in which they came", async () => {
  await using folder = await temporaryFolder();
  await using database = await openDatabase(folder.path);
  using holder = new DatabaseSync(join(folder.path, "test.db"));
  holder.exec("BEGIN IMMEDIATE");
  const names = Array.from({ length: 20 }, (_, i) => `${i}`);
  const order: string[] = [];
  const writing = names.map((name) =>
    database.write((prepare) => {
      prepare("INSERT INTO note VALUES (?)").run(name);
      order.push(name);
    }),
  );
  holder.exec("COMMIT");
  await Promise.all(writing);
  expect(order).toEqual(names);
});

test("a caller who never lets go does not keep the event loop from turning", async () => {
  await using folder = await temporaryFolder();
  await using database = await openDatabase(folder.path);
  for (const call of [
    () => database.read((prepare) => prepare("SELECT * FROM note LIMIT 1").all()),
    () => database.write((prepare) => prepare("INSERT INTO note VALUES ('x')").run()),
  ]) {
    let calls = 0;
    const turn = setImmediate().then(() => calls);
    while (calls++ < 20_000) await call();
    expect(await turn).toBeLessThan(10_000);
  }
});

test("the log begins anew when it is long, as soon as no reader needs it", async () => {
  await using folder = await temporaryFolder();
  await using database = await openDatabase(folder.path);
  const megabytes = async (n: number) => {
    for (let i = 0; i < n; i++) {
      await database.write((prepare) => prepare("INSERT INTO note VALUES (?)").run("x".repeat(1_000_000)));
    }
  };
  const logBytes = async () => (await stat(join(folder.path, "test.db-wal"))).size;
  await megabytes(40);
  expect(await logBytes()).toBeLessThan(10_000_000);
  using reader = new DatabaseSync(join(folder.path, "test.db"));
  reader.exec("BEGIN");
  expect(reader.prepare("SELECT count(*) AS n FROM note").get()).toMatchObject({ n: 40 });
  await megabytes(20);
  expect(await logBytes()).toBeGreaterThan(20_000_000);
  expect(reader.prepare("SELECT count(*) AS n FROM note").get()).toMatchObject({ n: 40 });
  reader.exec("COMMIT");
  await megabytes(2);
  expect(await logBytes()).toBeLessThan(10_000_000);
  expect(await database.read((prepare) => prepare("SELECT count(*) AS n FROM note").get())).toEqual({
    n: 62,
  });
});

test("the data version changes with the commits of others alone", async () => {
  await using folder = await temporaryFolder();
  await using one = await openDatabase(folder.path);
  await using two = await openDatabase(folder.path);
  const before = await one.dataVersion();
  await one.write((prepare) => prepare("INSERT INTO note VALUES ('mine')").run());
  expect(await one.dataVersion()).toBe(before);
  await two.write((prepare) => prepare("INSERT INTO note VALUES ('theirs')").run());
  expect(await one.dataVersion()).not.toBe(before);
});
