/**
 * The Store on one DynamoDB table. What its requests cost and promise:
 * - Reads of an item and of a partition are strongly consistent; the indexes are not, and only nominate.
 * - A put whose condition its own effect ends (created once, on a rev, on a smaller number) is one plain request. The SDK
 *   may repeat it after a lost reply; the put's id on the item tells a repeat that it had already succeeded.
 * - Everything else, arithmetic above all, is a transaction under a token, at twice the units: DynamoDB itself commits
 *   repeats of it once. A caller's token is made the table's own, so stages of one account do not meet in it.
 * - Every call ends within four seconds, by an answer or by Fault busy `store_busy`. Whether a write given up took place
 *   is then unknown, as with any lost reply: repeat it with its token, or read.
 */
import { createHash, randomBytes } from "node:crypto";
import { GetItemCommand } from "@aws-sdk/client-dynamodb";
import type { Committed, Item, Key, Store, StoreScan } from "../ports.ts";
import { type DynamoDoor, type DynamoOptions, openDynamoDoor } from "./dynamo-client.ts";
import { commitPut, commitTransaction } from "./dynamo-commit.ts";
import { itemOf, keyAttributes } from "./dynamo-item.ts";
import { listIndex, listPartition, scanTable } from "./dynamo-page.ts";
import { verifyDynamoTable } from "./dynamo-table.ts";
import { fencesItself, requestOf } from "./dynamo-write.ts";
import { checkKey, digestOf, permits, type Planned, planTransaction } from "./store-rules.ts";

/** DynamoDB's tokens have at most 36 characters; 27 bytes fill them. */
const TOKEN_CHARS = 36;
const WRITE_ID_CHARS = 22;

/**
 * Opens the Store on a table that `createDynamoTable` or a deployment made.
 * @throws what `verifyDynamoTable` throws.
 */
export async function openDynamoStore(
  options: DynamoOptions & { readonly table: string },
): Promise<Store & StoreScan & AsyncDisposable> {
  const door = await openDynamoDoor(options, options.table);
  try {
    await verifyDynamoTable(door);
  } catch (error) {
    door[Symbol.dispose]();
    throw error;
  }

  return {
    [Symbol.asyncDispose]: async () => door[Symbol.dispose](),

    async get(key) {
      checkKey(key);
      return readItem(door, key);
    },

    async transact(writes, token) {
      const planned = planTransaction(writes, token);
      const names = token === undefined ? ownNames() : namesFor(`${door.table}\0${token}`, digestOf(writes));
      const requests = planned.map((each) => requestOf(each, { table: door.table, writeId: names.writeId }));
      const [only] = planned;
      const [request] = requests;
      if (token === undefined && planned.length === 1 && only !== undefined && request !== undefined) {
        if (only.write.op === "check") return checkAlone(door, only);
        if (fencesItself(only.write)) return commitPut(door, request, names.writeId);
      }
      return commitTransaction(door, { planned, requests, token: names.token });
    },

    list: (pk, range) => listPartition(door, pk, range),
    nominate: (index, pk, range) => listIndex(door, { index, pk }, range),
    scan: (range) => scanTable(door, range),
  };
}

async function readItem(door: DynamoDoor, key: Key): Promise<Item | undefined> {
  const command = new GetItemCommand({
    TableName: door.table,
    Key: keyAttributes(key),
    ConsistentRead: true,
    ReturnConsumedCapacity: "TOTAL",
  });
  const { Item } = await door.call((abortSignal) => door.client.send(command, { abortSignal }));
  return Item && itemOf(Item);
}

/** A check that nothing hangs on is a read. */
async function checkAlone(door: DynamoDoor, { write, key }: Planned): Promise<Committed> {
  const holds = permits(write, await readItem(door, key));
  return holds ? { ok: true } : { ok: false, refusals: ["condition"] };
}

interface Names {
  /** What DynamoDB knows this transaction by. */
  readonly token: string;
  /** What the items it puts bear. */
  readonly writeId: string;
}

function ownNames(): Names {
  const name = randomBytes(16).toString("base64url");
  return { token: name, writeId: name };
}

/** The same for the same transaction, since DynamoDB compares a repeat with what it was sent before, byte by byte. */
function namesFor(token: string, digest: string): Names {
  const hash = createHash("sha256").update(token);
  return {
    token: hash.copy().digest("base64url").slice(0, TOKEN_CHARS),
    writeId: hash.update(digest).digest("base64url").slice(0, WRITE_ID_CHARS),
  };
}
