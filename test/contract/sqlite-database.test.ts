import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
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

test("a file with a newer schema is refused and left untouched", async () => {
  await using folder = await temporaryFolder();
  await (await openDatabase(folder.path, { schema: [FIRST, SECOND] })).close();
  await expect(openDatabase(folder.path)).rejects.toMatchObject({ kind: "conflict", code: "schema_newer" });
  await (await openDatabase(folder.path, { schema: [FIRST, SECOND] })).close();
});

test("many openings of a new file at once all succeed and create the schema once", async () => {
  await using folder = await temporaryFolder();
  const databases = await Promise.all(Array.from({ length: 8 }, () => openDatabase(folder.path)));
  for (const database of databases) expect(await database.check()).toEqual([]);
  for (const database of databases) await database.close();
});

test("a file that is no database is refused as damaged", async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, "test.db"), "this is no database".repeat(1_000));
  await expect(openDatabase(folder.path)).rejects.toMatchObject({
    kind: "conflict",
    code: "database_damaged",
  });
});

test("the check finds what is damaged", async () => {
  await using folder = await temporaryFolder();
  {
    await using database = await openDatabase(folder.path);
    await database.write((prepare) => {
      for (let i = 0; i < 1_000; i++) prepare("INSERT INTO note VALUES (?)").run("x".repeat(100));
    });
    expect(await database.check()).toEqual([]);
  }
  await using file = await open(join(folder.path, "test.db"), "r+");
  await file.write(Buffer.alloc(4_096, 0xa5), 0, 4_096, 5 * 8_192);
  await using database = await openDatabase(folder.path);
  expect(await database.check()).not.toEqual([]);
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
