import { expect, test } from "vitest";
import { poolMetrics, reportPoolMetrics } from "#agent/vram/pool-metrics.ts";
import { pictureAt } from "#agent/vram/picture-after.ts";
import { createLog } from "#shared/log.ts";
import { createPictureWorld, CROWDED, keepBusy } from "./picture-world.ts";

const SUMS = [
  "Grants",
  "Hits",
  "Loads",
  "LoadMilliseconds",
  "StallMilliseconds",
  "Prefetches",
  "Evictions",
  "FailedLoads",
  "Recycles",
  "Rejected",
] as const;

test("the metrics of two spans add up to those of both", async () => {
  const world = createPictureWorld(CROWDED);
  const start = world.picture();
  await keepBusy(world);
  const middle = world.picture();
  await keepBusy(world);
  const end = world.picture();
  const [first, second, both] = [
    poolMetrics(start, middle),
    poolMetrics(middle, end),
    poolMetrics(start, end),
  ];
  for (const name of SUMS) expect(first[name] + second[name], name).toBe(both[name]);
  expect(Math.max(first.Overtaken, second.Overtaken)).toBe(both.Overtaken);
  expect(first.Grants).toBe(10);
  expect(first.Loads).toBeGreaterThan(0);
  expect(first.StallMilliseconds).toBeGreaterThan(0);
  expect(first.Overtaken).toBeGreaterThan(0);
  expect(both).toMatchObject({ Device: "simulated", BudgetBytes: 10, UsedBytes: 8, HotModels: 2 });
  expect(poolMetrics(end, end)).toMatchObject({ Grants: 0, Overtaken: 0, UsedBytes: 8 });
});

test("a line of the log holds a metric of CloudWatch for every number, whole", async () => {
  const world = createPictureWorld(CROWDED);
  const lines: string[] = [];
  const log = createLog({
    level: "info",
    write: (line) => lines.push(line),
    now: world.clock.now,
    base: { of: "agent" },
  });
  const report = reportPoolMetrics({
    clock: world.clock,
    log,
    picture: () => pictureAt(world.picture(), world.clock.now()),
  });
  await keepBusy(world);
  await world.clock.advance(75_000);
  expect(lines).toHaveLength(2);
  await report[Symbol.asyncDispose]();
  expect(lines).toHaveLength(3);
  const [first, second, last] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(first).toMatchObject({ event: "pool-metrics", of: "agent", Grants: 10 });
  expect(second).toMatchObject({ Grants: 0, StallMilliseconds: 0 });
  // The specification: every metric's name is a member of the root and holds a number, as does every dimension a text.
  const { Timestamp, CloudWatchMetrics } = last!["_aws"] as {
    Timestamp: number;
    CloudWatchMetrics: {
      Namespace: string;
      Dimensions: string[][];
      Metrics: { Name: string; Unit: string }[];
    }[];
  };
  expect(Timestamp).toBe(world.clock.now());
  const [directive] = CloudWatchMetrics;
  expect(directive).toMatchObject({ Namespace: "PhotoKeep", Dimensions: [["Device"]] });
  expect(last!["Device"]).toBe("simulated");
  expect(directive!.Metrics.map(({ Name }) => Name)).toEqual([
    ...SUMS,
    "Overtaken",
    "UsedBytes",
    "BudgetBytes",
    "HotModels",
  ]);
  for (const { Name, Unit } of directive!.Metrics) {
    expect(last![Name], Name).toEqual(expect.any(Number));
    expect(["Count", "Milliseconds", "Bytes"]).toContain(Unit);
  }
});
