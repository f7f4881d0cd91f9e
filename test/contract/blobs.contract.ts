import { createHash } from "node:crypto";
import { readFile, symlink, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import type { Blobs } from "#shared/ports.ts";
import { type EngineLimits, promisesOf } from "./promise.ts";
import { temporaryFolder } from "./temporary-folder.ts";

export interface BlobsFixture {
  readonly blobs: Blobs;
  /** A content that the engine takes in several parts, where it does so; 3 MB otherwise. */
  readonly largeBytes?: number;
  readonly close: () => Promise<void>;
}

const PNG = "image/png";
const text = (content: string): Uint8Array => new TextEncoder().encode(content);
const sha256 = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");

/** Bytes that look random and are the same every time. */
const noise = (bytes: number, seed: string): Buffer =>
  createHash("shake256", { outputLength: bytes }).update(seed).digest();

/** Every promise of the Blobs port but for signed URLs. `open` gives an empty store. */
export function blobsContract(
  name: string,
  open: () => Promise<BlobsFixture>,
  limits: EngineLimits = {},
): void {
  const promiseOf = promisesOf(name, open, limits);
  function promise(
    sentence: string,
    check: (blobs: Blobs, folder: string, largeBytes: number) => Promise<void>,
  ): void {
    promiseOf(sentence, async ({ blobs, largeBytes = 3_000_001 }) => {
      await using folder = await temporaryFolder();
      await check(blobs, folder.path, largeBytes);
    });
  }

  promise("what was written is read back, with length, checksum and type", async (blobs) => {
    const bytes = text("grain");
    const info = { key: "jobs/job_1/in", bytes: 5, sha256: sha256(bytes), contentType: PNG };
    expect(await blobs.write("jobs/job_1/in", bytes, PNG)).toEqual(info);
    expect(await blobs.head("jobs/job_1/in")).toEqual(info);
    expect(new Uint8Array(await blobs.read("jobs/job_1/in"))).toEqual(bytes);
  });

  promise("a key that was never written is absent", async (blobs, folder) => {
    expect(await blobs.head("none")).toBeUndefined();
    await expect(blobs.read("none")).rejects.toMatchObject({ kind: "missing", code: "blob_missing" });
    await expect(blobs.download("none", join(folder, "x"))).rejects.toMatchObject({ code: "blob_missing" });
  });

  promise("an empty content is a content", async (blobs, folder) => {
    expect(await blobs.write("empty", new Uint8Array(), PNG)).toMatchObject({
      bytes: 0,
      sha256: sha256(text("")),
    });
    expect(await blobs.read("empty")).toHaveLength(0);
    await blobs.download("empty", join(folder, "empty"));
    expect(await readFile(join(folder, "empty"))).toHaveLength(0);
  });

  promise("a file goes in and comes out byte for byte", async (blobs, folder) => {
    const bytes = noise(3_000_001, "seed");
    await writeFile(join(folder, "in"), bytes);
    const info = await blobs.upload("k", join(folder, "in"), { contentType: PNG });
    expect(info).toEqual({ key: "k", bytes: bytes.length, sha256: sha256(bytes), contentType: PNG });
    expect(await blobs.download("k", join(folder, "out"))).toEqual(info);
    expect(sha256(await readFile(join(folder, "out")))).toBe(info.sha256);
  });

  promise("a large file is written once and whole, like any other", async (blobs, folder, largeBytes) => {
    const [bytes, others] = [noise(largeBytes, "large"), noise(largeBytes, "other")];
    await writeFile(join(folder, "in"), bytes);
    await writeFile(join(folder, "other"), others);
    const info = await blobs.upload("k", join(folder, "in"), { contentType: PNG });
    expect(info).toEqual({ key: "k", bytes: bytes.length, sha256: sha256(bytes), contentType: PNG });
    expect(await blobs.head("k")).toEqual(info);
    expect(await blobs.upload("k", join(folder, "in"), { contentType: PNG })).toEqual(info);
    const other = blobs.upload("k", join(folder, "other"), { contentType: PNG });
    await expect(other).rejects.toMatchObject({ kind: "conflict", code: "blob_exists" });
    expect(await blobs.copy("k", "copy")).toEqual({ ...info, key: "copy" });
    for (const key of ["k", "copy"]) {
      expect(await blobs.download(key, join(folder, `${key}-out`))).toEqual({ ...info, key });
      expect(sha256(await readFile(join(folder, `${key}-out`)))).toBe(info.sha256);
    }
  });

  promise(
    "two large files at once under one key have exactly one winner",
    async (blobs, folder, largeBytes) => {
      const files = ["one", "two"];
      for (const name of files) await writeFile(join(folder, name), noise(largeBytes, name));
      const settled = await Promise.allSettled(
        files.map((name) => blobs.upload("k", join(folder, name), { contentType: PNG })),
      );
      const won = settled.filter((upload) => upload.status === "fulfilled").map((upload) => upload.value);
      expect(won).toHaveLength(1);
      expect(settled.find((upload) => upload.status === "rejected")?.reason).toMatchObject({
        code: "blob_exists",
      });
      expect(await blobs.download("k", join(folder, "out"))).toEqual(won[0]);
      expect(sha256(await readFile(join(folder, "out")))).toBe(won[0]?.sha256);
    },
  );

  promise("a checksum that the caller knows is the same as one computed", async (blobs, folder) => {
    const bytes = text("known");
    await writeFile(join(folder, "in"), bytes);
    const as = { contentType: PNG, sha256: sha256(bytes) };
    const info = await blobs.upload("k", join(folder, "in"), as);
    expect(await blobs.upload("k", join(folder, "in"), { contentType: PNG })).toEqual(info);
  });

  promise("an uploaded file may be removed afterwards, and a downloaded one too", async (blobs, folder) => {
    await writeFile(join(folder, "in"), "content");
    await blobs.upload("k", join(folder, "in"), { contentType: PNG });
    await unlink(join(folder, "in"));
    await blobs.download("k", join(folder, "out"));
    await unlink(join(folder, "out"));
    expect(Buffer.from(await blobs.read("k")).toString()).toBe("content");
  });

  promise("an upload follows a symbolic link to the bytes themselves", async (blobs, folder) => {
    await writeFile(join(folder, "in"), "content");
    await symlink(join(folder, "in"), join(folder, "link"));
    await blobs.upload("k", join(folder, "link"), { contentType: PNG });
    for (const name of ["link", "in"]) await unlink(join(folder, name));
    expect(Buffer.from(await blobs.read("k")).toString()).toBe("content");
  });

  promise("a download goes to a path that is free, and overwrites nothing", async (blobs, folder) => {
    await blobs.write("k", text("new"), PNG);
    await writeFile(join(folder, "taken"), "old");
    await expect(blobs.download("k", join(folder, "taken"))).rejects.toThrow("EEXIST");
    expect(await readFile(join(folder, "taken"), "utf8")).toBe("old");
  });

  promise("a downloaded file outlives the deletion of its key", async (blobs, folder) => {
    await blobs.write("k", text("content"), PNG);
    await blobs.download("k", join(folder, "out"));
    await blobs.delete("k");
    expect(await readFile(join(folder, "out"), "utf8")).toBe("content");
  });

  promise("the same bytes again are no error, by whichever way they come", async (blobs, folder) => {
    await writeFile(join(folder, "in"), "same");
    const first = await blobs.write("k", text("same"), PNG);
    expect(await blobs.write("k", text("same"), PNG)).toEqual(first);
    expect(await blobs.upload("k", join(folder, "in"), { contentType: PNG })).toEqual(first);
  });

  promise("other bytes under a taken key are refused and change nothing", async (blobs, folder) => {
    await writeFile(join(folder, "in"), "other");
    await blobs.write("k", text("first"), PNG);
    const refused = { name: "Fault", kind: "conflict", code: "blob_exists" };
    await expect(blobs.write("k", text("other"), PNG)).rejects.toMatchObject(refused);
    await expect(blobs.upload("k", join(folder, "in"), { contentType: PNG })).rejects.toMatchObject(refused);
    expect(Buffer.from(await blobs.read("k")).toString()).toBe("first");
  });

  promise("a copy has the bytes and the type of its source, and outlives it", async (blobs) => {
    const info = await blobs.write("in/a+b=c@d,e", text("content"), PNG);
    expect(await blobs.copy("in/a+b=c@d,e", "jobs/copy")).toEqual({ ...info, key: "jobs/copy" });
    expect(await blobs.head("in/a+b=c@d,e")).toEqual(info);
    await blobs.delete("in/a+b=c@d,e");
    expect(await blobs.head("jobs/copy")).toEqual({ ...info, key: "jobs/copy" });
    expect(Buffer.from(await blobs.read("jobs/copy")).toString()).toBe("content");
  });

  promise("a copy onto the same bytes is no error, onto other bytes it is refused", async (blobs) => {
    const first = await blobs.write("first", text("first"), PNG);
    await blobs.write("other", text("other"), PNG);
    await blobs.write("longer", text("longer"), PNG);
    const copied = await blobs.copy("first", "copy");
    expect(await blobs.copy("first", "copy")).toEqual(copied);
    expect(await blobs.copy("first", "first")).toEqual(first);
    for (const key of ["other", "longer"]) {
      await expect(blobs.copy("first", key)).rejects.toMatchObject({ kind: "conflict", code: "blob_exists" });
      expect(Buffer.from(await blobs.read(key)).toString()).toBe(key);
    }
  });

  promise("a copy of what is not there is told as missing, and makes nothing", async (blobs) => {
    await blobs.write("there", text("there"), PNG);
    for (const to of ["copy", "there"]) {
      await expect(blobs.copy("none", to)).rejects.toMatchObject({ kind: "missing", code: "blob_missing" });
    }
    expect((await blobs.list("", { limit: 10 })).rows).toEqual(["there"]);
  });

  promise("twenty copies at once all succeed", async (blobs) => {
    const { sha256 } = await blobs.write("first", text("first"), PNG);
    const copies = await Promise.all(Array.from({ length: 20 }, () => blobs.copy("first", "copy")));
    expect(new Set(copies.map((info) => info.sha256))).toEqual(new Set([sha256]));
    expect(Buffer.from(await blobs.read("copy")).toString()).toBe("first");
  });

  promise("twenty writers of different bytes have exactly one winner", async (blobs) => {
    const writers = Array.from({ length: 20 }, (_, i) => blobs.write("deep/er/k", text(`writer ${i}`), PNG));
    const settled = await Promise.allSettled(writers);
    const won = settled.filter((write) => write.status === "fulfilled").map((write) => write.value);
    expect(won).toHaveLength(1);
    expect(
      settled.filter(
        (write) => write.status === "rejected" && (write.reason as { code?: string }).code === "blob_exists",
      ),
    ).toHaveLength(19);
    expect(sha256(await blobs.read("deep/er/k"))).toBe(won[0]?.sha256);
  });

  promise("twenty writers of the same bytes all succeed", async (blobs) => {
    const writers = Array.from({ length: 20 }, () => blobs.write("k", text("same"), PNG));
    expect(new Set((await Promise.all(writers)).map((info) => info.sha256)).size).toBe(1);
  });

  promise("what a caller does to its bytes afterwards changes nothing stored", async (blobs) => {
    const bytes = text("first");
    await blobs.write("k", bytes, PNG);
    bytes.fill(0);
    (await blobs.read("k")).fill(0);
    expect(Buffer.from(await blobs.read("k")).toString()).toBe("first");
  });

  promise("a key and keys below it live side by side", async (blobs) => {
    const keys = ["a", "a-b", "a.b", "a/b", "a/b/c", "a/b0", "a0", "ab/c"];
    for (const key of keys.toReversed()) await blobs.write(key, text(key), PNG);
    for (const key of keys) expect(Buffer.from(await blobs.read(key)).toString()).toBe(key);
    expect((await blobs.list("a", { limit: 10 })).rows).toEqual(keys);
    expect((await blobs.list("a/b", { limit: 10 })).rows).toEqual(["a/b", "a/b/c", "a/b0"]);
    expect((await blobs.list("a/b/", { limit: 10 })).rows).toEqual(["a/b/c"]);
    for (const key of ["a-b", "a/b", "a/b0", "a0", "ab/c"]) await blobs.delete(key);
    expect(await blobs.head("a/b")).toBeUndefined();
    expect((await blobs.list("", { limit: 10 })).rows).toEqual(["a", "a.b", "a/b/c"]);
  });

  promise("a deletion may be repeated, and the key is free again", async (blobs) => {
    await blobs.write("a/b", text("first"), PNG);
    await blobs.delete("a/b");
    await blobs.delete("a/b");
    await blobs.delete("never/there");
    expect(await blobs.head("a/b")).toBeUndefined();
    await blobs.write("a/b", text("second"), PNG);
    expect(Buffer.from(await blobs.read("a/b")).toString()).toBe("second");
  });

  promise("writers and deletions of neighbours do not disturb each other", async (blobs) => {
    const churn = async (key: string) => {
      for (let i = 0; i < 10; i++) {
        await blobs.write(key, text(key), PNG);
        await blobs.delete(key);
      }
      await blobs.write(key, text(key), PNG);
    };
    const keys = ["x/y/1", "x/y/2", "x/3", "x/y/z/4"];
    await Promise.all(keys.map(churn));
    expect((await blobs.list("x/", { limit: 10 })).rows).toEqual(["x/3", "x/y/1", "x/y/2", "x/y/z/4"]);
  });

  promise("keys are listed by prefix, in byte order", async (blobs) => {
    const keys = ["B", "a-b", "a.b", "a/b/c", "a/b0", "a/bc", "a0", "a=", "ab/c", "b"];
    for (const key of keys.toReversed()) await blobs.write(key, text(key), PNG);
    const list = async (prefix: string) => (await blobs.list(prefix, { limit: 100 })).rows;
    expect(await list("")).toEqual(keys);
    expect(await list("a")).toEqual(keys.slice(1, -1));
    expect(await list("a/")).toEqual(["a/b/c", "a/b0", "a/bc"]);
    expect(await list("a/b")).toEqual(["a/b/c", "a/b0", "a/bc"]);
    expect(await list("a/b/")).toEqual(["a/b/c"]);
    expect(await list("ab")).toEqual(["ab/c"]);
    expect(await list("none/")).toEqual([]);
  });

  promise("pages of keys follow each other without a gap or a repetition", async (blobs) => {
    const keys = Array.from({ length: 30 }, (_, i) => `p/${Math.floor(i / 7)}/${String(i).padStart(2, "0")}`);
    for (const key of keys) await blobs.write(key, text(key), PNG);
    await blobs.write("q", text("q"), PNG);
    for (const limit of [1, 4, 30]) {
      const seen: string[] = [];
      for (let cursor: string | undefined; ;) {
        const page = await blobs.list("p/", { limit, ...(cursor !== undefined && { cursor }) });
        expect(page.rows.length).toBeLessThanOrEqual(limit);
        seen.push(...page.rows);
        cursor = page.cursor;
        if (cursor === undefined) break;
      }
      expect(seen).toEqual(keys);
    }
  });

  promise("a key that could lead elsewhere is refused everywhere", async (blobs, folder) => {
    await writeFile(join(folder, "in"), "x");
    const keys = [
      "",
      "/",
      "/a",
      "a/",
      "a//b",
      ".",
      "..",
      "../a",
      "a/../b",
      "a/./b",
      "a\\b",
      "a\0b",
      "a b",
      "ä",
      "a~",
      "%2e",
      "a?b",
      "a".repeat(513),
      `${"a".repeat(201)}/b`,
      "a\n",
    ];
    for (const key of keys) {
      const calls = [
        blobs.head(key),
        blobs.read(key),
        blobs.write(key, text("x"), PNG),
        blobs.upload(key, join(folder, "in"), { contentType: PNG }),
        blobs.download(key, join(folder, "out")),
        blobs.delete(key),
        blobs.copy(key, "to"),
        blobs.copy("from", key),
        blobs.signGet({ key, expiresAt: 1 }),
        blobs.signPut({ key, expiresAt: 1, bytes: 1, contentType: PNG }),
      ];
      for (const call of await Promise.allSettled(calls)) {
        expect(call, key).toMatchObject({
          status: "rejected",
          reason: { kind: "input", code: "key_invalid" },
        });
      }
    }
    for (const prefix of ["/", "../", "a/../", "a//", "ä", "a~"]) {
      await expect(blobs.list(prefix, { limit: 1 })).rejects.toMatchObject({ code: "key_invalid" });
    }
    expect((await blobs.list("", { limit: 10 })).rows).toEqual([]);
  });

  promise("the longest key works like any other", async (blobs) => {
    const key = `${"k".repeat(200)}/${"k".repeat(200)}/${"k".repeat(110)}`;
    await blobs.write(key, text("x"), PNG);
    expect((await blobs.list(key, { limit: 1 })).rows).toEqual([key]);
  });

  promise("a cursor that is none is the caller's fault", async (blobs) => {
    for (const cursor of ["", "x", "bm9uZQ"]) {
      await expect(blobs.list("", { limit: 1, cursor })).rejects.toMatchObject({
        kind: "input",
        code: "cursor_invalid",
      });
    }
  });
}
