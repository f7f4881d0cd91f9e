/** Classes of urgency. Each is rated apart, with counters and prices of its own. */
const RATE_CLASSES = ["priority", "standard", "flex"] as const;
export type RateClass = (typeof RATE_CLASSES)[number];

/** Who pays in the end: a balance paid in advance, nobody (the ledger alone counts), or a subscription, by its id. */
export type Funding = "prepaid" | "ledger" | `sub_${string}`;

/** What a job was accepted on. Fixed for its life: whatever is counted later is counted by these. */
export interface Terms {
  /** The instant of the accept, that of the batch for a job of one. */
  readonly acceptedAt: number;
  /** The calendar month (UTC) of that instant, `yyyy-mm`: whose prices, counters and caps apply. */
  readonly month: string;
  readonly rateClass: RateClass;
  readonly priceVersion: string;
  readonly funding: Funding;
  /** The API key whose own cap counts too. */
  readonly key?: string;
  readonly batch?: string;
  /** At most so many are billed. */
  readonly units: number;
  /** Taken from caps and balance until the job is rated; in micro-units. */
  readonly bound: number;
}

/** Whether units of this funding are reported to the payment provider. */
export function isMetered(funding: Funding): funding is `sub_${string}` {
  return funding !== "prepaid" && funding !== "ledger";
}
