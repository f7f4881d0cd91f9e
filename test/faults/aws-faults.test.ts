import { expect, test } from "vitest";
import { startFaultProxy } from "./fault-proxy.ts";
import { rawCall } from "./raw-call.ts";
import { startTinyServer } from "./tiny-server.ts";

interface AwsAnswer {
  readonly status: number | undefined;
  readonly json: { readonly [field: string]: unknown };
}

/** One call of an AWS JSON API. */
async function call(url: string, target: string, input: unknown): Promise<AwsAnswer> {
  const headers = { "X-Amz-Target": target };
  const answer = await rawCall(url, { method: "POST", headers, body: JSON.stringify(input) });
  return { status: answer?.status, json: JSON.parse(answer?.body.toString() ?? "{}") as AwsAnswer["json"] };
}

const dynamo = (url: string, operation: string, input: unknown) =>
  call(url, `DynamoDB_20120810.${operation}`, input);
const sqs = (url: string, operation: string, input: object) =>
  call(url, `AmazonSQS.${operation}`, { QueueUrl: "http://any/queue", ...input });

test("a transaction meets another one on a single item, and nothing is applied", async () => {
  await using target = await startTinyServer(() => ({ body: "{}" }));
  await using proxy = await startFaultProxy({ target: target.url, seed: 1, dialect: "dynamodb" });
  proxy.next({ kind: "transaction-conflict" });
  const transaction = { TransactItems: [{ Put: {} }, { Update: {} }, { Delete: {} }] };
  const { status, json } = await dynamo(proxy.url, "TransactWriteItems", transaction);
  expect(status).toBe(400);
  expect(json["__type"]).toBe("com.amazonaws.dynamodb.v20120810#TransactionCanceledException");
  const codes = (json["CancellationReasons"] as { Code: string }[]).map(({ Code }) => Code);
  expect(codes.toSorted()).toEqual(["None", "None", "TransactionConflict"]);
  expect(json["message"]).toContain(`[${codes.join(", ")}]`);
  expect(target.seen).toHaveLength(0);
  expect((await dynamo(proxy.url, "TransactWriteItems", transaction)).status).toBe(200);
  expect(target.seen.map(({ body }) => body.toString())).toEqual([JSON.stringify(transaction)]);
});

test("a single write meets a transaction on its item", async () => {
  await using target = await startTinyServer(() => ({ body: "{}" }));
  await using proxy = await startFaultProxy({
    target: target.url,
    seed: 1,
    dialect: "dynamodb",
    rates: { "transaction-conflict": 1 },
  });
  for (const operation of ["PutItem", "UpdateItem", "DeleteItem"]) {
    const { status, json } = await dynamo(proxy.url, operation, {});
    expect(status).toBe(400);
    expect(json["__type"]).toBe("com.amazonaws.dynamodb.v20120810#TransactionConflictException");
  }
  expect((await dynamo(proxy.url, "GetItem", {})).status).toBe(200);
  expect(target.seen).toHaveLength(1);
});

test("a transaction is canceled for throughput with a reason, not with an error of its own", async () => {
  await using target = await startTinyServer();
  await using proxy = await startFaultProxy({ target: target.url, seed: 1, dialect: "dynamodb" });
  proxy.next({ kind: "transaction-throttle", times: 10 });
  const codes = new Set<string>();
  for (let n = 0; n < 10; n++) {
    const { json } = await dynamo(proxy.url, "TransactWriteItems", { TransactItems: [{ Put: {} }] });
    expect(json["__type"]).toBe("com.amazonaws.dynamodb.v20120810#TransactionCanceledException");
    codes.add((json["CancellationReasons"] as { Code: string }[])[0]?.Code ?? "");
  }
  expect([...codes].toSorted()).toEqual(["ProvisionedThroughputExceeded", "ThrottlingError"]);
  expect(target.seen).toHaveLength(0);
});

/** A query of one index partition, up to a sort key. */
const query = (partition: string, upTo: string, more: object = {}) => ({
  TableName: "t",
  IndexName: "due",
  KeyConditionExpression: "#pk = :pk AND #sk <= :sk",
  ExpressionAttributeValues: { ":pk": { S: partition }, ":sk": { S: upTo } },
  ...more,
});

test("a stale index answers as it did before, or with items missing; never with others", async () => {
  let items: string[] = [];
  await using target = await startTinyServer(() => ({
    headers: { "X-Amz-Crc32": "1" },
    body: JSON.stringify({ Items: items, Count: items.length }),
  }));
  await using proxy = await startFaultProxy({ target: target.url, seed: 1, dialect: "dynamodb" });
  items = ["a", "b", "c"];
  await dynamo(proxy.url, "Query", query("p", "1"));
  await dynamo(proxy.url, "Query", query("q", "1"));
  items = ["c", "d", "e", "f"];
  proxy.next({ kind: "stale-index", times: 30 });
  const seen = new Set<string>();
  for (let n = 0; n < 30; n++) {
    const { status, json } = await dynamo(proxy.url, "Query", query("p", String(n)));
    expect(status).toBe(200);
    expect(json["Count"]).toBe((json["Items"] as string[]).length);
    seen.add((json["Items"] as string[]).join(""));
  }
  // Once the target has been asked four times, the earliest answer is forgotten.
  expect(seen).toContain("abc");
  expect(seen).toContain("cdef");
  expect([...seen].some((each) => each !== "abc" && each.length < 4)).toBe(true);
  expect([...seen].every((each) => each === "abc" || /^c?d?e?f?$/.test(each))).toBe(true);
  expect(proxy.counts()).toEqual({ "stale-index": 30 });
});

test("an index that was never asked for this partition has nothing old to say, and a table is never stale", async () => {
  await using target = await startTinyServer(() => ({ body: JSON.stringify({ Items: ["a"], Count: 1 }) }));
  await using proxy = await startFaultProxy({
    target: target.url,
    seed: 1,
    dialect: "dynamodb",
    rates: { "stale-index": 1 },
  });
  const { json } = await dynamo(proxy.url, "Query", query("p", "1"));
  expect(json).toEqual({ Items: [], Count: 0 });
  const table = { ...query("p", "1"), IndexName: undefined };
  expect((await dynamo(proxy.url, "Query", table)).json).toEqual({ Items: ["a"], Count: 1 });
});

/** A queue that has messages for ever and takes every deletion. */
async function startEndlessQueue() {
  let n = 0;
  const target = await startTinyServer(({ body }) => {
    const isReceive = body.includes("MaxNumberOfMessages");
    return {
      body: JSON.stringify(isReceive ? { Messages: [{ Body: `m${++n}`, ReceiptHandle: `r${n}` }] } : {}),
    };
  });
  return target;
}

const RECEIVE = { MaxNumberOfMessages: 10 };
const bodies = ({ json }: AwsAnswer) => (json["Messages"] as { Body: string }[]).map(({ Body }) => Body);

test("a hidden message goes out again to the next receiver, with its receipt", async () => {
  await using target = await startEndlessQueue();
  await using proxy = await startFaultProxy({ target: target.url, seed: 1, dialect: "sqs" });
  const first = await sqs(proxy.url, "ReceiveMessage", RECEIVE);
  proxy.next({ kind: "double-delivery", times: 2 });
  const second = await sqs(proxy.url, "ReceiveMessage", RECEIVE);
  expect(second.json).toEqual(first.json);
  expect(bodies(await sqs(proxy.url, "ReceiveMessage", RECEIVE))).toEqual(["m2"]);
  expect(proxy.counts()).toEqual({ "double-delivery": 1 });
});

test("a deleted message comes once more, and only in its own queue", async () => {
  await using target = await startEndlessQueue();
  await using proxy = await startFaultProxy({ target: target.url, seed: 1, dialect: "sqs" });
  await sqs(proxy.url, "ReceiveMessage", RECEIVE);
  await sqs(proxy.url, "ReceiveMessage", RECEIVE);
  await sqs(proxy.url, "DeleteMessage", { ReceiptHandle: "r1" });
  await sqs(proxy.url, "DeleteMessageBatch", { Entries: [{ Id: "0", ReceiptHandle: "r2" }] });
  proxy.next({ kind: "late-redelivery", times: 3 });
  const elsewhere = { ...RECEIVE, QueueUrl: "http://any/other" };
  expect(bodies(await sqs(proxy.url, "ReceiveMessage", elsewhere))).toEqual(["m3"]);
  expect(bodies(await sqs(proxy.url, "ReceiveMessage", RECEIVE))).toEqual(["m1", "m2"]);
  expect(bodies(await sqs(proxy.url, "ReceiveMessage", RECEIVE))).toEqual(["m4"]);
  expect(proxy.counts()).toEqual({ "late-redelivery": 1 });
});
