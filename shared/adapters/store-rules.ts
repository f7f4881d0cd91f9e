import { createHash } from "node:crypto";
import { ITEM_BYTES_MAX, PAGE_ROWS_MAX, TRANSACTION_WRITES_MAX } from "../domain/limits.ts";
import { Fault, invariant } from "../domain/fault.ts";
import type { Condition, Draft, IndexName, Key, Part, Range, Write } from "../ports.ts";
import { greaterText, lesserText } from "./text-order.ts";

/** How long a token is remembered. */
export const TOKEN_TTL_MS = 600_000;

// The tightest of the engines: DynamoDB's limits on keys, tokens and whole transactions.
const KEY_BYTES_MAX = 1_024;
const TOKEN_CHARS_MAX = 36;
const TRANSACTION_BYTES_MAX = 4_000_000;
const COUNTERS_BYTES_MAX = 30_000;
/** An expression of DynamoDB holds 300 operators and 4 kB; a counter takes up to three. Creating takes no expression. */
const COUNTERS_CHANGED_MAX = 90;

const SCAN_PARTS_MAX = 64;

/** The greatest character; keys do not hold it, so it ends every range of prefixes. */
const LAST = "\u{10ffff}";

/** What conditions and arithmetic look at. */
export interface Standing {
  readonly rev: number;
  readonly counters: Readonly<Record<string, number>>;
}

/** A draft as the engines keep it: detached from the caller's objects. */
export interface DraftText {
  readonly body: string;
  readonly indexes: Readonly<Partial<Record<IndexName, Key>>>;
}

/** A write with its key at hand; a put also as text. */
export interface Planned {
  readonly write: Write;
  readonly key: Key;
  readonly draft: DraftText | undefined;
}

/**
 * Checks a transaction before any engine sees it. Breaches are bugs of the caller, but for what grew too large.
 * @throws Fault input `item_too_large`, `transaction_too_large`.
 */
export function planTransaction(writes: readonly Write[], token: string | undefined): readonly Planned[] {
  invariant(writes.length >= 1, "a transaction has writes");
  if (writes.length > TRANSACTION_WRITES_MAX) throw transactionTooLarge(`${writes.length} writes`);
  invariant(
    token === undefined || (token !== "" && token.length <= TOKEN_CHARS_MAX),
    "a token has 1 to 36 characters",
  );
  const keys = new Set<string>();
  let bytes = 0;
  const planned = writes.map((write) => {
    const { pk, sk } = write.op === "put" ? write.item : write.key;
    const key = { pk, sk };
    checkKey(key);
    keys.add(`${key.pk}\0${key.sk}`);
    if (write.op === "add") checkCounters({ ...write.add, ...write.floor });
    invariant(countersChanged(write) <= COUNTERS_CHANGED_MAX, "a write changes at most 90 counters");
    const draft = write.op === "put" ? draftText(write.item) : undefined;
    bytes += draft === undefined ? 0 : Buffer.byteLength(draft.body);
    return { write, key, draft };
  });
  invariant(keys.size === writes.length, "the writes of a transaction have distinct keys");
  if (bytes > TRANSACTION_BYTES_MAX) throw transactionTooLarge(`${bytes} bytes`);
  return planned;
}

function transactionTooLarge(details: string): Fault {
  const message = "A change may hold 100 entries and 4 MB; make it in parts.";
  return new Fault("input", "transaction_too_large", message, { details });
}

/** What a token stands for. Computed from the text of the writes, so a retry repeats them as they were. */
export function digestOf(writes: readonly Write[]): string {
  return createHash("sha256").update(JSON.stringify(writes)).digest("hex");
}

export function tokenReused(): Fault {
  return new Fault("conflict", "token_reused", "This token was used for another change; take a new one.");
}

function draftText(draft: Draft): DraftText {
  const body = JSON.stringify(draft.body) as string | undefined;
  invariant(body !== undefined, "a body is plain JSON");
  if (Buffer.byteLength(body) > ITEM_BYTES_MAX) {
    throw new Fault(
      "input",
      "item_too_large",
      `An entry may hold ${ITEM_BYTES_MAX} bytes; make it smaller.`,
      {
        details: { pk: draft.pk, sk: draft.sk },
      },
    );
  }
  checkCounters(draft.counters ?? {});
  const entries = Object.entries(draft.indexes ?? {}).filter(([, entry]) => entry !== undefined);
  for (const [, entry] of entries) checkKey(entry);
  return { body, indexes: Object.fromEntries(entries.map(([name, { pk, sk }]) => [name, { pk, sk }])) };
}

function countersChanged(write: Write): number {
  if (write.op === "add") return Object.keys({ ...write.add, ...write.floor }).length;
  return write.op === "put" && write.when !== "absent" ? Object.keys(write.item.counters ?? {}).length : 0;
}

function checkCounters(counters: Readonly<Record<string, number>>): void {
  invariant(Object.keys(counters).every(isCounterName), "a counter is named like an identifier");
  invariant(Object.values(counters).every(Number.isSafeInteger), "counters are whole numbers");
  invariant(JSON.stringify(counters).length <= COUNTERS_BYTES_MAX, "the counters of an item fit into 30 kB");
}

function isCounterName(name: string): boolean {
  return /^[A-Za-z][\w:.#-]*$/.test(name);
}

export function checkKey(key: Key): void {
  invariant(isKeyPart(key.pk) && isKeyPart(key.sk), "a key part has 1 to 1,024 bytes of clean text");
}

function isKeyPart(text: string): boolean {
  const clean = text.isWellFormed() && !text.includes("\0") && !text.includes(LAST);
  return clean && text !== "" && Buffer.byteLength(text) <= KEY_BYTES_MAX;
}

/** Whether the stored item (absent: undefined) meets a condition. A counter that is not there is below nothing. */
function passes(when: Condition, stored: Standing | undefined): boolean {
  if (when === "absent") return stored === undefined;
  if (stored === undefined) return false;
  if (when === "exists") return true;
  if ("rev" in when) return stored.rev === when.rev;
  const counter = ownNumber(stored.counters, when.below);
  return counter !== undefined && counter < when.than;
}

/** Whether a write alone may happen. */
export function permits(write: Write, stored: Standing | undefined): boolean {
  switch (write.op) {
    case "put":
    case "check":
      return passes(write.when, stored);
    case "delete":
      return write.when === undefined || passes(write.when, stored);
    case "add":
      return stored !== undefined && sums(write, stored) !== undefined;
  }
}

/** The item after a write that was permitted; undefined when none is left. */
export function outcome(write: Write, stored: Standing | undefined): Standing | undefined {
  switch (write.op) {
    case "put": {
      const rev = stored === undefined ? 1 : stored.rev + (write.keepRev === true ? 0 : 1);
      return { rev, counters: { ...stored?.counters, ...write.item.counters } };
    }
    case "add":
      return stored && { rev: stored.rev, counters: { ...stored.counters, ...sums(write, stored) } };
    case "check":
      return stored;
    case "delete":
      return undefined;
  }
}

/** The counters after an addition; undefined when one is missing or would fall below its floor. */
function sums(write: Extract<Write, { op: "add" }>, stored: Standing): Record<string, number> | undefined {
  const sums: Record<string, number> = {};
  for (const name of Object.keys({ ...write.add, ...write.floor })) {
    const counter = ownNumber(stored.counters, name);
    if (counter === undefined) return undefined;
    const sum = counter + (ownNumber(write.add, name) ?? 0);
    invariant(Number.isSafeInteger(sum), "a counter stays a safe integer");
    if (sum < (ownNumber(write.floor, name) ?? -Infinity)) return undefined;
    sums[name] = sum;
  }
  return sums;
}

/** A counter may be named like something that every object has. */
function ownNumber(numbers: Readonly<Record<string, number>> = {}, name: string): number | undefined {
  return Object.hasOwn(numbers, name) ? numbers[name] : undefined;
}

/** For scans. @throws an invariant for a share that cannot be. */
export function checkScan({ limit, part }: { readonly limit: number; readonly part?: Part }): void {
  checkLimit(limit);
  if (part === undefined) return;
  const { index, of } = part;
  invariant(Number.isInteger(of) && of >= 1 && of <= SCAN_PARTS_MAX, "a table has 1 to 64 parts");
  invariant(Number.isInteger(index) && index >= 0 && index < of, "a part is one of all");
}

function checkLimit(limit: number): void {
  invariant(limit >= 1 && limit <= PAGE_ROWS_MAX, "a page has 1 to 100 rows");
}

/**
 * The sort keys a page may hold: `low` included, `high` excluded. Half open, so that every mix of prefix, bound and
 * cursor is two comparisons, and a forged cursor can only narrow it. @param after the last sort key seen.
 */
export function interval(
  range: Range,
  after?: { readonly sk: string; readonly inclusive: boolean },
): Interval {
  checkLimit(range.limit);
  let low = range.prefix ?? "";
  let high = low + LAST;
  if (range.upTo !== undefined) high = lesserText(high, successor(range.upTo));
  if (after !== undefined && range.newestFirst === true) {
    high = lesserText(high, after.inclusive ? successor(after.sk) : after.sk);
  } else if (after !== undefined) {
    low = greaterText(low, after.inclusive ? after.sk : successor(after.sk));
  }
  return { low, high };
}

export interface Interval {
  readonly low: string;
  readonly high: string;
}

/** The very next string in byte order. */
function successor(text: string): string {
  return `${text}\0`;
}
