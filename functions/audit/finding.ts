/** What an audit may find, which invariant of the protocol it breaks, and what whoever reads it is to do. */
import type { Key } from "#shared/ports.ts";

interface Meaning {
  /** As numbered in docs/reliability.md; absent for what no invariant speaks of. */
  readonly invariant?: number;
  readonly todo: string;
}

/** The sentence that most findings end with. */
const KEEP = "keep the item as it is and report it with its log lines";

export const FINDINGS = {
  item_damaged: { todo: "mend or delete the item by hand; until then the sweeper only puts it off" },
  item_misfiled: { todo: "delete the copy: the key says whose it is" },
  agent_immortal: {
    invariant: 8,
    todo: "check the control plane's clock; delete the agent's item to free its leases",
  },
  job_overdue: { invariant: 1, todo: "see that a sweeper runs; it ends the job at its next look" },
  job_stalled: { invariant: 9, todo: `cancel the job, or ${KEEP}` },
  end_inconsistent: { invariant: 4, todo: KEEP },
  result_missing: { invariant: 2, todo: KEEP },
  output_foreign: { invariant: 2, todo: `${KEEP}: something was accepted under another lease` },
  claims_unexplained: { invariant: 5, todo: KEEP },
  budget_overrun: { invariant: 5, todo: KEEP },
  lease_incomplete: { invariant: 8, todo: `cancel the job, or ${KEEP}` },
  lease_unwatched: { invariant: 8, todo: "check the control plane's clock; the lease is looked at too late" },
  lease_orphaned: { invariant: 8, todo: "see that a sweeper runs and that doorbells are heard" },
  timer_left: { invariant: 8, todo: KEEP },
  stage_stuck: { invariant: 10, todo: `cancel the job, or ${KEEP}` },
  stage_early: { invariant: 10, todo: KEEP },
  timer_wrong: {
    invariant: 15,
    todo: "search the log for sweep_failed with this key: the sweeper may have put it off; else report it",
  },
  timer_overdue: { invariant: 1, todo: "see that a sweeper runs, and search its log for this key" },
  entry_wrong: { todo: KEEP },
  ready_unlisted: { invariant: 9, todo: KEEP },
  entry_missing: {
    invariant: 9,
    todo: "the index lost an entry that the item has: rebuild the index, or write the item once more",
  },
  entry_stale: { todo: "the index kept an entry that no item has: rebuild the index" },
  plan_missing: { todo: `cancel the job, or ${KEEP}` },
  plan_orphaned: { todo: "delete the row" },
  upload_orphaned: { todo: "delete the upload, and the object it names" },
  blob_missing: {
    invariant: 6,
    todo: "restore the object from a backup, or tell the customer to send it again",
  },
  blob_changed: { invariant: 6, todo: "find out who else writes to this bucket; restore the object" },
  row_missing: { invariant: 3, todo: `write the row by hand from the job's terms, and ${KEEP}` },
  row_early: { invariant: 3, todo: KEEP },
  row_doubled: { invariant: 3, todo: `${KEEP}: the job may have been charged twice` },
  row_differs: { invariant: 3, todo: KEEP },
  row_orphaned: { invariant: 3, todo: KEEP },
  units_wrong: { invariant: 13, todo: `refund what was charged for them, and ${KEEP}` },
  amount_wrong: { invariant: 3, todo: `grant or charge the difference, and ${KEEP}` },
  month_missing: { invariant: 11, todo: KEEP },
  month_unbalanced: { invariant: 11, todo: `compare the month with its rows; ${KEEP}` },
  cap_differs: { invariant: 11, todo: "set the cap once more; the month takes it over" },
  account_unbalanced: { invariant: 11, todo: `compare the account with its rows; ${KEEP}` },
  batch_unbalanced: { invariant: 11, todo: KEEP },
  credit_doubled: { invariant: 16, todo: `take one of the credits back, and ${KEEP}` },
  event_orphaned: { invariant: 16, todo: "delete the event: what it tells of has not happened" },
  window_disputed: { invariant: 3, todo: "the meter has counted more than the ledger: settle it by hand" },
  bytes_left: { invariant: 8, todo: "delete these objects: their job's retention has ended" },
} as const satisfies Record<string, Meaning>;

export type FindingKind = keyof typeof FINDINGS;

export interface Finding {
  readonly kind: FindingKind;
  readonly key: Key;
  /** A clause with what was seen, for people. */
  readonly what: string;
}

/** What a rule says about an item whose key its caller knows. */
export type Breach = readonly [kind: FindingKind, what: string];

/** One line: what, where, which invariant, what to do. */
export function findingLine({ kind, key, what }: Finding): string {
  const { invariant, todo }: Meaning = FINDINGS[kind];
  const broken = invariant === undefined ? "" : ` (invariant ${invariant})`;
  return `${kind}${broken}: ${key.pk}/${key.sk}: ${what}; ${todo}`;
}
