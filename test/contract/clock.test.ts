import { expect, test } from "vitest";
import { createManualClock } from "#shared/adapters/manual-clock.ts";
import { steadyClock } from "#shared/adapters/steady-clock.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";
import { clockContract } from "./clock.contract.ts";

clockContract("system clock", () => ({ clock: systemClock, advance: (ms) => systemClock.sleep(ms) }));
clockContract("steady clock", () => ({ clock: steadyClock, advance: (ms) => steadyClock.sleep(ms) }));
clockContract("manual clock", () => {
  const clock = createManualClock();
  return { clock, advance: (ms) => clock.advance(ms) };
});

test("manual clock: time stands still until it is moved, and stops where it was moved to", async () => {
  const clock = createManualClock(5_000);
  expect(clock.now()).toBe(5_000);
  await clock.advance(250);
  expect(clock.now()).toBe(5_250);
});

test("manual clock: each sleeper wakes at its own moment, equals in the order they fell asleep", async () => {
  const clock = createManualClock(0);
  const woken: [string, number][] = [];
  const sleeper = async (name: string, ms: number) => {
    await clock.sleep(ms);
    woken.push([name, clock.now()]);
  };
  const all = [sleeper("c", 30), sleeper("a", 10), sleeper("b1", 20), sleeper("b2", 20)];
  await clock.advance(29);
  expect(woken).toEqual([
    ["a", 10],
    ["b1", 20],
    ["b2", 20],
  ]);
  expect(clock.nextAt()).toBe(30);
  await clock.advance(1);
  await Promise.all(all);
  expect(woken.at(-1)).toEqual(["c", 30]);
  expect(clock.nextAt()).toBeUndefined();
});

test("manual clock: a loop that sleeps again is woken as often as its time comes in one move", async () => {
  const clock = createManualClock(0);
  const beats: number[] = [];
  const stop = new AbortController();
  const loop = async () => {
    for (;;) {
      await clock.sleep(5, stop.signal);
      await Promise.resolve();
      beats.push(clock.now());
    }
  };
  const running = loop();
  await clock.advance(22);
  expect(beats).toEqual([5, 10, 15, 20]);
  stop.abort(new Error("enough"));
  await expect(running).rejects.toThrow("enough");
  expect(clock.nextAt()).toBeUndefined();
});
