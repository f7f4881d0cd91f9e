/** What each account pays by, what it is given, and how its payment provider behaves: drawn once per seed. */
import type { PriceBook, Tier } from "#shared/domain/money/price.ts";
import type { Funding, RateClass } from "#shared/domain/money/terms.ts";
import type { Draws } from "./draws.ts";
import type { Profile } from "./profile.ts";
import type { StripeRates } from "./stripe-model.ts";

/** A payment, told to the control plane at each of these moments after the start. */
interface Payment {
  readonly id: string;
  readonly amount: number;
  readonly toldAt: readonly number[];
}

export interface AccountStory {
  readonly org: string;
  readonly funding: Funding;
  /** Absent: none. */
  readonly cap?: number;
  /** The cap is another from then on. */
  readonly capLater?: { readonly at: number; readonly cap: number };
  readonly payments: readonly Payment[];
}

export interface BatchStory {
  readonly n: number;
  readonly org: string;
  readonly at: number;
  readonly lines: number;
  readonly key: string | undefined;
  /** So many of a hundred lines are no photographs. */
  readonly invalidPercent: number;
  /** So long after its accept. */
  readonly cancelAfterMs: number | undefined;
}

export interface MoneyStory {
  readonly startMs: number;
  readonly accounts: readonly AccountStory[];
  readonly batches: readonly BatchStory[];
  readonly stripe: StripeRates;
  /** When the provider answers nobody, from and to, after the start. */
  readonly outages: readonly (readonly [number, number])[];
  /** Of deliveries to a customer's webhook. */
  readonly webhooksFail: number;
}

const START_MS = 1_750_000_000_000;
/** The first instant of a month. */
const MONTH_END_MS = Date.UTC(2025, 6, 1);
const HOUR_MS = 3_600_000;
const HONEST: StripeRates = { failBefore: 0, failAfter: 0, drop: 0, lagMsMax: 60_000 };
const AMPLE = 10_000_000;

/** Small tiers, so that a few jobs cross them. */
const TIER_ENDS = [6, 14, 30, Number.MAX_SAFE_INTEGER];
const MICROS = {
  priority: [30, 25, 20, 10],
  standard: [20, 15, 10, 5],
  flex: [10, 7, 5, 2],
} as const satisfies Record<RateClass, readonly number[]>;
const tiers = (micros: readonly number[]): Tier[] =>
  TIER_ENDS.map((unitsMax, i) => ({ unitsMax, micros: micros[i] ?? 0 }));

export const PRICES: PriceBook = {
  current: "p1",
  versions: {
    p1: {
      currency: "usd",
      tiers: {
        priority: tiers(MICROS.priority),
        standard: tiers(MICROS.standard),
        flex: tiers(MICROS.flex),
      },
    },
  },
};

/** The price of the n-th unit of a month, said again for the checker. */
export function priceOf(_version: string, rateClass: string, n: number): number {
  return MICROS[rateClass as RateClass][TIER_ENDS.findIndex((end) => n <= end)] ?? 0;
}

/** Everybody is billed by the ledger alone, and the provider is honest. */
export function plainMoney(orgs: number): MoneyStory {
  return {
    startMs: START_MS,
    accounts: orgNames(orgs).map((org) => ({ org, funding: "ledger", payments: [] })),
    batches: [],
    stripe: HONEST,
    outages: [],
    webhooksFail: 0,
  };
}

export function drawMoney(
  draws: Draws,
  of: { readonly profile: Profile; readonly orgs: number; readonly spanMs: number },
): MoneyStory {
  const { profile, spanMs } = of;
  const isCalm = profile === "calm";
  const plot = isCalm ? 1 : draws.unit();
  const crossesMonth = plot < 0.12;
  const isAway = plot < 0.06 || (plot >= 0.12 && plot < 0.2);
  const accounts = orgNames(of.orgs).map((org, i) =>
    drawAccount(draws, { org, spanMs, isCalm, isMetered: i === 0 && plot < 0.2 }),
  );
  const hasBatch = draws.chance(isCalm ? 0 : 0.2);
  const from = draws.unit() * spanMs;
  // Long enough together that a day's comparison comes after its invoice has closed.
  const first = crossesMonth ? draws.between(37, 40) * HOUR_MS : draws.decades(0.5, 40) * HOUR_MS;
  const second = from + first + draws.between(10, 90) * 60_000;
  const outages = [
    [from, from + first],
    ...(crossesMonth ? [[second, second + draws.between(37, 40) * HOUR_MS] as const] : []),
  ] as const;
  const harmful: StripeRates = {
    failBefore: draws.chance(0.4) ? draws.decades(0.01, 0.3) : 0,
    failAfter: draws.chance(0.4) ? draws.decades(0.01, 0.3) : 0,
    drop: draws.chance(0.4) ? draws.decades(0.01, 0.2) : 0,
    lagMsMax: draws.decades(10_000, 115 * 60_000),
  };
  return {
    startMs: crossesMonth ? MONTH_END_MS - Math.floor(draws.between(0.2, 0.9) * spanMs) : START_MS,
    accounts,
    batches: hasBatch ? [drawBatch(draws, accounts, spanMs)] : [],
    stripe: isCalm ? HONEST : harmful,
    outages: isAway ? outages : [],
    webhooksFail: !isCalm && draws.chance(0.4) ? draws.decades(0.01, 0.3) : 0,
  };
}

function drawAccount(
  draws: Draws,
  of: {
    readonly org: string;
    readonly spanMs: number;
    readonly isCalm: boolean;
    readonly isMetered: boolean;
  },
): AccountStory {
  const { org, spanMs, isCalm } = of;
  const kind = draws.unit();
  const funding = of.isMetered || kind < 0.15 ? (`sub_${org}` as const) : kind < 0.6 ? "prepaid" : "ledger";
  const isTight = draws.chance(0.15) && !isCalm;
  const isCapped = draws.chance(0.25);
  const cap = draws.chance(0.5) && !isCalm ? Math.floor(draws.between(300, 1_500)) : AMPLE;
  const capLater = { at: draws.unit() * spanMs, cap: Math.floor(draws.between(200, AMPLE)) };
  const payments = Array.from({ length: isTight ? 3 : 1 }, (_, n): Payment => {
    const at = n === 0 ? 0 : draws.unit() * spanMs;
    const again = Array.from({ length: Math.floor(draws.between(0, 3)) }, () => draws.between(at, spanMs));
    const amount = isTight ? Math.floor(draws.between(100, 600)) : AMPLE;
    return { id: `pay_${org}_${n}`, amount, toldAt: [at, ...again] };
  });
  return {
    org,
    funding,
    ...(isCapped ? { cap, ...(draws.chance(0.3) && !isCalm ? { capLater } : {}) } : {}),
    payments: funding === "prepaid" ? payments : [],
  };
}

function drawBatch(draws: Draws, accounts: readonly AccountStory[], spanMs: number): BatchStory {
  return {
    n: 0,
    org: draws.pick(accounts).org,
    at: draws.unit() * spanMs * 0.5,
    lines: Math.floor(draws.between(41, 90)),
    key: draws.chance(0.3) ? "key_1" : undefined,
    invalidPercent: draws.chance(0.5) ? 10 : 0,
    cancelAfterMs: draws.chance(0.7) ? draws.decades(1, 200) : undefined,
  };
}

function orgNames(orgs: number): string[] {
  return Array.from({ length: orgs }, (_, i) => `org_${i}`);
}
