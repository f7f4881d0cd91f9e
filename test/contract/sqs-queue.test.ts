import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { AwsCall } from "#shared/adapters/aws-client.ts";
import { openSqsQueue } from "#shared/adapters/sqs-queue.ts";
import { createSqsQueue, deleteSqsQueue } from "#shared/adapters/sqs-resources.ts";
import { systemClock as clock } from "#shared/adapters/system-clock.ts";
import { awsEngine } from "./aws-engines.ts";
import { queueContract } from "./queue.contract.ts";

const { isHere, isReal, options } = awsEngine("sqs");

/** Nothing relies on these: see the adapter's own words. */
const SQS_FAULTS = {
  "an aborted receiver takes no message along":
    "a poll cannot be taken back: what it still brings is returned at once, counted as received",
};
const REAL_FAULTS = {
  ...SQS_FAULTS,
  "a stale receipt neither deletes nor extends what another holds now":
    "SQS promises only that deleting by a stale receipt is no error",
};
const ELASTICMQ_FAULTS = {
  ...SQS_FAULTS,
  "dead letters do not hold up the messages behind them":
    "a receive that gives a message up counts it as taken and answers with less",
  "a group with one message is not kept waiting by a group with many":
    "groups are kept, but not served in turns",
  "groups take turns, however unequal they are": "groups are kept, but not served in turns",
  "a batch takes turns as well": "groups are kept, but not served in turns",
};

async function createQueues() {
  const name = `photokeep-test-${randomUUID()}`;
  const deadLetters = { name: `${name}-dead`, maxReceives: 3 };
  const { url, deadLettersUrl = "" } = await createSqsQueue(options, { name, deadLetters });
  const remove = async (): Promise<void> => {
    await deleteSqsQueue(options, url);
    await deleteSqsQueue(options, deadLettersUrl);
  };
  return { name, deadLetters, url, deadLettersUrl, [Symbol.asyncDispose]: remove };
}

queueContract(
  "sqs queue",
  async () => {
    const queues = await createQueues();
    const queue = await openSqsQueue({ ...options, url: queues.url, clock });
    const deadLetters = await openSqsQueue({ ...options, url: queues.deadLettersUrl, clock });
    const close = async (): Promise<void> => {
      await queue[Symbol.asyncDispose]();
      await deadLetters[Symbol.asyncDispose]();
      await queues[Symbol.asyncDispose]();
    };
    return { queue, deadLetters, advance: (ms) => clock.sleep(ms), close };
  },
  { isHere, faults: isReal ? REAL_FAULTS : ELASTICMQ_FAULTS },
);

const ASK = { max: 10, waitMs: 0, visibilityMs: 100_000 };

test.skipIf(!isHere)(
  "what an aborted receiver's poll still brings is back before the queue is closed",
  async () => {
    await using queues = await createQueues();
    await using other = await openSqsQueue({ ...options, url: queues.url, clock });
    const queue = await openSqsQueue({ ...options, url: queues.url, clock });
    const abort = new AbortController();
    const waiting = queue.receive({ ...ASK, waitMs: 20_000 }, abort.signal);
    await clock.sleep(200);
    abort.abort(new Error("no longer needed"));
    await expect(waiting).rejects.toThrow("no longer needed");
    const closing = queue[Symbol.asyncDispose]();
    await other.send([{ body: "x" }]);
    await closing;
    expect(await other.receive({ ...ASK, waitMs: 5_000 })).toMatchObject([{ body: "x", receives: 2 }]);
  },
);

test.skipIf(!isHere)("a poll is one request, however much longer than the other calls it takes", async () => {
  await using queues = await createQueues();
  const calls: AwsCall[] = [];
  const onCall = (call: AwsCall): void => void calls.push(call);
  await using queue = await openSqsQueue({ ...options, url: queues.url, clock, onCall });
  expect(await queue.receive({ ...ASK, waitMs: 4_000 })).toEqual([]);
  expect(calls).toEqual([
    { service: "sqs", operation: "GetQueueAttributes", attempts: 1 },
    { service: "sqs", operation: "ReceiveMessage", attempts: 1 },
  ]);
});

test.skipIf(!isHere)("queues that are there are found again, and brought to other settings", async () => {
  await using queues = await createQueues();
  const { name, deadLetters, url, deadLettersUrl } = queues;
  expect(await createSqsQueue(options, { name, deadLetters })).toEqual({ url, deadLettersUrl });
  const twice = { ...deadLetters, maxReceives: 1 };
  expect(await createSqsQueue(options, { name, deadLetters: twice })).toEqual({ url, deadLettersUrl });
  expect(await createSqsQueue(options, { name: deadLetters.name })).toEqual({ url: deadLettersUrl });
});

test.skipIf(!isHere)(
  "a queue that is not there is refused by its name, and deleted without an error",
  async () => {
    const queues = await createQueues();
    await queues[Symbol.asyncDispose]();
    await expect(openSqsQueue({ ...options, url: queues.url, clock })).rejects.toMatchObject({
      kind: "input",
      code: "queue_missing",
      message: `There is no queue ${queues.name} in this account and region; check its name and AWS_REGION.`,
    });
    await deleteSqsQueue(options, queues.url);
  },
);
