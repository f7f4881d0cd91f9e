/** Writes of the Store port as DynamoDB's requests. Pure, and the same writes always make the same requests. */
import type { AttributeValue, TransactWriteItem } from "@aws-sdk/client-dynamodb";
import { invariant } from "../domain/fault.ts";
import type { Condition, Write } from "../ports.ts";
import {
  ATTRIBUTE,
  bodyAttribute,
  type Attributes,
  counterAttribute,
  counterAttributes,
  INDEX_NAMES,
  indexAttributes,
  keyAttributes,
  numeral,
  text,
} from "./dynamo-item.ts";
import { TABLE_SHAPE } from "./dynamo-table.ts";
import type { DraftText, Planned } from "./store-rules.ts";

type Put = Extract<Write, { op: "put" }>;
type Add = Extract<Write, { op: "add" }>;

export interface Writer {
  readonly table: string;
  /** Kept with every put of this call. */
  readonly writeId: string;
}

export function requestOf({ write, key, draft }: Planned, { table, writeId }: Writer): TransactWriteItem {
  const target = { TableName: table, Key: keyAttributes(key) };
  switch (write.op) {
    case "put": {
      invariant(draft !== undefined, "a planned put has its text");
      return putRequest(write, draft, { target, writeId });
    }
    case "add":
      return addRequest(write, target);
    case "check":
      return { ConditionCheck: { ...target, ...conditionOf(write.when) } };
    case "delete":
      return { Delete: { ...target, ...(write.when !== undefined && conditionOf(write.when)) } };
  }
}

/**
 * Whether a write may be sent twice: once done, its own condition refuses the repeat. Others need a transaction's token.
 * What is left to chance, all within one call's deadline and after a lost answer: an item that another deletes is created
 * again, and a put that another has already replaced is told that it was refused.
 */
export function fencesItself(write: Write): boolean {
  if (write.op !== "put" || write.when === "exists") return false;
  if (write.when === "absent") return true;
  if ("rev" in write.when) return write.keepRev !== true;
  const { counters = {} } = write.item;
  const { below, than } = write.when;
  return Object.hasOwn(counters, below) && (counters[below] ?? 0) >= than;
}

interface Target {
  readonly TableName: string;
  readonly Key: Attributes;
}

function putRequest(
  { item, when, keepRev }: Put,
  draft: DraftText,
  { target, writeId }: { readonly target: Target; readonly writeId: string },
): TransactWriteItem {
  const content: Attributes = {
    [ATTRIBUTE.body]: bodyAttribute(draft.body),
    [ATTRIBUTE.write]: text(writeId),
    ...counterAttributes(item.counters),
    ...indexAttributes(draft.indexes),
  };
  if (when === "absent") {
    const Item = { ...target.Key, [ATTRIBUTE.rev]: numeral(1), ...content };
    return { Put: { TableName: target.TableName, Item, ...conditionOf(when) } };
  }
  const terms = createTerms();
  const sets = Object.entries(content).map(([name, value]) => `${terms.name(name)} = ${terms.value(value)}`);
  if (keepRev !== true) {
    const rev = terms.name(ATTRIBUTE.rev);
    sets.push(`${rev} = ${rev} + ${terms.value(numeral(1))}`);
  }
  const left = INDEX_NAMES.filter((name) => draft.indexes[name] === undefined).flatMap((name) => {
    const { hashKey, rangeKey } = TABLE_SHAPE.globalIndexes[name];
    return [terms.name(hashKey), terms.name(rangeKey)];
  });
  const remove = left.length === 0 ? "" : ` REMOVE ${left.join(", ")}`;
  return {
    Update: {
      ...target,
      UpdateExpression: `SET ${sets.join(", ")}${remove}`,
      ConditionExpression: conditionText(when, terms),
      ...terms.attributes(),
    },
  };
}

/** Each counter must be there, and its sum not below the floor nor beyond the safe integers. */
function addRequest({ add, floor = {} }: Add, target: Target): TransactWriteItem {
  // Maps: a counter may be named like something that every object has.
  const deltas = new Map(Object.entries(add));
  const floors = new Map(Object.entries(floor));
  const terms = createTerms();
  const bounds = [...new Set([...deltas.keys(), ...floors.keys()])].map((name) => {
    const delta = BigInt(deltas.get(name) ?? 0);
    const least = BigInt(floors.get(name) ?? Number.MIN_SAFE_INTEGER) - delta;
    const most = BigInt(Number.MAX_SAFE_INTEGER) - delta;
    const counter = terms.name(counterAttribute(name));
    return `${counter} BETWEEN ${terms.value(numeral(least))} AND ${terms.value(numeral(most))}`;
  });
  const condition = bounds.length === 0 ? conditionText("exists", terms) : bounds.join(" AND ");
  const sums = [...deltas].map(([name, delta]) => {
    const counter = terms.name(counterAttribute(name));
    return `${counter} = ${counter} + ${terms.value(numeral(delta))}`;
  });
  const when = {
    ...target,
    ConditionExpression: condition,
    // Tells a sum that is unsafe, the caller's bug, from one that its floor refuses.
    ReturnValuesOnConditionCheckFailure: "ALL_OLD" as const,
  };
  if (sums.length === 0) return { ConditionCheck: { ...when, ...terms.attributes() } };
  return { Update: { ...when, UpdateExpression: `SET ${sums.join(", ")}`, ...terms.attributes() } };
}

function conditionOf(when: Condition) {
  const terms = createTerms();
  return { ConditionExpression: conditionText(when, terms), ...terms.attributes() };
}

function conditionText(when: Condition, terms: Terms): string {
  if (when === "absent") return `attribute_not_exists(${terms.name("pk")})`;
  if (when === "exists") return `attribute_exists(${terms.name("pk")})`;
  if ("rev" in when) return `${terms.name(ATTRIBUTE.rev)} = ${terms.value(numeral(when.rev))}`;
  return `${terms.name(counterAttribute(when.below))} < ${terms.value(numeral(when.than))}`;
}

/** The placeholders of one request, numbered as they come: no name meets a reserved word, no value the syntax. */
interface Terms {
  readonly name: (attribute: string) => string;
  readonly value: (value: AttributeValue) => string;
  readonly attributes: () => {
    readonly ExpressionAttributeNames: Record<string, string>;
    readonly ExpressionAttributeValues?: Attributes;
  };
}

export function createTerms(): Terms {
  const names = new Map<string, string>();
  const values: Attributes = {};
  let count = 0;
  return {
    name(attribute) {
      const known = names.get(attribute) ?? `#${names.size}`;
      names.set(attribute, known);
      return known;
    },
    value(value) {
      const placeholder = `:${count++}`;
      values[placeholder] = value;
      return placeholder;
    },
    attributes: () => ({
      ExpressionAttributeNames: Object.fromEntries([...names].map(([name, known]) => [known, name])),
      ...(count > 0 && { ExpressionAttributeValues: values }),
    }),
  };
}
