import fc from "fast-check";
import { cancelBatch, runBatch } from "#functions/billing/batch-runner.ts";
import { grantMoney } from "#functions/billing/grants.ts";
import { changeSettings } from "#functions/billing/settings.ts";
import { Fault } from "#shared/domain/fault.ts";
import { isTerminal, type Job } from "#shared/domain/job.ts";
import type { Batch } from "#shared/domain/money/batch.ts";
import { NO_CAP } from "#shared/domain/limits.ts";
import { apply } from "#functions/apply.ts";
import { moneyBreaches, restBreaches } from "../../simulation/money-checker.ts";
import {
  accept,
  acceptBatch,
  chance,
  checked,
  DAY_MS,
  end,
  lease,
  moneyWorld,
  ORG,
  rate,
  type Money,
} from "./money-world.ts";
import { createTurns } from "./turns.ts";

const MONTHS = ["2026-11", "2026-12"] as const;
const KEYS = ["key_a", "key_b", undefined] as const;
const KEY_CAPS = { key_a: 700 };

/** One thing that somebody does to an account. */
type Step =
  | {
      readonly do: "accept";
      readonly rateClass: "standard" | "flex";
      readonly units: number;
      readonly key: number;
      readonly call: number;
    }
  | { readonly do: "batch"; readonly lines: number; readonly units: number; readonly key: number }
  | {
      readonly do: "end";
      readonly nth: number;
      readonly how: "succeeded" | "failed" | "canceled";
      readonly megapixels: number;
    }
  | { readonly do: "expire"; readonly nth: number }
  | { readonly do: "rate"; readonly month: number }
  | { readonly do: "rush"; readonly nths: readonly number[] }
  | { readonly do: "cap"; readonly cap: number; readonly keyCap: number }
  | { readonly do: "fund"; readonly prepaid: boolean }
  | { readonly do: "grant"; readonly payment: number; readonly amount: number }
  | { readonly do: "run-batch"; readonly nth: number }
  | { readonly do: "cancel-batch"; readonly nth: number }
  | { readonly do: "pass"; readonly days: number }
  | { readonly do: "prices" };

const small = fc.nat({ max: 9 });
export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("accept"),
      rateClass: fc.constantFrom("standard", "flex"),
      units: fc.constantFrom(1, 2, 4),
      key: fc.nat({ max: 2 }),
      call: small,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("batch"),
      lines: fc.constantFrom(1, 3, 45),
      units: fc.constantFrom(1, 4),
      key: fc.nat({ max: 2 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("end"),
      nth: small,
      how: fc.constantFrom("succeeded", "succeeded", "failed", "canceled"),
      megapixels: fc.constantFrom(9, 30, 100),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("expire"), nth: small }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("rush"), nths: fc.array(small, { minLength: 2, maxLength: 4 }) }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("rate"), month: fc.nat({ max: 1 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("cap"),
      cap: fc.constantFrom(150, 900, NO_CAP),
      keyCap: fc.constantFrom(100, 700, NO_CAP),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("fund"), prepaid: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("grant"), payment: fc.nat({ max: 3 }), amount: fc.constant(400) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("run-batch"), nth: small }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cancel-batch"), nth: small }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("pass"), days: fc.nat({ max: 12 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("prices") }) },
);

/** What one run saw happen: a run in which nothing does proves nothing. */
export interface Seen {
  accepted: number;
  refused: number;
  rated: number;
  conflicts: number;
  lostReplies: number;
}

/**
 * Plays the steps side by side, the turns and faults drawn by the seed, and lets everything come to rest.
 * @param faults how often a write of the store meets a conflict. @throws Error with what no longer adds up after a write.
 */
export async function play(steps: readonly Step[], seed: number, faults: number, seen: Seen): Promise<void> {
  const draw = chance(seed);
  const turns = createTurns(draw);
  let isQuiet = false;
  let committed = false;
  const money = moneyWorld({
    draw,
    sleep: turns.turn,
    isInvalid: (line) => line % 5 === 3,
    gate: {
      async before(writes) {
        await turns.turn();
        if (isQuiet || writes === undefined || draw() >= faults) return undefined;
        seen.conflicts += 1;
        return { ok: false, refusals: writes.map((_, i) => (i === 0 ? "conflict" : undefined)) };
      },
      async after() {
        committed = true;
        if (isQuiet || draw() >= faults / 4) return;
        seen.lostReplies += 1;
        throw new Fault("busy", "store_busy", "The reply was lost.");
      },
    },
  });
  const capsFell = steps.some((each) => each.do === "cap");
  const jobs: Job[] = [];
  const pick = <T>(all: readonly T[], nth: number): T | undefined => all[Math.floor((nth / 10) * all.length)];
  const check = async (): Promise<void> => {
    if (!committed) return;
    committed = false;
    demandNone(moneyBreaches(await money.items(), { ...checked, capsFell }));
  };
  const knownFaults = new Set(["cap_reached", "balance_exhausted", "store_busy", "idempotency_reused"]);
  const start = (what: () => Promise<unknown>): void =>
    turns.start(() =>
      what().catch((error: unknown) => {
        if (!(error instanceof Fault) || !knownFaults.has(error.code)) throw error;
        if (error.code !== "store_busy") seen.refused += 1;
      }),
    );

  isQuiet = true;
  start(() => changeSettings(money.doors, ORG, { cap: draw() < 0.5 ? 400 : NO_CAP, keyCaps: KEY_CAPS }));
  await turns.run(check);
  isQuiet = false;
  for (const each of steps) {
    start(() => carryOut(each));
    await turns.run(check, Math.floor(draw() * 5));
  }
  await turns.run(check);
  // Everything comes to rest once the faults stop.
  isQuiet = true;
  money.clock.at += DAY_MS;
  await turns.run(check);
  for (const batch of await batchesOf(money)) start(() => runBatch(money.doors, batch.id));
  await turns.run(check);
  for (const item of await money.items())
    if (item.sk === "JOB" && !isTerminal((item.body as Job).status))
      start(() => end(money, (item.body as Job).id, "canceled"));
  await turns.run(check);
  for (const { sk } of (await money.items()).filter((item) => item.sk.startsWith("MONTH#")))
    start(() => rate(money, sk.slice("MONTH#".length)));
  await turns.run(check);
  const items = await money.items();
  seen.rated += items.filter(({ sk }) => sk.startsWith("LEDGER#")).length;
  const atRest = items.filter(({ pk }) => !pk.startsWith("OUTBOX#event"));
  demandNone(restBreaches(atRest, new Map()));
  const told = items.filter(({ pk }) => pk.startsWith("OUTBOX#event")).map(({ sk }) => sk);
  demandNone(moneyBreaches(atRest, { ...checked, capsFell, taken: told }));

  async function carryOut(each: Step): Promise<void> {
    switch (each.do) {
      case "accept": {
        const { rateClass, units, call } = each;
        const key = KEYS[each.key];
        const idempotencyKey = `call-${call}`;
        const of = { rateClass, units, idempotencyKey, ...(key === undefined ? {} : { key }) };
        jobs.push(await accept(money, of));
        seen.accepted += 1;
        return;
      }
      case "batch": {
        const key = KEYS[each.key];
        await acceptBatch(money, {
          lines: each.lines,
          units: each.units,
          ...(key === undefined ? {} : { key }),
        });
        return;
      }
      case "end": {
        const job = pick(await openJobs(money), each.nth);
        if (job === undefined) return;
        if (each.how === "succeeded") await lease(money, job.id);
        const { terms } = await end(money, job.id, each.how, each.megapixels);
        if (terms !== undefined) start(() => rate(money, terms.month));
        return;
      }
      case "expire": {
        const job = pick(jobs, each.nth);
        const later = {
          ...money.doors,
          clock: { ...money.clock, now: () => money.clock.at + 2 * 3_600_000 },
        };
        if (job !== undefined) await apply(later, job.id, { type: "due" });
        return;
      }
      case "rate":
        await rate(money, MONTHS[each.month]);
        return;
      case "rush":
        // Jobs end while others are rated: each instance of the control plane has a rater of its own.
        for (const nth of each.nths) {
          start(() => carryOut({ do: "end", nth, how: "succeeded", megapixels: 100 }));
          start(() => rate(money));
        }
        return;
      case "cap":
        await changeSettings(money.doors, ORG, {
          cap: each.cap,
          keyCaps: { ...KEY_CAPS, key_a: each.keyCap },
        });
        return;
      case "fund":
        await changeSettings(money.doors, ORG, { funding: each.prepaid ? "prepaid" : "ledger" });
        return;
      case "grant": {
        const { payment, amount } = each;
        const id = `pi_${payment}`;
        await grantMoney(money.doors, {
          org: ORG,
          id,
          amount,
          reason: "payment",
          createdAt: payment * DAY_MS,
        });
        return;
      }
      case "run-batch": {
        const batch = pick(await batchesOf(money), each.nth);
        if (batch !== undefined) await runBatch(money.doors, batch.id);
        return;
      }
      case "cancel-batch": {
        const batch = pick(await batchesOf(money), each.nth);
        if (batch !== undefined) await cancelBatch(money.doors, batch.id);
        return;
      }
      case "pass":
        money.clock.at += each.days * DAY_MS;
        return;
      case "prices":
        money.setPrices("p2");
    }
  }
}

/** As stored: the caller of a lost reply does not know its batch. */
async function batchesOf(money: Money): Promise<Batch[]> {
  return (await money.items()).filter(({ sk }) => sk === "BATCH").map(({ body }) => body as Batch);
}

async function openJobs(money: Money): Promise<Job[]> {
  const all = (await money.items()).filter(({ sk }) => sk === "JOB").map(({ body }) => body as Job);
  return all.filter(({ status }) => !isTerminal(status));
}

function demandNone(breaches: readonly string[]): void {
  if (breaches.length > 0) throw new Error(`The books do not agree: ${breaches.join("; ")}`);
}
