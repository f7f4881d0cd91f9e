import {
  CreateTableCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  type KeySchemaElement,
  ResourceInUseException,
  ResourceNotFoundException,
  type TableDescription,
  waitUntilTableExists,
} from "@aws-sdk/client-dynamodb";
import { Fault } from "../domain/fault.ts";
import { awsFault, type AwsOptions } from "./aws-client.ts";
import { type DynamoDoor, openDynamoDoor } from "./dynamo-client.ts";

/** What the table looks like: texts as keys, and three sparse indexes that hold keys alone. Data, for whoever deploys it. */
export const TABLE_SHAPE = {
  fields: {
    pk: "string",
    sk: "string",
    org_pk: "string",
    org_sk: "string",
    due_pk: "string",
    due_sk: "string",
    ready_pk: "string",
    ready_sk: "string",
  },
  primaryIndex: { hashKey: "pk", rangeKey: "sk" },
  globalIndexes: {
    org: { hashKey: "org_pk", rangeKey: "org_sk", projection: "keys-only" },
    due: { hashKey: "due_pk", rangeKey: "due_sk", projection: "keys-only" },
    ready: { hashKey: "ready_pk", rangeKey: "ready_sk", projection: "keys-only" },
  },
} as const;

const CREATION_S_MAX = 120;

interface Keys {
  readonly hashKey: string;
  readonly rangeKey: string;
}

/**
 * Creates the table, paid by request, and waits until it can be used; one that is there already is no error.
 * @throws Fault input `table_invalid` when that one looks different.
 */
export async function createDynamoTable(options: AwsOptions, table: string): Promise<void> {
  using door = await openDynamoDoor(options, table);
  await door.call(async (abortSignal) => {
    try {
      await door.client.send(new CreateTableCommand({ TableName: table, ...definition() }), { abortSignal });
    } catch (error) {
      if (!(error instanceof ResourceInUseException)) throw error;
    }
  });
  try {
    // Asks again and again, so it has an end of its own.
    await waitUntilTableExists(
      { client: door.client, maxWaitTime: CREATION_S_MAX, minDelay: 1, maxDelay: 5 },
      { TableName: table },
    );
  } catch (error) {
    throw awsFault(error, door);
  }
  await verifyDynamoTable(door);
}

/** Removes the table with everything in it; for tests and benchmarks. One that is not there is no error. */
export async function deleteDynamoTable(options: AwsOptions, table: string): Promise<void> {
  using door = await openDynamoDoor(options, table);
  await door.call(async (abortSignal) => {
    try {
      await door.client.send(new DeleteTableCommand({ TableName: table }), { abortSignal });
    } catch (error) {
      if (!(error instanceof ResourceNotFoundException)) throw error;
    }
  });
}

/**
 * One look at the table before anything relies on it.
 * @throws Fault input `table_invalid` when its keys or indexes differ, `store_missing`, `store_denied`,
 * `region_missing`; busy `store_busy` when nothing answers, or when it is still being made.
 */
export async function verifyDynamoTable(door: DynamoDoor): Promise<void> {
  const table = await describe(door);
  const [difference] = differencesOf(table);
  if (difference !== undefined) {
    throw new Fault(
      "input",
      "table_invalid",
      `The table ${door.table} cannot be used: ${difference}; create it anew as docs/aws.md describes.`,
    );
  }
  const states = [table.TableStatus, ...(table.GlobalSecondaryIndexes ?? []).map((each) => each.IndexStatus)];
  if (states.some((state) => state !== "ACTIVE" && state !== "UPDATING")) {
    throw new Fault(
      "busy",
      "store_busy",
      `The table ${door.table} or one of its indexes is still being created or removed; try again in a minute.`,
    );
  }
}

async function describe(door: DynamoDoor): Promise<TableDescription> {
  try {
    const { Table } = await door.call((abortSignal) =>
      door.client.send(new DescribeTableCommand({ TableName: door.table }), { abortSignal }),
    );
    return Table ?? {};
  } catch (error) {
    throw startFault(error, door);
  }
}

/** At the start a setting is the likelier cause than a passing trouble, so the sentences name it. */
function startFault(error: unknown, { table, endpoint }: DynamoDoor): unknown {
  if (!(error instanceof Fault)) return error;
  const { kind, code, details, cause } = error;
  const said = { cause, details };
  if (code === "store_busy") {
    const where = endpoint === undefined ? "" : ` at ${endpoint}`;
    return new Fault(
      kind,
      code,
      `DynamoDB does not answer${where}; check AWS_ENDPOINT_URL_DYNAMODB, AWS_REGION and the way to the network.`,
      said,
    );
  }
  if (cause instanceof Error && cause.name === "AccessDeniedException") {
    return new Fault(
      kind,
      code,
      `AWS refused dynamodb:DescribeTable on the table ${table}; give this identity the permissions named in docs/aws.md.`,
      said,
    );
  }
  return error;
}

/** How a table differs from its shape, as clauses. What else it has is its owner's business. */
function differencesOf(table: TableDescription): readonly string[] {
  const { primaryIndex, globalIndexes, fields } = TABLE_SHAPE;
  const found = new Map((table.GlobalSecondaryIndexes ?? []).map((each) => [each.IndexName, each]));
  const indexes = Object.entries(globalIndexes).flatMap(([name, wanted]) => {
    const index = found.get(name);
    if (index === undefined) return [`it has no index named ${name}`];
    return keyDifference(`the index ${name}`, wanted, index.KeySchema);
  });
  const types = new Map(
    (table.AttributeDefinitions ?? []).map((each) => [each.AttributeName, each.AttributeType]),
  );
  const wrong = Object.keys(fields).filter((name) => types.has(name) && types.get(name) !== "S");
  return [
    ...keyDifference("the table", primaryIndex, table.KeySchema),
    ...indexes,
    ...wrong.map((name) => `its key ${name} is not of type string (S)`),
  ];
}

function keyDifference(what: string, wanted: Keys, schema: KeySchemaElement[] = []): string[] {
  const has = (name: string, type: string): boolean =>
    schema.some((each) => each.AttributeName === name && each.KeyType === type);
  const same = schema.length === 2 && has(wanted.hashKey, "HASH") && has(wanted.rangeKey, "RANGE");
  if (same) return [];
  const keys = schema.map((each) => each.AttributeName).join(" and ");
  return [`${what} is keyed by ${keys} and not by ${wanted.hashKey} and ${wanted.rangeKey}`];
}

function definition() {
  const { fields, primaryIndex, globalIndexes } = TABLE_SHAPE;
  return {
    BillingMode: "PAY_PER_REQUEST" as const,
    AttributeDefinitions: Object.keys(fields).map((name) => ({
      AttributeName: name,
      AttributeType: "S" as const,
    })),
    KeySchema: keySchema(primaryIndex),
    GlobalSecondaryIndexes: Object.entries(globalIndexes).map(([name, keys]) => ({
      IndexName: name,
      KeySchema: keySchema(keys),
      Projection: { ProjectionType: "KEYS_ONLY" as const },
    })),
  };
}

function keySchema({ hashKey, rangeKey }: Keys): KeySchemaElement[] {
  return [
    { AttributeName: hashKey, KeyType: "HASH" },
    { AttributeName: rangeKey, KeyType: "RANGE" },
  ];
}
