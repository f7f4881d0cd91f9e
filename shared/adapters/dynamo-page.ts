/**
 * Pages of a partition or an index. A cursor is a position and no right: where it lies is compared with the range here,
 * and DynamoDB's own start key is put together from the range's partition, so a forged one can only narrow a listing.
 */
import {
  type AttributeValue,
  QueryCommand,
  type QueryCommandInput,
  ScanCommand,
} from "@aws-sdk/client-dynamodb";
import { invariant } from "../domain/fault.ts";
import { PAGE_ROWS_MAX } from "../domain/limits.ts";
import type { IndexName, Item, Key, Page, Range, StoreScan } from "../ports.ts";
import { decodeCursor, encodeCursor, pageOf } from "./cursor.ts";
import type { DynamoDoor } from "./dynamo-client.ts";
import { type Attributes, itemOf, keyAttributes, text, textOf } from "./dynamo-item.ts";
import { TABLE_SHAPE } from "./dynamo-table.ts";
import { createTerms } from "./dynamo-write.ts";
import { checkScan, interval, type Interval } from "./store-rules.ts";
import { compareText } from "./text-order.ts";

const KEY_BYTES_MAX = 1_024;
/** DynamoDB ends an answer at 1 MB, which is two items or more. */
const ANSWERS_MAX = PAGE_ROWS_MAX;

export async function listPartition(door: DynamoDoor, pk: string, range: Range): Promise<Page<Item>> {
  const [after] = range.cursor === undefined ? [] : decodeCursor(range.cursor, 1);
  const rows = await rowsOf(door, range, {
    keys: { hashKey: "pk", rangeKey: "sk" },
    pk,
    after: after === undefined ? undefined : { at: after, start: keyAttributes({ pk, sk: after }) },
    source: { ConsistentRead: true },
  });
  return pageOf(rows, range.limit, { show: itemOf, position: (row) => [textOf(row, "sk")] });
}

export async function listIndex(
  door: DynamoDoor,
  { index, pk }: { readonly index: IndexName; readonly pk: string },
  range: Range,
): Promise<Page<Key & { readonly at: string }>> {
  const keys = TABLE_SHAPE.globalIndexes[index];
  const position = range.cursor === undefined ? undefined : decodeCursor(range.cursor, 3);
  const rows = await rowsOf(door, range, {
    keys,
    pk,
    after: position && startOf(position, pk, keys),
    source: { IndexName: index },
  });
  const show = (row: Attributes) => ({
    pk: textOf(row, "pk"),
    sk: textOf(row, "sk"),
    at: textOf(row, keys.rangeKey),
  });
  return pageOf(rows.map(show), range.limit, {
    show: (row) => row,
    position: (row) => [row.at, row.pk, row.sk],
  });
}

/**
 * One answer of a Scan, as it comes: at most `limit` items, at most 1 MB. Eventually consistent, at half the units: whoever
 * walks a live table reads again what matters. Parts are DynamoDB's segments, which it spreads over its partitions.
 */
export async function scanTable(
  door: DynamoDoor,
  range: Parameters<StoreScan["scan"]>[0],
): Promise<Page<Item>> {
  checkScan(range);
  const { limit, cursor, part } = range;
  const [pk = "", sk = ""] = cursor === undefined ? [] : decodeCursor(cursor, 2);
  const command = new ScanCommand({
    TableName: door.table,
    Limit: limit,
    ReturnConsumedCapacity: "TOTAL",
    ...(part === undefined ? {} : { Segment: part.index, TotalSegments: part.of }),
    ...(cursor === undefined ? {} : { ExclusiveStartKey: keyAttributes({ pk, sk }) }),
  });
  const { Items, LastEvaluatedKey } = await door.call((abortSignal) =>
    door.client.send(command, { abortSignal }),
  );
  const last =
    LastEvaluatedKey && encodeCursor([textOf(LastEvaluatedKey, "pk"), textOf(LastEvaluatedKey, "sk")]);
  return { rows: (Items ?? []).map(itemOf), ...(last !== undefined && { cursor: last }) };
}

interface Keys {
  readonly hashKey: string;
  readonly rangeKey: string;
}

interface Listing {
  readonly keys: Keys;
  readonly pk: string;
  /** The last row that was seen: its sort key, and the whole as DynamoDB's start key. */
  readonly after: { readonly at: string; readonly start: Attributes } | undefined;
  readonly source: Pick<QueryCommandInput, "ConsistentRead" | "IndexName">;
}

function startOf([at = "", pk = "", sk = ""]: readonly string[], indexPk: string, keys: Keys) {
  const entry: Record<string, AttributeValue> = { [keys.hashKey]: text(indexPk), [keys.rangeKey]: text(at) };
  return { at, start: { ...entry, ...keyAttributes({ pk, sk }) } };
}

/** Up to one row more than the page holds, so that its end is known. */
async function rowsOf(door: DynamoDoor, range: Range, listing: Listing): Promise<readonly Attributes[]> {
  const bounds = interval(range);
  const wanted = range.limit + 1;
  const query = queryOf(door.table, { ...listing, bounds });
  const place = placeOf(listing.after?.at, bounds, range.newestFirst === true);
  if (query === undefined || place === "behind") return [];
  let start = place === "within" ? listing.after?.start : undefined;
  const rows: Attributes[] = [];
  for (let answers = 0; answers < ANSWERS_MAX; answers++) {
    const input = {
      ...query,
      ScanIndexForward: range.newestFirst !== true,
      Limit: wanted - rows.length,
      ExclusiveStartKey: start,
    };
    const answer = await door.call((abortSignal) =>
      door.client.send(new QueryCommand(input), { abortSignal }),
    );
    rows.push(...(answer.Items ?? []));
    start = answer.LastEvaluatedKey;
    if (start === undefined || rows.length >= wanted) return rows;
  }
  throw new Error(`invariant broken: a page needs at most ${ANSWERS_MAX} answers`);
}

/** Where a listing that goes on after `at` stands: before all of its range, in it, or behind its last row. */
function placeOf(
  at: string | undefined,
  { low, high }: Interval,
  newestFirst: boolean,
): "before" | "within" | "behind" {
  if (at === undefined) return "before";
  if (compareText(at, low) < 0) return newestFirst ? "behind" : "before";
  if (compareText(at, high) >= 0) return newestFirst ? "before" : "behind";
  return "within";
}

/** @returns undefined where no key can lie: DynamoDB refuses empty bounds, and ranges that end before they begin. */
function queryOf(
  table: string,
  { keys, pk, bounds: { low, high }, source }: Omit<Listing, "after"> & { readonly bounds: Interval },
): QueryCommandInput | undefined {
  // An upper bound that counts ends with the character that no key holds; all others are what the prefix implies.
  const last = high.endsWith("\0") ? high.slice(0, -1) : undefined;
  if (compareText(low, high) >= 0 || last === "" || Buffer.byteLength(low) > KEY_BYTES_MAX) return undefined;
  invariant(Buffer.byteLength(last ?? "") <= KEY_BYTES_MAX, "an upper bound is a key or shorter");
  const terms = createTerms();
  const partition = `${terms.name(keys.hashKey)} = ${terms.value(text(pk))}`;
  const sort = (): string => {
    const name = terms.name(keys.rangeKey);
    if (last === undefined) return ` AND begins_with(${name}, ${terms.value(text(low))})`;
    if (low === "") return ` AND ${name} <= ${terms.value(text(last))}`;
    return ` AND ${name} BETWEEN ${terms.value(text(low))} AND ${terms.value(text(last))}`;
  };
  const isWhole = low === "" && last === undefined;
  return {
    TableName: table,
    ...source,
    KeyConditionExpression: isWhole ? partition : partition + sort(),
    ReturnConsumedCapacity: "TOTAL",
    ...terms.attributes(),
  };
}
