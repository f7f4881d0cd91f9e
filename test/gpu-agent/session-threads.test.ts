import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createSessionThreads } from "#agent/worker/session-threads.ts";
import { temporaryFolder } from "../contract/temporary-folder.ts";
import { faultCode } from "./models/fault-code.ts";
import { ones, smallModel } from "./small-model.ts";

const ONE_THREAD = { threads: 1 };

test("a model runs in its thread: what went in is untouched, what comes out is right, and its peak is measured once a size", async () => {
  await using folder = await temporaryFolder();
  await using threads = createSessionThreads();
  const session = await threads.open(await smallModel(join(folder.path, "a.onnx")), ONE_THREAD);
  expect(session).toMatchObject({ imageInput: "input", imageOutput: "output" });
  const feed = ones(4);
  for (let run = 0; run < 2; run += 1) {
    const outputs = await session.run({ input: feed });
    expect([...outputs["output"]!]).toEqual(Array.from({ length: 16 }, () => 2));
  }
  await session.run({ input: ones(8) });
  expect([...feed.data]).toEqual(Array.from({ length: 16 }, () => 1));
  const sizes = session.takePeaks().map(({ tilePixels }) => tilePixels);
  // Where the system says nothing of peaks, there are none.
  expect([[16, 64], []]).toContainEqual(sizes);
  expect(session.takePeaks()).toEqual([]);
  await session.release();
});

test("a model is opened and run while another one computes, and neither is measured then", async () => {
  await using folder = await temporaryFolder();
  await using threads = createSessionThreads();
  const slow = await threads.open(await smallModel(join(folder.path, "a.onnx"), { layers: 80 }), ONE_THREAD);
  const order: string[] = [];
  const running = slow.run({ input: ones(1_000) }).then(() => order.push("slow"));
  const other = await threads.open(await smallModel(join(folder.path, "b.onnx"), { factor: 3 }), ONE_THREAD);
  const outputs = await other.run({ input: ones(1) });
  order.push("other");
  await running;
  expect([...outputs["output"]!]).toEqual([3]);
  expect(order).toEqual(["other", "slow"]);
  expect(other.bytes).toBeUndefined();
  expect(slow.takePeaks()).toEqual([]);
});

test("a thread is used again after its model was released", async () => {
  await using folder = await temporaryFolder();
  await using threads = createSessionThreads();
  for (const factor of [2, 3, 4]) {
    const file = await smallModel(join(folder.path, `${factor}.onnx`), { factor });
    const session = await threads.open(file, ONE_THREAD);
    expect([...(await session.run({ input: ones(1) }))["output"]!]).toEqual([factor]);
    await session.release();
  }
});

test("a file that is no model, or another model, is a Fault, and the next one is opened all the same", async () => {
  await using folder = await temporaryFolder();
  await using threads = createSessionThreads();
  const good = await smallModel(join(folder.path, "a.onnx"));
  const path = join(folder.path, "junk.onnx");
  await writeFile(path, "no model at all");
  expect(await faultCode(threads.open({ ...good, path }, ONE_THREAD))).toBe("model_invalid");
  const input = { name: "input", order: "rgb", low: 0, high: 1 } as const;
  const entry = { ...good.entry, tensors: { ...good.entry.tensors, input } };
  expect(await faultCode(threads.open({ ...good, entry }, ONE_THREAD))).toBe("model_invalid");
  await using session = {
    ...(await threads.open(good, ONE_THREAD)),
    async [Symbol.asyncDispose]() {
      await this.release();
    },
  };
  expect([...(await session.run({ input: ones(1) }))["output"]!]).toEqual([2]);
});

test("what a model cannot run is a Fault of that run; the next run works", async () => {
  await using folder = await temporaryFolder();
  await using threads = createSessionThreads();
  const session = await threads.open(await smallModel(join(folder.path, "a.onnx")), ONE_THREAD);
  expect(await faultCode(session.run({ nothing: ones(1) }))).toBe("model_invalid");
  expect([...(await session.run({ input: ones(1) }))["output"]!]).toEqual([2]);
});

test("closing waits for what runs", async () => {
  await using folder = await temporaryFolder();
  const threads = createSessionThreads();
  const session = await threads.open(
    await smallModel(join(folder.path, "a.onnx"), { layers: 40 }),
    ONE_THREAD,
  );
  const running = session.run({ input: ones(500) });
  await threads[Symbol.asyncDispose]();
  expect((await running)["output"]).toHaveLength(250_000);
});
