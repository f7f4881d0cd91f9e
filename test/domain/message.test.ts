import { expect, test } from "vitest";
import { BeatAnswer, BeatAsk, Lease } from "#shared/domain/message.ts";
import { sampleLease } from "../gpu-agent/sample-lease.ts";

const stages = [{ stage: "upscale", models: ["esrgan-thick"] }];
const ahead = [{ job: "job_2", stages }];
/** The messages as they were before either side spoke of what is ahead. */
const OlderLease = Lease.omit({ models: true, ahead: true });
const OlderBeatAsk = BeatAsk.omit({ ahead: true });
const OlderBeatAnswer = BeatAnswer.omit({ ahead: true });

test("what an older control plane sends is read as: nothing is known of what is ahead", () => {
  const { models: _, ahead: __, ...older } = sampleLease();
  expect(Lease.parse(older)).toMatchObject({ models: [], ahead: [] });
  expect(BeatAnswer.parse({ drop: [] })).toEqual({ drop: [], ahead: [] });
});

test("an older agent reads what a newer control plane sends", () => {
  const lease = { ...sampleLease(), models: ["esrgan-thick"], ahead: stages };
  expect(OlderLease.parse(lease)).not.toHaveProperty("ahead");
  expect(OlderBeatAnswer.parse({ drop: [], ahead })).toEqual({ drop: [] });
});

test("an older agent does not ask, and an older control plane is not put off by one that does", () => {
  const ask = { seq: 1, runs: [], hot: [] };
  expect(BeatAsk.parse(ask).ahead).toBe(false);
  expect(OlderBeatAsk.parse({ ...ask, ahead: true })).toEqual(ask);
});

test.each([
  ["a stage this version does not know", [{ job: "job_2", stages: [{ stage: "sharpen", models: [] }] }]],
  ["more than may be said", Array.from({ length: 17 }, () => ahead[0])],
  ["no list", "soon"],
])("advice that holds %s costs no lease", (_name, wrong) => {
  const drop = [{ job: "job_1", stage: "analyze", epoch: 1 }];
  expect(BeatAnswer.parse({ drop, ahead: wrong })).toEqual({ drop, ahead: [] });
  expect(Lease.parse({ ...sampleLease(), models: "any", ahead: wrong })).toMatchObject({
    job: "job_1",
    models: [],
    ahead: [],
  });
});

test("advice within its limits arrives as it was sent", () => {
  expect(BeatAnswer.parse({ drop: [], ahead }).ahead).toEqual(ahead);
  const lease = { ...sampleLease(), models: ["esrgan-thick"], ahead: stages };
  expect(Lease.parse(lease)).toEqual(lease);
});
