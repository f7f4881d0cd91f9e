import { expect, test } from "vitest";
import {
  bodyOf,
  fakeAgent,
  intakeDone,
  intakeStarted,
  queued,
  RESULT,
  succeeded,
  testWorld,
} from "./api-fixture.ts";
import { Restoration } from "#functions/api/restoration-schema.ts";
import { apply } from "#functions/apply.ts";
import { FAILURES, type Failure } from "#shared/domain/stage.ts";

test("a restoration that has succeeded tells its result, its stages, its reasons and its warnings", async () => {
  const all = testWorld();
  const done = Restoration.parse(await succeeded(all));
  expect(done).toMatchObject({ status: "succeeded", progress: null, error: null, upload: null });
  expect(done.output).toMatchObject({
    content_type: "image/png",
    format: "png",
    width: 1600,
    height: 1200,
    bytes: RESULT["image"]?.bytes.length,
  });
  expect(done.warnings).toEqual([
    "The file is cut short; the lower part is missing.",
    "One tile was done twice.",
  ]);

  const told = Object.fromEntries(done.stages.map((stage) => [stage.kind, stage]));
  expect(told["upscale"]).toMatchObject({
    status: "done",
    model: "realesr-general-x4v3",
    reason: expect.stringContaining("×2"),
    seconds: 2.5,
    model_seconds: 2,
    enable: null,
  });
  expect(told["repair"]).toMatchObject({ status: "skipped", model: null, seconds: null });
  expect(told["repair"]).toMatchObject({ enable: null, reason: expect.stringContaining("asked for") });
  expect(told["colorize"]).toMatchObject({ status: "skipped", reason: expect.any(String), enable: null });
});

test("each link of a result leads to its own bytes", async () => {
  const all = testWorld();
  const done = await succeeded(all);
  const read = async (url: string | undefined): Promise<string> => (await all.app.request(url ?? "")).text();
  expect(await read(done.output?.url)).toBe("the restored photograph");
  expect(await read(done.before?.url)).toBe("a preview of before");
  expect(await read(done.after?.url)).toBe("a preview of after");
  expect(await read(done.comparison?.url)).toBe("both side by side");
});

test("a running stage shows what its agent's last beat said, and nothing of a beat about an older try", async () => {
  const all = testWorld();
  const { id, links } = await queued(all);
  await intakeStarted(all, id);
  await intakeDone(all, id);
  const agent = await fakeAgent(all);
  const lease = await agent.claim(id);
  const read = async (): Promise<Restoration> => Restoration.parse(await (await all.get(links.self)).json());

  const starting = await read();
  expect(starting).toMatchObject({
    status: "processing",
    progress: { stage: "analyze", percent: 0, doing: "starting", model: null },
  });
  expect(starting.stages[0]).toMatchObject({
    kind: "analyze",
    status: "running",
    reason: null,
    progress: { doing: "starting" },
  });

  await agent.beat(lease, {
    fraction: 0.629,
    tilesDone: 5,
    tilesTotal: 8,
    model: "ffdnet-color",
    doing: "running",
  });
  expect((await read()).progress).toEqual({
    stage: "analyze",
    percent: 62,
    tiles_done: 5,
    tiles_total: 8,
    model: "ffdnet-color",
    doing: "running",
  });

  await agent.beat(
    { ...lease, epoch: lease.epoch + 1 },
    { fraction: 0.9, tilesDone: 7, tilesTotal: 8, doing: "running" },
  );
  expect((await read()).progress).toMatchObject({ percent: 0, doing: "starting" });
});

test("a beat that changes nothing but its time leaves the tag as it is", async () => {
  const all = testWorld();
  const { id, links } = await queued(all);
  await intakeStarted(all, id);
  await intakeDone(all, id);
  const agent = await fakeAgent(all);
  const lease = await agent.claim(id);
  const tag = async (): Promise<string | null> => (await all.get(links.self)).headers.get("etag");
  const progress = { fraction: 0.5, tilesDone: 1, tilesTotal: 2, doing: "running" as const };
  await agent.beat(lease, progress);
  const first = await tag();
  await all.clock.advance(5_000);
  await agent.beat(lease, progress);
  expect(await tag()).toBe(first);
  await agent.beat(lease, { ...progress, fraction: 0.6 });
  expect(await tag()).not.toBe(first);
});

test("a restoration that was not begun by the deadline its customer set has expired, and says so", async () => {
  const all = testWorld();
  const { id, links } = await queued(all, { deadline: { start_within: 30 } });
  await all.clock.advance(30_000);
  await apply(all.doors, id, { type: "due" });
  const told = Restoration.parse(await (await all.get(links.self)).json());
  expect(told).toMatchObject({
    status: "expired",
    started_at: null,
    options: { deadline: { start_within: 30 } },
  });
  expect(told.error).toMatchObject({ code: "deadline_exceeded", retryable: true });
});

const PUBLIC_CODES: Record<Failure, { code: string; retryable: boolean }> = {
  bad_image: { code: "input_unreadable", retryable: false },
  transient_io: { code: "worker_lost", retryable: true },
  infra_throttled: { code: "worker_lost", retryable: true },
  disk_full: { code: "disk_full", retryable: true },
  gpu_oom: { code: "out_of_memory", retryable: true },
  gpu_fault: { code: "worker_lost", retryable: true },
  gpu_hang: { code: "worker_lost", retryable: false },
  worker_crashed: { code: "worker_lost", retryable: false },
  model_invalid: { code: "model_unavailable", retryable: true },
  model_missing: { code: "model_unavailable", retryable: true },
  bug: { code: "internal_error", retryable: true },
};

test.each(FAILURES)(
  "a restoration that ends by %s tells a public code, and an agent's words only where they speak of the photograph",
  async (failure) => {
    const all = testWorld();
    const { id, links } = await queued(all);
    await intakeStarted(all, id);
    await intakeDone(all, id);
    const agents = [await fakeAgent(all), await fakeAgent(all)];
    const words = "onnxruntime at 0x7f: /srv/agent/worker.ts line 12";
    for (let tries = 0; (await bodyOf<Restoration>(await all.get(links.self))).status !== "failed"; tries++) {
      expect(tries).toBeLessThan(50);
      const { stage, epoch } = await agents[tries % 2]!.claim(id);
      const job = await apply(all.doors, id, { type: "looked", stage, epoch, held: true, lookAt: 0 });
      const holder = job.job.stages.find(({ kind }) => kind === stage)?.agent ?? "";
      await apply(all.doors, id, { type: "failed", stage, epoch, agent: holder, failure, message: words });
      await all.clock.advance(1_800_000);
    }
    const { error, stages } = Restoration.parse(await (await all.get(links.self)).json());
    expect(error).toMatchObject(PUBLIC_CODES[failure]);
    if (failure === "bad_image") expect(error?.message).toBe(words);
    else expect(error?.message).not.toContain("onnxruntime");
    expect(stages[0]?.status).toBe("failed");
  },
);
