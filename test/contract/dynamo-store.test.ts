import { afterEach, expect, test, vi } from "vitest";
import type { AwsCall } from "#shared/adapters/aws-client.ts";
import { openDynamoStore } from "#shared/adapters/dynamo-store.ts";
import { createDynamoTable, deleteDynamoTable } from "#shared/adapters/dynamo-table.ts";
import { startTinyServer } from "../faults/tiny-server.ts";
import { awsEngine } from "./aws-engines.ts";
import { createTestTable } from "./dynamo-table-fixture.ts";
import { storeContract } from "./store.contract.ts";
import { storeScanContract } from "./store-scan.contract.ts";
import { A, put } from "./store-fixture.ts";

const { isHere, isReal, options } = awsEngine("dynamodb");
const onEngine = test.skipIf(!isHere);

const open = async () => {
  const table = await createTestTable(options);
  const store = await openDynamoStore({ ...options, table: table.name });
  const close = async () => {
    await store[Symbol.asyncDispose]();
    await table[Symbol.asyncDispose]();
  };
  return { store, close };
};
const limits = { isHere, timeoutMs: isReal ? 180_000 : 30_000 };

storeContract("dynamodb store", open, limits);
storeScanContract("dynamodb store", open, limits);

onEngine("what was committed is there for the next one who opens the table, its token too", async () => {
  await using table = await createTestTable(options);
  {
    await using store = await openDynamoStore({ ...options, table: table.name });
    await store.transact([put(A, { body: "kept" })], "token");
  }
  await using store = await openDynamoStore({ ...options, table: table.name });
  expect(await store.get(A)).toMatchObject({ body: "kept" });
  expect(await store.transact([put(A, { body: "kept" })], "token")).toEqual({ ok: true });
  await expect(store.transact([put(A)], "token")).rejects.toMatchObject({ code: "token_reused" });
});

onEngine("tables of one account do not share their tokens", async () => {
  await using one = await createTestTable(options);
  await using two = await createTestTable(options);
  for (const table of [one.name, two.name]) {
    await using store = await openDynamoStore({ ...options, table });
    expect(await store.transact([put(A, { body: table })], "token")).toEqual({ ok: true });
    expect(await store.get(A)).toMatchObject({ body: table });
  }
});

onEngine(
  "a single put is one plain request, arithmetic a transaction, and each call is told with its units",
  async () => {
    await using table = await createTestTable(options);
    const calls: AwsCall[] = [];
    await using store = await openDynamoStore({
      ...options,
      table: table.name,
      onCall: (call) => calls.push(call),
    });
    await store.transact([put(A, { counters: { n: 0 } })]);
    await store.transact([{ op: "put", item: { ...A, body: 2 }, when: { rev: 1 } }]);
    await store.transact([{ op: "add", key: A, add: { n: 1 } }]);
    await store.transact([{ op: "check", key: A, when: "exists" }]);
    await store.list("p", { limit: 1 });
    await store.nominate("due", "due", { limit: 1 });
    expect(calls.map(({ operation, attempts }) => [operation, attempts])).toEqual([
      ["DescribeTable", 1],
      ["PutItem", 1],
      ["UpdateItem", 1],
      ["TransactWriteItems", 1],
      ["GetItem", 1],
      ["Query", 1],
      ["Query", 1],
    ]);
    expect(calls.map(({ writeUnits }) => writeUnits)).toEqual([
      undefined,
      1,
      1,
      2,
      undefined,
      undefined,
      undefined,
    ]);
    expect(calls.slice(4).map(({ readUnits }) => readUnits)).toEqual([1, 1, 0.5]);
  },
);

onEngine("a table is created once, and removed once, however often it is asked for", async () => {
  const table = await createTestTable(options);
  await createDynamoTable(options, table.name);
  await using store = await openDynamoStore({ ...options, table: table.name });
  await store.transact([put(A)]);
  await createDynamoTable(options, table.name);
  expect(await store.get(A)).toBeDefined();
  await table[Symbol.asyncDispose]();
  if (!isReal) await deleteDynamoTable(options, table.name);
});

// What is wrong at the start is said in one sentence that names the setting.

afterEach(() => {
  vi.unstubAllEnvs();
});

function faultOf(open: Promise<unknown>): Promise<{ kind: string; code: string; message: string }> {
  return open.then(
    () => Promise.reject(new Error("it opened")),
    (error: { kind: string; code: string; message: string }) => error,
  );
}

/** Settings that need no machine, account or file. */
function stubSettings(settings: Readonly<Record<string, string | undefined>> = {}): void {
  const known = {
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test",
    AWS_SESSION_TOKEN: undefined,
    AWS_PROFILE: undefined,
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_ENDPOINT_URL_DYNAMODB: undefined,
  };
  for (const [name, value] of Object.entries({ ...known, ...settings })) vi.stubEnv(name, value);
}

onEngine("a table that is not there is named, with the region as the likely cause", async () => {
  const fault = await faultOf(openDynamoStore({ ...options, table: "photokeep-test-none" }));
  expect(fault).toMatchObject({ kind: "input", code: "store_missing" });
  expect(fault.message).toMatch(/photokeep-test-none.*AWS_REGION/);
});

test("without a region the setting is named", async () => {
  stubSettings({ AWS_REGION: undefined });
  const fault = await faultOf(openDynamoStore({ table: "t", endpoint: "http://127.0.0.1:9" }));
  expect(fault).toMatchObject({ kind: "input", code: "region_missing" });
  expect(fault.message).toContain("AWS_REGION");
});

test("without credentials the settings are named", async () => {
  stubSettings({ AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined });
  const fault = await faultOf(openDynamoStore({ table: "t", endpoint: "http://127.0.0.1:9" }));
  expect(fault).toMatchObject({ kind: "input", code: "store_denied" });
  expect(fault.message).toContain("AWS_ACCESS_KEY_ID");
});

test("an address where nothing listens is named with its setting", async () => {
  stubSettings();
  const fault = await faultOf(openDynamoStore({ table: "t", endpoint: "http://127.0.0.1:9" }));
  expect(fault).toMatchObject({ kind: "busy", code: "store_busy" });
  expect(fault.message).toMatch(/http:\/\/127\.0\.0\.1:9.*AWS_ENDPOINT_URL_DYNAMODB/);
});

/** What the adapter makes of one literal answer of DynamoDB's to its first question. */
async function faultOn(status: number, answer: unknown) {
  stubSettings();
  await using server = await startTinyServer(() => ({
    status,
    headers: { "Content-Type": "application/x-amz-json-1.0" },
    body: JSON.stringify(answer),
  }));
  const fault = await faultOf(openDynamoStore({ table: "photos", endpoint: server.url.href }));
  return { ...fault, message: fault.message, requests: server.seen.length };
}

test("wrong credentials are told apart from a missing permission, which is named; neither is tried again", async () => {
  const wrong = await faultOn(400, {
    __type: "com.amazon.coral.service#UnrecognizedClientException",
    message: "The security token included in the request is invalid.",
  });
  expect(wrong).toMatchObject({ kind: "input", code: "store_denied", requests: 1 });
  expect(wrong.message).toContain("AWS_ACCESS_KEY_ID");
  const denied = await faultOn(400, {
    __type: "com.amazon.coral.service#AccessDeniedException",
    Message: "User: x is not authorized to perform: dynamodb:DescribeTable on resource: y",
  });
  expect(denied).toMatchObject({ kind: "input", code: "store_denied", requests: 1 });
  expect(denied.message).toContain("dynamodb:DescribeTable on the table photos");
});

const keys = (pk: string, sk: string) => [
  { AttributeName: pk, KeyType: "HASH" },
  { AttributeName: sk, KeyType: "RANGE" },
];
const index = (name: string) => ({
  IndexName: name,
  KeySchema: keys(`${name}_pk`, `${name}_sk`),
  IndexStatus: "ACTIVE",
});
const GOOD = {
  TableName: "photos",
  TableStatus: "ACTIVE",
  KeySchema: keys("pk", "sk"),
  AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }],
  GlobalSecondaryIndexes: ["org", "due", "ready"].map(index),
};

test("a table of another shape is refused, and what differs is said", async () => {
  const cases: readonly (readonly [object, string])[] = [
    [{ GlobalSecondaryIndexes: ["org", "ready"].map(index) }, "it has no index named due"],
    [{ GlobalSecondaryIndexes: undefined }, "it has no index named org"],
    [
      {
        GlobalSecondaryIndexes: [
          index("org"),
          index("due"),
          { ...index("ready"), KeySchema: keys("a", "b") },
        ],
      },
      "the index ready is keyed by a and b and not by ready_pk and ready_sk",
    ],
    [{ KeySchema: keys("id", "sk") }, "the table is keyed by id and sk and not by pk and sk"],
    [{ KeySchema: keys("pk", "sk").slice(0, 1) }, "the table is keyed by pk and not by pk and sk"],
    [
      { AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "N" }] },
      "its key pk is not of type string (S)",
    ],
  ];
  for (const [difference, sentence] of cases) {
    const fault = await faultOn(200, { Table: { ...GOOD, ...difference } });
    expect(fault).toMatchObject({ kind: "input", code: "table_invalid", requests: 1 });
    expect(fault.message).toBe(
      `The table photos cannot be used: ${sentence}; create it anew as docs/aws.md describes.`,
    );
  }
});

test("a table or an index that is still being made is busy, not wrong", async () => {
  const indexes = [index("org"), index("due"), { ...index("ready"), IndexStatus: "CREATING" }];
  for (const difference of [{ TableStatus: "CREATING" }, { GlobalSecondaryIndexes: indexes }]) {
    const fault = await faultOn(200, { Table: { ...GOOD, ...difference } });
    expect(fault).toMatchObject({ kind: "busy", code: "store_busy" });
    expect(fault.message).toContain("still being created");
  }
});
