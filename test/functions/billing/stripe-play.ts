/** A subscription whose payment provider fails, lags and forgets as a seed says, until every window was compared. */
import { changeSettings } from "#functions/billing/settings.ts";
import { moneyBreaches, restBreaches } from "../../simulation/money-checker.ts";
import { createStripeModel, type StripeRates } from "../../simulation/stripe-model.ts";
import {
  accept,
  chance,
  checked,
  DAY_MS,
  end,
  HOUR_MS,
  moneyWorld,
  ORG,
  rate,
  sweepMoney,
} from "./money-world.ts";

const ROUNDS_MAX = 24 * 2 * 20;
/** From the last sending to the second of two equal readings it is two hours: a longer lag would fool any comparison. */
const LAG_MS_MAX = 115 * 60_000;

const CALM: StripeRates = { failBefore: 0, failAfter: 0, drop: 0, lagMsMax: LAG_MS_MAX };

/** @returns what does not agree in the end; the faults of the provider stop before. */
export async function playStripe(seed: number): Promise<string[]> {
  const draw = chance(seed);
  let rates: StripeRates = {
    failBefore: draw() * 0.5,
    failAfter: draw() * 0.5,
    drop: draw() < 0.3 ? 0.3 : 0,
    lagMsMax: draw() * LAG_MS_MAX,
  };
  let now = (): number => 0;
  const stripe = createStripeModel({
    now: () => now(),
    draw,
    // A difference is sent once: one that is dropped is for people to settle.
    spares: (identifier) => identifier.startsWith("recon:"),
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
  const taken: string[] = [];
  const deliver = async ({ id }: { readonly id: string }): Promise<boolean> => {
    if (draw() < 0.3) throw new Error("the webhook is down");
    taken.push(id);
    return true;
  };
  const money = moneyWorld({ draw, meter: stripe.door, deliver });
  now = money.clock.now;
  // Near a month's end the invoice closes while something is still owed.
  if (draw() < 0.5) money.clock.at += 10 * DAY_MS + Math.floor(draw() * 12) * HOUR_MS;
  await changeSettings(money.doors, ORG, { funding: "sub_1" });
  const mayGoAway = (share: number): void => {
    if (draw() < share) stripe.fail(money.clock.at + Math.floor(draw() * 40) * HOUR_MS);
  };
  /** Some hours with jobs open, in which days end and windows are compared. */
  const pass = async (hours: number): Promise<void> => {
    const isSwept = draw() < 0.7;
    for (let hour = 0; hour < hours; hour++) {
      money.clock.at += HOUR_MS;
      if (isSwept) await sweepMoney(money);
    }
  };
  let left = 1 + Math.floor(draw() * 6);
  const open: string[] = [];
  while (left + open.length > 0) {
    if (left > 0 && (open.length === 0 || draw() < 0.5)) {
      open.push((await accept(money)).id);
      left -= 1;
    } else {
      const [id = ""] = open.splice(Math.floor(draw() * open.length), 1);
      await end(money, id, draw() < 0.8 ? "succeeded" : "failed");
    }
    if (draw() < 0.5) await rate(money);
    if (draw() < 0.3) await sweepMoney(money);
    mayGoAway(0.1);
    if (draw() < 0.3) await pass(Math.floor(draw() * 20));
  }
  const faultsEndAt = money.clock.at + 3 * DAY_MS;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    if (money.clock.at > faultsEndAt) rates = CALM;
    else mayGoAway(0.03);
    await sweepMoney(money);
    const isOwing = (await money.items()).some(({ indexes }) => indexes.due?.pk.startsWith("DUE#money#"));
    money.clock.at += HOUR_MS / 2;
    if (!isOwing) break;
  }
  // The meter takes its time with what came last.
  money.clock.at += LAG_MS_MAX;
  const items = await money.items();
  const billed = stripe
    .days()
    .map((day) => [`${day.day}:${day.rateClass}:${day.funding}`, stripe.billed(day)] as const);
  return [...moneyBreaches(items, { ...checked, taken }), ...restBreaches(items, new Map(billed))];
}
