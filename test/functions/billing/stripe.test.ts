/** What is owed to the payment provider arrives once, whatever its meter and the way to it do. */
import { afterEach, expect, test } from "vitest";
import { changeSettings } from "#functions/billing/settings.ts";
import { reconcile } from "#functions/billing/reconcile.ts";
import { sendOwed } from "#functions/billing/outbox-sender.ts";
import type { Window } from "#shared/domain/money/window.ts";
import type { Item } from "#shared/ports.ts";
import { restBreaches } from "../../simulation/money-checker.ts";
import { createStripeModel, type StripeModel, type StripeRates } from "../../simulation/stripe-model.ts";
import { playStripe } from "./stripe-play.ts";
import {
  accept,
  chance,
  DAY_MS,
  end,
  HOUR_MS,
  moneyWorld,
  ORG,
  rate,
  sweepMoney,
  type Money,
} from "./money-world.ts";

const HONEST: StripeRates = { failBefore: 0, failAfter: 0, drop: 0, lagMsMax: 60_000 };
const SUBSCRIPTION = "sub_1";
/** Ten days are longer than anything waits that began with one job: its day, two readings, an invoice's grace. */
const ROUNDS_TO_REST = 24 * 20;

interface Metered {
  readonly money: Money;
  readonly stripe: StripeModel;
  /** What may go wrong from now on. */
  readonly harm: (rates: Partial<StripeRates>) => void;
}

async function metered(deliver?: Parameters<typeof moneyWorld>[0]): Promise<Metered> {
  const draw = chance(7);
  let rates = HONEST;
  let now = (): number => 0;
  const stripe = createStripeModel({
    now: () => now(),
    draw,
    rates: {
      get failBefore() {
        return rates.failBefore;
      },
      get failAfter() {
        return rates.failAfter;
      },
      get drop() {
        return rates.drop;
      },
      get lagMsMax() {
        return rates.lagMsMax;
      },
    },
  });
  const money = moneyWorld({ draw, meter: stripe.door, ...deliver });
  now = money.clock.now;
  await changeSettings(money.doors, ORG, { funding: SUBSCRIPTION });
  return { money, stripe, harm: (some) => (rates = { ...HONEST, ...some }) };
}

async function sold({ money }: Metered, jobs = 1): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < jobs; i++) {
    const { id } = await accept(money);
    await end(money, id, "succeeded");
    ids.push(id);
  }
  await rate(money);
  return ids;
}

const rowsOf = async (money: Money, part: string): Promise<Item[]> =>
  (await money.items()).filter(({ pk }) => pk.startsWith(part));

/** Hour by hour, until nothing is owed and every window has been compared. */
async function rest({ money }: Metered): Promise<void> {
  for (let round = 0; round < ROUNDS_TO_REST; round++) {
    await sweepMoney(money);
    const isOpen = (await money.items()).some(({ indexes }) => indexes?.due?.pk.startsWith("DUE#money#"));
    money.clock.at += HOUR_MS / 2;
    if (!isOpen) return;
  }
  expect.fail(`owed for ever: ${JSON.stringify(await rowsOf(money, "WINDOW#"))}`);
}

/** Every unit that was charged is billed, by day; nothing else is. */
async function billedRight({ money, stripe }: Metered): Promise<void> {
  const billed = new Map(
    stripe.days().map((day) => [`${day.day}:${day.rateClass}:${day.funding}`, stripe.billed(day)]),
  );
  expect(restBreaches(await money.items(), billed)).toEqual([]);
}

const total = ({ stripe }: Metered): number =>
  stripe.days().reduce((units, day) => units + stripe.billed(day), 0);

const world: { current?: Metered } = {};
afterEach(async () => {
  if (world.current !== undefined) await billedRight(world.current);
  delete world.current;
});

async function begin(options?: Parameters<typeof metered>[0]): Promise<Metered> {
  return (world.current = await metered(options));
}

test("each job's units arrive once, and the day's comparison finds nothing to send", async () => {
  const all = await begin();
  await sold(all, 3);
  await rest(all);
  expect(total(all)).toBe(12);
  const [window] = await rowsOf(all.money, "WINDOW#");
  expect(window?.body).toMatchObject({ state: "settled" });
  expect(window?.body).not.toHaveProperty("difference");
});

test("an answer that was lost is asked for again under the same identifier, and counts once", async () => {
  const all = await begin();
  await sold(all);
  all.harm({ failAfter: 1 });
  await sweepMoney(all.money);
  expect(await rowsOf(all.money, "OUTBOX#meter")).toMatchObject([{ body: { state: "pending", tries: 1 } }]);
  all.harm({});
  await rest(all);
  expect(total(all)).toBe(4);
});

test("16: a sending whose answer was lost is never repeated a day later; its window's comparison finds that it arrived", async () => {
  const all = await begin();
  await sold(all);
  all.harm({ failAfter: 1 });
  await sweepMoney(all.money);
  all.stripe.fail(all.money.clock.at + 30 * HOUR_MS);
  all.harm({});
  all.money.clock.at += 25 * HOUR_MS;
  await sweepMoney(all.money);
  expect(await rowsOf(all.money, "OUTBOX#meter")).toMatchObject([{ body: { state: "recon" } }]);
  await rest(all);
  expect(total(all)).toBe(4);
});

test("an outage of 40 hours: what never arrived is sent as the difference of its day", async () => {
  const all = await begin();
  await sold(all, 2);
  all.stripe.fail(all.money.clock.at + 40 * HOUR_MS);
  await rest(all);
  expect(total(all)).toBe(8);
  const [window] = await rowsOf(all.money, "WINDOW#");
  expect(window?.body).toMatchObject({ state: "settled", difference: { units: 8, before: 0 } });
  expect(await rowsOf(all.money, "OUTBOX#meter")).toEqual([]);
});

test("events that the meter took and dropped are sent once more, as the difference", async () => {
  const all = await begin();
  all.harm({ drop: 1 });
  const [id] = await sold(all);
  await sweepMoney(all.money);
  expect(all.stripe.reports).toEqual([id]);
  all.harm({});
  await rest(all);
  expect(total(all)).toBe(4);
});

test("15: a meter that lags by hours is read until two readings agree: nothing is sent that is only late", async () => {
  const all = await begin();
  all.harm({ lagMsMax: 40 * 60_000 });
  await sold(all, 5);
  all.money.clock.at += 12.5 * HOUR_MS;
  await rest(all);
  expect(total(all)).toBe(20);
  const [window] = await rowsOf(all.money, "WINDOW#");
  expect(window?.body).not.toHaveProperty("difference");
});

test("a difference whose answer is lost for a day is read for, not sent blindly again", async () => {
  const all = await begin();
  all.harm({ drop: 1 });
  await sold(all);
  await sweepMoney(all.money);
  all.harm({});
  const state = async () => {
    const [window] = await rowsOf(all.money, "WINDOW#");
    return (window?.body as Window | undefined)?.state;
  };
  for (let i = 0; i < 200 && (await state()) !== "read"; i++) {
    all.money.clock.at += HOUR_MS / 2;
    await sweepMoney(all.money);
  }
  all.harm({ failAfter: 1 });
  // The reading fails, too: the difference is decided on the day it can be read.
  for (let i = 0; i < 200 && (await state()) === "read"; i++) {
    all.harm(i % 2 === 0 ? {} : { failAfter: 1 });
    all.money.clock.at += HOUR_MS / 2;
    await sweepMoney(all.money);
  }
  all.stripe.fail(all.money.clock.at + 26 * HOUR_MS);
  all.money.clock.at += 25 * HOUR_MS;
  await sweepMoney(all.money);
  all.harm({});
  await rest(all);
  expect(total(all)).toBe(4);
});

test("units that come after their invoice has closed are billed as an item of its own, once", async () => {
  const all = await begin();
  all.money.clock.at = Date.UTC(2026, 10, 30, 23, 50);
  const { id } = await accept(all.money);
  all.money.clock.at += 4 * DAY_MS;
  await end(all.money, id, "succeeded");
  await rate(all.money);
  all.harm({ failAfter: 0.5 });
  await rest(all);
  expect(total(all)).toBe(4);
  const [window] = await rowsOf(all.money, "WINDOW#");
  expect(window?.body).toMatchObject({ state: "settled", difference: { late: true, units: 4 } });
});

test("a meter that says more than was sold is disputed and pages; nothing is taken back on its word", async () => {
  const all = await metered();
  await sold(all);
  const timestamp = all.money.clock.at;
  const stray = {
    identifier: "stray",
    funding: SUBSCRIPTION,
    rateClass: "standard",
    units: 3,
    timestamp,
  } as const;
  await all.stripe.door.send(stray);
  await rest(all);
  expect(await rowsOf(all.money, "WINDOW#")).toMatchObject([{ body: { state: "disputed" } }]);
  expect(all.money.lines.some((line) => line.includes("meter_disputed"))).toBe(true);
  expect(total(all)).toBe(7);
});

test("two senders of one event, and two readers of one window, count once", async () => {
  const all = await begin();
  await sold(all);
  const { money } = all;
  const [event] = await rowsOf(money, "OUTBOX#meter");
  if (event === undefined) return expect.fail("something is owed");
  await Promise.all([sendOwed(money.doors, event), sendOwed(money.doors, event)]);
  const doors = { ...money.doors, meter: all.stripe.door };
  for (let i = 0; i < 80; i++) {
    money.clock.at += HOUR_MS / 2;
    for (const window of await rowsOf(money, "WINDOW#"))
      await Promise.all([reconcile(doors, window), reconcile(doors, window)]);
  }
  await rest(all);
  expect(total(all)).toBe(4);
});

test("a customer's event is delivered again and again, later and later, and given up after three days", async () => {
  const heard: { at: number; id: string }[] = [];
  const all = await begin({
    deliver: async ({ id }) => {
      heard.push({ at: all.money.clock.at, id });
      throw new Error("the webhook's host is gone");
    },
  });
  const startedAt = all.money.clock.at;
  const [id] = await sold(all);
  await rest(all);
  expect(new Set(heard.map((each) => each.id))).toEqual(new Set([`evt_${id}_restoration.succeeded`]));
  expect(heard.length).toBeGreaterThan(10);
  expect(heard.length).toBeLessThan(1_000);
  const lastAt = heard.at(-1)?.at ?? 0;
  expect(lastAt - startedAt).toBeGreaterThanOrEqual(3 * DAY_MS);
  expect(await rowsOf(all.money, "OUTBOX#event")).toEqual([]);
  expect(all.money.lines.some((line) => line.includes("event_given_up"))).toBe(true);
});

test("a customer's event that was taken is owed no more", async () => {
  const heard: string[] = [];
  const all = await begin({
    deliver: async ({ type, subject }) => {
      heard.push(`${type} ${subject}`);
      return true;
    },
  });
  const [id] = await sold(all);
  await rest(all);
  expect(heard).toEqual([`restoration.succeeded ${id}`]);
});

test("however the provider fails, lags and forgets, what was sold is billed once", async () => {
  for (let seed = 1; seed <= 150; seed++)
    expect({ seed, breaches: await playStripe(seed) }).toEqual({ seed, breaches: [] });
});
