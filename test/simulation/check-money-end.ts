/** What must hold of all money when a run has come to rest: every sum, and every job billed by its end. */
import type { Item } from "#shared/ports.ts";
import type { Checker } from "./checker.ts";
import { isOver } from "./check-job.ts";
import { moneyBreaches, restBreaches } from "./money-checker.ts";
import type { MoneyOutside } from "./money-doors.ts";
import { priceOf } from "./money-story.ts";

/** @returns how many jobs, or days of a subscription, are billed for something else than what was done. */
export function checkMoneyEnd(parts: {
  readonly items: readonly Item[];
  readonly checker: Checker;
  readonly outside: MoneyOutside;
  readonly capsFell: boolean;
  /** Whether it was waited until nothing is owed any more. */
  readonly isAtRest: boolean;
}): number {
  const { items, checker, outside, isAtRest } = parts;
  const { stripe, taken } = outside;
  const world = { priceOf, capsFell: parts.capsFell, taken: [...taken] };
  for (const what of moneyBreaches(items, world)) checker.breach(11, what);
  if (!isAtRest) return 0;
  const billed = new Map(
    stripe.days().map((day) => [`${day.day}:${day.rateClass}:${day.funding}`, stripe.billed(day)]),
  );
  const rest = restBreaches(items, billed);
  for (const what of rest) checker.breach(3, what);
  const units = new Map<string, number>();
  for (const { sk, body } of items) {
    const charge = body as { kind?: string; row?: string; units?: number };
    if (sk.startsWith("LEDGER#") && charge.kind === "charge" && charge.row !== undefined)
      units.set(charge.row, charge.units ?? 0);
  }
  let misbilled = rest.length;
  for (const job of checker.jobs.values()) {
    if (job.terms === undefined || !isOver(job)) continue;
    const isDone = job.stages.every(({ status }) => status === "done" || status === "skipped");
    const charged = units.get(job.id);
    if (charged !== undefined && charged > 0 === isDone) continue;
    misbilled += 1;
    checker.breach(3, `${job.id} is charged for ${charged ?? "no"} units and ${isDone ? "" : "not "}done`);
  }
  return misbilled;
}
