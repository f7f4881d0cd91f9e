/** What a job's end owes, written in the very transaction that ends it. Touches rows of this job only. */
import { invariant } from "../fault.ts";
import { isTerminal, resultOf, type Job } from "../job.ts";
import { customerEvent, meterEvent, outboxItem } from "./outbox.ts";
import type { Row } from "./row.ts";
import { unitsOf } from "./units.ts";
import { unrated, unratedItem, type Outcome } from "./unrated.ts";

/**
 * None, unless the job ends by this very step and was accepted on terms: retention's later expiry owes nothing, and a
 * job from before there were terms ends without.
 */
export function endRows(before: Job, after: Job, now: number): Row[] {
  const outcome = outcomeOf(after);
  const { id, org, terms } = after;
  if (terms === undefined || outcome === undefined || isTerminal(before.status)) return [];
  const units = outcome === "succeeded" ? unitsDelivered(after, terms.units) : 0;
  const meter = meterEvent({ id, org, terms }, units, now);
  return [
    unratedItem(unrated(terms, { org, row: id, outcome, lines: 1, units, bound: terms.bound }, now)),
    outboxItem(customerEvent(org, { type: `restoration.${outcome}`, subject: id }, now)),
    ...(meter === undefined ? [] : [outboxItem(meter)]),
  ];
}

/** Those of the pixels delivered, never more than agreed. */
function unitsDelivered(job: Job, agreed: number): number {
  const result = resultOf(job);
  invariant(result !== undefined, `the restoration ${job.id} has its result`);
  const { width, height } = result;
  return width === undefined || height === undefined ? agreed : Math.min(agreed, unitsOf(width * height));
}

function outcomeOf({ status }: Job): Outcome | undefined {
  switch (status) {
    case "awaiting_upload":
    case "queued":
    case "processing":
      return undefined;
    case "succeeded":
    case "failed":
    case "canceled":
    case "expired":
      return status;
  }
}
