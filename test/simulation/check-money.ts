/**
 * What must hold of the money rows of one commit (3, 11, 13, 16), read off what it changed. The sums over all rows are
 * held against each other at the end (money-checker.ts).
 */
import type { Job } from "#shared/domain/job.ts";
import { isOver } from "./check-job.ts";
import type { Change } from "./store-engine.ts";

type Tell = (invariant: number, what: string) => void;

interface EndRow {
  readonly row: string;
  readonly outcome: string;
  readonly lines: number;
  readonly units: number;
  readonly bound: number;
  readonly batch?: string;
  readonly amount?: number;
}

export interface MoneyCheck {
  committed(changes: readonly Change[]): void;
}

const MONEY = /^(UNRATED|OUTBOX)#|^ORG#/;

export function createMoneyCheck(breach: Tell): MoneyCheck {
  /** Rows and events that ever were: none is put a second time. */
  const known = new Set<string>();
  let capsFell = false;

  /** The job's end and what it owes are one transaction. */
  function checkEndOf({ before, after }: Change, changes: readonly Change[]): void {
    const old = before?.body as Job | undefined;
    const job = after?.body as Job | undefined;
    if (job?.terms === undefined || !isOver(job) || old === undefined || isOver(old)) return;
    const { id, org, terms } = job;
    const row = find(changes, `UNRATED#${org}`, `${terms.month}#${id}`)?.after?.body as EndRow | undefined;
    // Erased the moment it is over, it has succeeded or not all the same.
    const outcome = job.status;
    if (row === undefined) return breach(3, `${id} ${outcome} without a row for the rater`);
    if (row.outcome !== outcome) breach(3, `${id} is ${outcome}, its row says ${row.outcome}`);
    if (row.units > terms.units || row.bound !== terms.bound || row.lines !== 1)
      breach(3, `${id}: its row is not by its terms`);
    if (find(changes, `OUTBOX#event#${org}`, `evt_${id}_restoration.${outcome}`)?.after === undefined)
      breach(16, `${id} ${outcome} without its event`);
    const meters = changes.filter(({ key }) => key.pk === `OUTBOX#meter#${org}`);
    const owes = terms.funding.startsWith("sub_") && row.units > 0;
    const told = meters.map(({ after }) => after?.body as { id: string; units: number } | undefined);
    if (owes ? told.length !== 1 || told[0]?.id !== id || told[0].units !== row.units : told.length > 0)
      breach(3, `${id} owes its meter ${row.units} units and ${told.length} events`);
  }

  function checkUnrated({ key, before, after }: Change, changes: readonly Change[]): void {
    const row = (after ?? before)?.body as EndRow;
    if (row.units > 0 !== (row.outcome === "succeeded"))
      breach(13, `${row.row} ${row.outcome}, ${row.units} units`);
    if (before === undefined) {
      once(3, `${key.pk} ${key.sk}`);
      const job = find(changes, `JOB#${row.row}`, "JOB");
      const isEnd = job !== undefined && job.before !== undefined;
      const isBatch = row.batch !== undefined && find(changes, `BATCH#${row.batch}`, "BATCH") !== undefined;
      if (!isEnd && !isBatch) breach(3, `the row of ${row.row} was put without its end`);
    } else if (after === undefined) {
      const [month] = key.sk.split("#", 1);
      const org = key.pk.slice("UNRATED#".length);
      if (find(changes, `ORG#${org}`, `LEDGER#${month}#${row.row}`)?.after === undefined)
        breach(3, `the row of ${row.row} was deleted without its charge`);
    }
  }

  function checkLedger({ key, before, after }: Change, changes: readonly Change[]): void {
    if (before !== undefined || after === undefined) return breach(3, `${key.sk} was changed in the ledger`);
    const row = after.body as EndRow & { readonly kind: string; readonly org: string };
    if (row.kind !== "charge") return;
    const [, month] = key.sk.split("#", 2);
    if (find(changes, `UNRATED#${row.org}`, `${month}#${row.row}`)?.before === undefined)
      breach(3, `${row.row} was charged without its row`);
    const { amount = -1 } = row;
    if (amount < 0 || amount > row.bound) breach(11, `${row.row} was charged ${amount} on ${row.bound}`);
    if (row.units === 0 && amount !== 0) breach(13, `${row.row} was charged ${amount} for nothing`);
  }

  function checkCounters({ key, before, after }: Change): void {
    if (after === undefined) return breach(11, `${key.pk} ${key.sk} was deleted`);
    for (const [name, value] of Object.entries(after.counters)) {
      const was = before?.counters[name];
      if (name === "cap" || name.startsWith("cap:")) capsFell ||= was !== undefined && value < was;
      else if (
        value < 0 &&
        name !== "ratedSeq" &&
        name !== "opened" &&
        !(capsFell && name.startsWith("left"))
      )
        breach(11, `${key.pk} ${key.sk}: ${name} is ${value}`);
    }
  }

  function once(invariant: number, name: string): void {
    if (known.has(name)) breach(invariant, `${name} was put twice`);
    known.add(name);
  }

  return {
    committed(changes) {
      for (const change of changes) {
        const { pk, sk } = change.key;
        if (sk === "JOB") checkEndOf(change, changes);
        else if (!MONEY.test(pk)) continue;
        else if (pk.startsWith("UNRATED#")) checkUnrated(change, changes);
        else if (pk.startsWith("OUTBOX#")) {
          if (change.before === undefined) once(16, `${pk} ${sk}`);
        } else if (sk.startsWith("LEDGER#")) checkLedger(change, changes);
        else if (sk === "ACCOUNT" || sk.startsWith("MONTH#")) checkCounters(change);
      }
    },
  };
}

function find(changes: readonly Change[], pk: string, sk: string): Change | undefined {
  return changes.find(({ key }) => key.sk === sk && key.pk === pk);
}
