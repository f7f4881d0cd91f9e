import { expect, test } from "vitest";
import type { Clock } from "#shared/ports.ts";

export interface ClockFixture {
  readonly clock: Clock;
  /** Lets time pass: by hand, or by waiting. */
  readonly advance: (ms: number) => Promise<void>;
}

/** Every promise of the Clock port. */
export function clockContract(name: string, open: () => ClockFixture): void {
  test(`${name}: a sleep lasts at least as long as asked, by the clock's own reading`, async () => {
    const { clock, advance } = open();
    const before = clock.now();
    const sleeping = clock.sleep(20).then(() => clock.now());
    await advance(20);
    // Timers and readings are rounded to milliseconds apart from each other.
    expect((await sleeping) - before).toBeGreaterThanOrEqual(19);
  });

  test(`${name}: no sleep at all ends by itself`, async () => {
    const { clock } = open();
    await clock.sleep(0);
    await clock.sleep(-5);
  });

  test(`${name}: shorter sleeps end before longer ones, whoever began first`, async () => {
    const { clock, advance } = open();
    const order: string[] = [];
    const long = clock.sleep(60).then(() => order.push("long"));
    const short = clock.sleep(5).then(() => order.push("short"));
    await advance(60);
    await Promise.all([long, short]);
    expect(order).toEqual(["short", "long"]);
  });

  test(`${name}: an aborted sleep rejects with the reason at once`, async () => {
    const { clock } = open();
    const abort = new AbortController();
    const reason = new Error("woken");
    const sleeping = clock.sleep(1_000_000, abort.signal);
    abort.abort(reason);
    await expect(sleeping).rejects.toBe(reason);
    await expect(clock.sleep(1, abort.signal)).rejects.toBe(reason);
  });

  test(`${name}: an abort after the end changes nothing`, async () => {
    const { clock, advance } = open();
    const abort = new AbortController();
    const sleeping = clock.sleep(1, abort.signal);
    await advance(1);
    await sleeping;
    abort.abort();
    await expect(sleeping).resolves.toBeUndefined();
  });

  test(`${name}: whole milliseconds since the epoch`, () => {
    const { clock } = open();
    expect(Number.isSafeInteger(clock.now())).toBe(true);
    expect(clock.now()).toBeGreaterThan(Date.UTC(2020, 0));
  });
}
