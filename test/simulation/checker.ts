/**
 * The invariants of the protocol, checked on the raw items after every commit. It shares no code with what it checks:
 * only types, and the numbers of the protocol written down once more.
 */
import type { Job } from "#shared/domain/job.ts";
import { checkAgentChange } from "./check-agent.ts";
import { createMoneyCheck } from "./check-money.ts";
import { checkJobChange, checkJobItem, isOver } from "./check-job.ts";
import type { Change } from "./store-engine.ts";

export interface Breach {
  /** Of the protocol's list; 0: something that must never happen anywhere. */
  readonly invariant: number;
  readonly what: string;
}

export interface Checker {
  /** Checks what a commit changed. */
  committed(changes: readonly Change[]): void;
  breach(invariant: number, what: string): void;
  readonly breaches: readonly Breach[];
  /** As last stored; for the checks that look at all of them. */
  readonly jobs: ReadonlyMap<string, Job>;
  /** Those of them that have not ended. */
  readonly open: ReadonlyMap<string, Job>;
}

/** After so many the run is beyond help. */
const BREACHES_MAX = 20;

export function createChecker(parts: {
  readonly onBreach: (breach: Breach) => void;
  /** The stored bytes' digest, if there are any. */
  readonly digestOf: (key: string) => string | undefined;
  readonly now: () => number;
}): Checker {
  const jobs = new Map<string, Job>();
  const open = new Map<string, Job>();
  const breaches: Breach[] = [];
  const seenAgents = new Set<string>();

  function breach(invariant: number, what: string): void {
    if (breaches.length >= BREACHES_MAX) return;
    breaches.push({ invariant, what });
    parts.onBreach({ invariant, what });
  }

  const money = createMoneyCheck(breach);

  return {
    jobs,
    open,
    breaches,
    breach,
    committed(changes) {
      money.committed(changes);
      for (const change of changes) {
        if (change.key.sk === "JOB") {
          const after = change.after?.body as Job | undefined;
          if (after === undefined) {
            breach(1, `${change.key.pk} was deleted`);
            continue;
          }
          checkJobItem(change, breach);
          checkJobChange(change, { breach, digestOf: parts.digestOf, now: parts.now() });
          jobs.set(after.id, after);
          if (isOver(after)) open.delete(after.id);
          else open.set(after.id, after);
        } else if (change.key.sk === "AGENT") {
          checkAgentChange(change, seenAgents, breach);
        } else if (change.key.sk === "PLAN" && change.before !== undefined) {
          breach(2, `${change.key.pk} was planned twice`);
        }
      }
    },
  };
}
