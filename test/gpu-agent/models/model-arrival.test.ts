import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pid } from "node:process";
import { expect, test } from "vitest";
import { findModel } from "#shared/domain/catalogue.ts";
import type { ModelEntry } from "#shared/domain/model.ts";
import { lockArrival } from "#agent/models/arrival-lock.ts";
import { openModelArrival } from "#agent/models/model-arrival.ts";
import type { ModelArrival } from "#agent/models/model-arrival.ts";
import { openModelFiles } from "#agent/models/model-files.ts";
import type { ModelFiles } from "#agent/models/model-files.ts";
import { openModelTrust } from "#agent/models/model-trust.ts";
import { createOnnxGraph } from "#agent/models/onnx.ts";
import { temporaryFolder } from "../../contract/temporary-folder.ts";
import { faultCode } from "./fault-code.ts";

function entryOf(id: string): ModelEntry {
  const entry = findModel(id);
  if (entry === undefined) throw new Error(`${id} is in the catalogue`);
  return entry;
}

/** A model of the right form for any ×1 restorer; `value` makes it another file. */
function modelFile(value: number, output = "output"): Uint8Array {
  const graph = createOnnxGraph("any");
  const input = graph.input("input", [1, 3, "h", "w"]);
  graph.output(output, graph.node("Mul", [input, graph.floats([], Float32Array.of(value))]), [
    1,
    3,
    "h",
    "w",
  ]);
  return graph.encode();
}

async function serveBytes(bytes: () => Uint8Array): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer((_, response) => response.end(bytes()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/m.onnx`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function open(dir: string): { files: ModelFiles; arrival: ModelArrival } {
  const trust = openModelTrust(join(dir, "trusted"));
  const files = openModelFiles(dir, trust);
  return { files, arrival: openModelArrival(join(dir, "arriving"), { files, trust }) };
}

test("the first file of a model without a published digest counts, and every later one must equal it", async () => {
  await using folder = await temporaryFolder();
  const entry = entryOf("scunet-gan");
  let served = modelFile(1);
  await using server = await serveBytes(() => served);

  const { files, arrival } = open(folder.path);
  expect(await files.find(entry)).toBeUndefined();
  await arrival.fetchIn(entry, server.url, {});
  const first = await files.verify(entry);

  served = modelFile(2);
  const later = open(folder.path);
  expect(await faultCode(later.arrival.fetchIn(entry, server.url, {}))).toBe("digest_mismatched");
  expect(await later.files.verify(entry)).toMatchObject({ sha256: first.sha256 });
  served = modelFile(1);
  await later.arrival.fetchIn(entry, server.url, {});
});

test("a fetched file must be a model with the tensors of the catalogue, else nothing of it stays", async () => {
  await using folder = await temporaryFolder();
  const entry = entryOf("scunet-gan");
  for (const [bytes, code] of [
    [Buffer.from("<html>please log in</html>"), "model_unreadable"],
    [modelFile(1, "another"), "contract_mismatched"],
  ] as const) {
    await using server = await serveBytes(() => bytes);
    const { files, arrival } = open(folder.path);
    expect(await faultCode(arrival.fetchIn(entry, server.url, {}))).toBe(code);
    expect(await files.find(entry)).toBeUndefined();
    expect(await readdir(join(folder.path, "arriving"))).toEqual([]);
  }
});

test("a file of the right name with other bytes than the published ones is not taken over", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "m.onnx");
  await writeFile(path, modelFile(1));
  const { arrival } = open(folder.path);
  expect(await faultCode(arrival.copyIn({ entry: entryOf("scunet-psnr"), path }))).toBe("digest_mismatched");
});

test("two processes do not write one download, and a lock outlives its process by nothing", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "m.onnx");
  {
    await using _ = await lockArrival(path);
    expect(await faultCode(lockArrival(path))).toBe("download_locked");
  }
  expect(await readdir(folder.path)).toEqual([]);
  // Process ids end far below this.
  await writeFile(`${path}.lock`, String(2 ** 30));
  {
    await using _ = await lockArrival(path);
    expect(await readdir(folder.path)).toEqual(["m.onnx.lock"]);
  }
  await writeFile(`${path}.lock`, String(pid));
  expect(await faultCode(lockArrival(path))).toBe("download_locked");
});
