import type { Funding, RateClass } from "#shared/domain/money/terms.ts";

/** The meter of a subscription: what the payment provider counts and invoices. */
export interface MeterDoor {
  /**
   * `taken`: counted, or counted before under this identifier. `refused`: for good, as it is. Gives up after ten
   * seconds. @throws when it is not known what became of it.
   */
  readonly send: (event: MeterSending) => Promise<"taken" | "refused">;
  /** The units counted for a day of a subscription and class; may lag behind what was taken. */
  readonly read: (window: MeteredDay) => Promise<number>;
  /** Bills units that came after their invoice, once per identifier. @throws when it is not known what became of it. */
  readonly billLate: (item: MeterSending) => Promise<void>;
}

export interface MeterSending {
  readonly identifier: string;
  readonly funding: Funding;
  readonly rateClass: RateClass;
  readonly units: number;
  readonly timestamp: number;
}

export interface MeteredDay {
  readonly funding: Funding;
  readonly rateClass: RateClass;
  /** `yyyy-mm-dd`, UTC. */
  readonly day: string;
}
