/**
 * Run with a folder on a disk of one megabyte: stores contents that do not fit, each way there is, and prints what
 * became of them.
 */
import { readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFileBlobs } from "#shared/adapters/file-blobs.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";

const root = process.argv[2] ?? "";
const large = new Uint8Array(2_000_000);
const contentType = "image/png";
const source = join(tmpdir(), `photokeep-test-large-${process.pid}`);
const blobs = await createFileBlobs({ root, entropy: systemEntropy });

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "stored",
    (error: { code?: string }) => error.code ?? "unknown",
  );

await writeFile(source, large);
const result = {
  write: await codeOf(blobs.write("a", large, contentType)),
  upload: await codeOf(blobs.upload("b", source, { contentType })),
  receive: await codeOf(blobs.receive("c", new Blob([large]).stream(), { contentType, bytes: large.length })),
  files: (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
    .length,
  after:
    (await blobs.write("d", large.subarray(0, 1_000), contentType)).bytes === 1_000 ? "fits" : "does not fit",
};
await rm(source);
console.log(JSON.stringify(result));
