/**
 * The doors of PhotoKeep, as types only. Every port has a memory twin, an embedded adapter (SQLite, files) and an AWS
 * one (DynamoDB, SQS, S3); one contract suite runs on all of them. The shapes are the intersection of what those
 * engines can do: nothing here needs more than a DynamoDB transaction, an SQS message or an S3 object.
 */

/** Time and waiting. Decisions take `now` as an argument; only loops hold a Clock. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Random bytes: a port, so that a simulation can draw them from its seed. */
export type Entropy = (bytes: number) => Uint8Array;

// ---------------------------------------------------------------------------------------------------------- Store

export interface Key {
  readonly pk: string;
  readonly sk: string;
}

/** Secondary indexes: sparse, eventually consistent, and they only nominate. Read the item before acting on it. */
export type IndexName = "org" | "due" | "ready";

export interface Draft {
  readonly pk: string;
  readonly sk: string;
  /** Plain JSON, at most ITEM_BYTES_MAX as text. */
  readonly body: unknown;
  /** Whole numbers changed by arithmetic alone once the item exists. */
  readonly counters?: Readonly<Record<string, number>>;
  readonly indexes?: Readonly<Partial<Record<IndexName, Key>>>;
}

export interface Item extends Draft {
  /** 1 when created, +1 with every `put` that raises it. Arithmetic leaves it alone. */
  readonly rev: number;
  readonly counters: Readonly<Record<string, number>>;
  readonly indexes: Readonly<Partial<Record<IndexName, Key>>>;
}

export type Condition =
  | "absent"
  | "exists"
  | { readonly rev: number }
  /** The stored counter is smaller than `than`. */
  | { readonly below: string; readonly than: number };

export type Write =
  /** Replaces the whole item; the counters given replace the stored ones. `keepRev` writes without raising `rev`. */
  | { readonly op: "put"; readonly item: Draft; readonly when: Condition; readonly keepRev?: true }
  /** Adds to counters of an existing item; refused where a result would fall below its floor. Needs no read. */
  | {
      readonly op: "add";
      readonly key: Key;
      readonly add: Readonly<Record<string, number>>;
      readonly floor?: Readonly<Record<string, number>>;
    }
  | { readonly op: "check"; readonly key: Key; readonly when: Condition }
  | { readonly op: "delete"; readonly key: Key; readonly when?: Condition };

/** Why a write of a refused transaction was refused; `undefined` for a write that alone would have passed. */
type Refusal = "condition" | "conflict" | undefined;

export type Committed = { readonly ok: true } | { readonly ok: false; readonly refusals: readonly Refusal[] };

export interface Page<T> {
  readonly rows: readonly T[];
  /** Pass it back to continue; absent at the end. */
  readonly cursor?: string;
}

export interface Range {
  /** At most PAGE_ROWS_MAX. */
  readonly limit: number;
  readonly newestFirst?: boolean;
  readonly cursor?: string;
  /** Only sort keys that start so. */
  readonly prefix?: string;
  /** Only sort keys at or below this one. */
  readonly upTo?: string;
}

export interface Store {
  /** Strongly consistent. */
  get(key: Key): Promise<Item | undefined>;
  /**
   * All or nothing, at most TRANSACTION_WRITES_MAX writes on distinct keys. With a `token`, repeating the same
   * transaction within ten minutes commits it once; the same token with other content throws Fault `token_reused`.
   * @throws Fault busy `store_busy` when the engine is throttled or down; input `item_too_large`,
   * `transaction_too_large` beyond the limits.
   */
  transact(writes: readonly Write[], token?: string): Promise<Committed>;
  /** The items of one partition, ordered by sort key. */
  list(pk: string, range: Range): Promise<Page<Item>>;
  /** The keys that an index names, ordered by the index's sort key; `at` is that sort key. */
  nominate(index: IndexName, pk: string, range: Range): Promise<Page<Key & { readonly at: string }>>;
}

/** A share of a table, so that several readers can walk it side by side: the `index`-th (from 0) of `of`. */
export interface Part {
  readonly index: number;
  readonly of: number;
}

/**
 * The walk through everything, for audits. A door of its own beside Store: no key leads to all items, and nothing that
 * answers a request may come to read them all.
 */
export interface StoreScan {
  /**
   * Some items, in no promised order; a page may be short, or empty, and yet have a cursor. Walked to the end, over every
   * part where there are parts, it meets each item that stands from the first page to the last exactly once, and of those that come or
   * go meanwhile any. Weakly consistent: read an item again before acting on it. Engines that are not split hold
   * everything in part 0.
   */
  scan(range: {
    readonly limit: number;
    readonly cursor?: string;
    readonly part?: Part;
  }): Promise<Page<Item>>;
}

// ---------------------------------------------------------------------------------------------------------- Queue

export interface Message {
  readonly body: string;
  /** Fairness key: no group starves another. */
  readonly group?: string;
  /** At most QUEUE_DELAY_MS_MAX. */
  readonly delayMs?: number;
}

export interface Delivery {
  readonly id: string;
  readonly body: string;
  readonly group?: string;
  /** How often this message has been handed out, this time included. */
  readonly receives: number;
  /** Names this very delivery; stale after the next one. */
  readonly receipt: string;
}

/** At least once, unordered. A message is hidden for `visibilityMs` after each delivery. */
export interface Queue {
  send(messages: readonly Message[]): Promise<void>;
  /** Waits up to `waitMs` for a first message; at most QUEUE_BATCH_MAX. Aborting loses none. */
  receive(
    ask: { readonly max: number; readonly waitMs: number; readonly visibilityMs: number },
    signal?: AbortSignal,
  ): Promise<readonly Delivery[]>;
  /** Hides for `visibilityMs` from now; 0 returns the message at once. A stale receipt is no error. */
  extend(receipts: readonly string[], visibilityMs: number): Promise<void>;
  /** Repeated and stale deletes are no errors. */
  delete(receipts: readonly string[]): Promise<void>;
}

// ---------------------------------------------------------------------------------------------------------- Blobs

export interface BlobInfo {
  readonly key: string;
  readonly bytes: number;
  /** Hex. Of an upload that came without a checksum the engine may not know it. */
  readonly sha256?: string;
  readonly contentType: string;
}

/** What was stored, or read whole: its checksum is known. */
export interface KnownBlob extends BlobInfo {
  readonly sha256: string;
}

export interface SignedRequest {
  readonly method: "PUT" | "GET";
  readonly url: string;
  /** Headers the client must send as they are. */
  readonly headers: Readonly<Record<string, string>>;
  readonly expiresAt: number;
}

export interface PutSlot {
  readonly key: string;
  readonly contentType: string;
  readonly bytes: number;
  /** Hex; when given, other bytes are refused. */
  readonly sha256?: string;
  readonly expiresAt: number;
}

interface GetSlot {
  readonly key: string;
  readonly expiresAt: number;
  /** Offered as the download's name; absent: shown inline. */
  readonly fileName?: string;
}

/** Immutable objects by key. A key is written once: a second writer with other bytes is refused. */
export interface Blobs {
  head(key: string): Promise<BlobInfo | undefined>;
  /**
   * Stores the bytes of a local file under a key that is free; the same bytes again are no error. The engine may keep
   * the file itself instead of a copy, so it must not be modified afterwards (removing it is fine). A `sha256` (hex)
   * that the caller has just computed is taken as given and saves reading the file once more.
   * @throws Fault conflict `blob_exists` when the key holds other bytes; busy `disk_full`.
   */
  upload(
    key: string,
    path: string,
    as: { readonly contentType: string; readonly sha256?: string },
  ): Promise<KnownBlob>;
  /** The same for small contents held in memory. */
  write(key: string, bytes: Uint8Array, contentType: string): Promise<KnownBlob>;
  /**
   * Copies an object to a free key without its bytes passing through here; the same bytes already there are no error.
   * @throws Fault missing `blob_missing`; conflict `blob_exists`.
   */
  copy(from: string, to: string): Promise<BlobInfo>;
  /**
   * Makes the object's bytes readable at a local path that does not exist yet, without copying where the engine can.
   * The file must not be modified. Where bytes travel they are checked on arrival.
   * @throws Fault missing `blob_missing`; busy `blobs_busy` when they arrived damaged or not at all.
   */
  download(key: string, path: string): Promise<KnownBlob>;
  /** The whole content; for small objects. @throws Fault missing `blob_missing`. */
  read(key: string): Promise<Uint8Array>;
  /** Idempotent. */
  delete(key: string): Promise<void>;
  /** Keys by prefix, in byte order. */
  list(prefix: string, range: { readonly limit: number; readonly cursor?: string }): Promise<Page<string>>;
  /** A write-once upload of exactly this length, type and (when given) checksum. */
  signPut(slot: PutSlot): Promise<SignedRequest>;
  signGet(slot: GetSlot): Promise<SignedRequest>;
}
