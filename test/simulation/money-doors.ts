/** What billing meets outside: the payment provider's model, customers' webhooks, and the sheets of batches. */
import type { BatchDoors } from "#functions/billing/batch-runner.ts";
import type { MoneyDoors } from "#functions/billing/due.ts";
import type { Draws } from "./draws.ts";
import { PRICES, type MoneyStory } from "./money-story.ts";
import type { Network } from "./network.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { Sometimes } from "./sometimes.ts";
import { createStripeModel, type StripeModel } from "./stripe-model.ts";
import type { Loop } from "./virtual-time.ts";

type Sheet = Awaited<ReturnType<BatchDoors["readLines"]>>;

export interface MoneyOutside {
  readonly stripe: StripeModel;
  /** Identifiers of events that some customer's program has taken. */
  readonly taken: ReadonlySet<string>;
  /** The lines of each batch, by its id. */
  readonly sheets: Map<string, Sheet>;
  doorsOf(
    process: SimulatedProcess,
  ): Required<Pick<MoneyDoors, "prices" | "meter" | "deliver">> & Pick<BatchDoors, "readLines">;
}

/** The provider did not answer, as it does now and then. */
export class ProviderAway extends Error {}

const DIFFERENCE = "recon:";

export function createMoneyOutside(parts: {
  readonly loop: Loop;
  readonly draws: Draws;
  readonly network: Network;
  readonly sometimes: Sometimes;
  readonly story: MoneyStory;
}): MoneyOutside {
  const { loop, draws, network, sometimes, story } = parts;
  const startMs = loop.now();
  const taken = new Set<string>();
  const sheets = new Map<string, Sheet>();
  const stripe = createStripeModel({
    now: loop.now,
    draw: draws.unit,
    rates: story.stripe,
    // Each window is compared once: a difference that is taken is relied on.
    spares: (identifier) => identifier.startsWith(DIFFERENCE),
    onKnown: () => sometimes.count("meter event known already"),
  });
  for (const [from, to] of story.outages) loop.after(from, () => stripe.fail(startMs + to));

  return {
    stripe,
    taken,
    sheets,
    doorsOf(process) {
      // What the provider answers is settled on the way: nobody may be left to hear of it.
      const ask = async <T>(op: string, act: () => Promise<T>): Promise<T> => {
        const settled = await network.call(process, "outside", op, () => Promise.allSettled([act()]));
        const [answer] = settled;
        if (answer.status === "rejected") throw new ProviderAway(String(answer.reason));
        return answer.value;
      };
      return {
        prices: PRICES,
        meter: {
          send: (event) => ask("meter.send", () => stripe.door.send(event)),
          read: (day) => ask("meter.read", () => stripe.door.read(day)),
          async billLate(item) {
            await ask("meter.bill-late", () => stripe.door.billLate(item));
            sometimes.count("late invoice item");
          },
        },
        deliver: ({ id }) =>
          network.call(process, "outside", "webhook", () => {
            if (draws.chance(story.webhooksFail)) return false;
            taken.add(id);
            // It was taken, and the answer was an error.
            return !draws.chance(story.webhooksFail);
          }),
        readLines: async ({ id }, { from, count }) => (sheets.get(id) ?? []).slice(from, from + count),
      };
    },
  };
}
