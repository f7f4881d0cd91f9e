import { performance } from "node:perf_hooks";
import type { Clock } from "../ports.ts";
import { systemClock } from "./system-clock.ts";

/**
 * The machine's time as it was when this process began, and from then on what has passed: it never steps, whoever sets
 * the machine's clock, and stands still while the machine sleeps. For those who measure how long things take.
 */
export const steadyClock: Clock = {
  now: () => Math.floor(performance.timeOrigin + performance.now()),
  sleep: systemClock.sleep,
};
