import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { invariant } from "../domain/fault.ts";
import { ITEM_BYTES_MAX } from "../domain/limits.ts";
import type { IndexName, Item, Key } from "../ports.ts";
import { TABLE_SHAPE } from "./dynamo-table.ts";
import type { DraftText, Standing } from "./store-rules.ts";

export type Attributes = Record<string, AttributeValue>;

/**
 * How an item lies in the table. Each counter is an attribute of its own, so that arithmetic on one leaves the others
 * alone; each index has two key attributes, absent where the item has no entry there.
 */
export const ATTRIBUTE = {
  rev: "rev",
  /** JSON: text where it is short, else deflated (RFC 1951): a write is paid for by the kilobyte of the whole item. */
  body: "body",
  /** Names the put that wrote this body, so that a repeat of it knows itself. */
  write: "write",
} as const;

const COUNTER = "c.";

export const INDEX_NAMES = Object.keys(TABLE_SHAPE.globalIndexes) as readonly IndexName[];

export function counterAttribute(name: string): string {
  return `${COUNTER}${name}`;
}

export function text(value: string): AttributeValue {
  return { S: value };
}

/** Shorter ones would not save a kilobyte, and stay readable in AWS's console. */
const PLAIN_BODY_BYTES_MAX = 700;

/** @param json the body as text. The same text always makes the same attribute: repeats of a request must be equal. */
export function bodyAttribute(json: string): AttributeValue {
  return Buffer.byteLength(json) <= PLAIN_BODY_BYTES_MAX ? text(json) : { B: deflateRawSync(json) };
}

function bodyOf(attributes: Attributes): unknown {
  const deflated = attributes[ATTRIBUTE.body]?.B;
  const json =
    deflated === undefined
      ? textOf(attributes, ATTRIBUTE.body)
      : inflateRawSync(deflated, { maxOutputLength: ITEM_BYTES_MAX }).toString();
  return JSON.parse(json) as unknown;
}

/** @param value a number, or a big one: sums at the edge of the safe integers. */
export function numeral(value: number | bigint): AttributeValue {
  invariant(typeof value === "bigint" || Number.isFinite(value), "the table's numbers are finite");
  return { N: String(value) };
}

export function keyAttributes({ pk, sk }: Key): Attributes {
  return { pk: text(pk), sk: text(sk) };
}

export function counterAttributes(counters: Readonly<Record<string, number>> = {}): Attributes {
  return Object.fromEntries(
    Object.entries(counters).map(([name, value]) => [counterAttribute(name), numeral(value)]),
  );
}

export function indexAttributes(indexes: DraftText["indexes"]): Attributes {
  return Object.fromEntries(
    INDEX_NAMES.flatMap((name) => {
      const entry = indexes[name];
      if (entry === undefined) return [];
      const { hashKey, rangeKey } = TABLE_SHAPE.globalIndexes[name];
      return [
        [hashKey, text(entry.pk)],
        [rangeKey, text(entry.sk)],
      ];
    }),
  );
}

export function itemOf(attributes: Attributes): Item {
  return {
    pk: textOf(attributes, "pk"),
    sk: textOf(attributes, "sk"),
    body: bodyOf(attributes),
    ...standingOf(attributes),
    indexes: indexesOf(attributes),
  };
}

export function standingOf(attributes: Attributes): Standing {
  const counters = Object.keys(attributes).filter((name) => name.startsWith(COUNTER));
  return {
    rev: numberOf(attributes, ATTRIBUTE.rev),
    counters: Object.fromEntries(
      counters.map((name) => [name.slice(COUNTER.length), numberOf(attributes, name)]),
    ),
  };
}

export function textOf(attributes: Attributes, name: string): string {
  const value = attributes[name]?.S;
  invariant(value !== undefined, `the table's items have a text ${name}`);
  return value;
}

function numberOf(attributes: Attributes, name: string): number {
  const value = attributes[name]?.N;
  invariant(value !== undefined, `the table's items have a number ${name}`);
  return Number(value);
}

function indexesOf(attributes: Attributes): Item["indexes"] {
  return Object.fromEntries(
    INDEX_NAMES.flatMap((name) => {
      const { hashKey, rangeKey } = TABLE_SHAPE.globalIndexes[name];
      if (attributes[hashKey] === undefined) return [];
      return [[name, { pk: textOf(attributes, hashKey), sk: textOf(attributes, rangeKey) }]];
    }),
  );
}
