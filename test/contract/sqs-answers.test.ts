/** What the SQS adapter makes of answers that an emulator never gives. */
import { createHash } from "node:crypto";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { AwsCall } from "#shared/adapters/aws-client.ts";
import { openSqsQueue, type SqsQueueOptions } from "#shared/adapters/sqs-queue.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";
import type { Clock } from "#shared/ports.ts";
import { scriptedSqs, SILENCE, type SqsAnswer, type SqsRequest } from "./scripted-sqs.ts";

const ASK = { max: 10, waitMs: 0, visibilityMs: 30_000 };
/** Nobody waits by it. */
const clock: Clock = { now: () => Date.now(), sleep: async () => undefined };

beforeEach(() => {
  for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]) vi.stubEnv(name, "test");
  vi.stubEnv("AWS_REGION", "us-east-1");
  for (const name of ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"]) vi.stubEnv(name, "/nowhere");
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
  for (const name of ["AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"]) vi.stubEnv(name, undefined);
});

afterEach(() => {
  vi.unstubAllEnvs();
});

/** A queue whose server answers as told once it is open. */
async function openScripted(
  answer: (request: SqsRequest, before: readonly SqsRequest[]) => SqsAnswer | typeof SILENCE,
  options: Partial<SqsQueueOptions> = {},
) {
  const server = await scriptedSqs((request, before) =>
    request.operation === "GetQueueAttributes" ? {} : answer(request, before.slice(1)),
  );
  const { url, endpoint } = server;
  const queue = await openSqsQueue({ url, endpoint, clock, ...options });
  return {
    queue,
    hungUp: server.hungUp,
    /** Those after the one at the start. */
    requests: () => server.requests.slice(1),
    [Symbol.asyncDispose]: async () => {
      await queue[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

function failing(Id: string, Code: string, { SenderFault = true, Message = "refused" } = {}) {
  return { Id, Code, SenderFault, Message };
}

test("entries that could not be taken are sent again, and only those", async () => {
  await using scripted = await openScripted((_, before) => ({
    body:
      before.length > 0
        ? { Successful: [] }
        : {
            Failed: [failing("1", "InternalError", { SenderFault: false }), failing("3", "RequestThrottled")],
          },
  }));
  await scripted.queue.send(["a", "b", "c", "d"].map((body) => ({ body })));
  const sent = scripted.requests().map(({ body }) => body.Entries?.map(({ MessageBody }) => MessageBody));
  expect(sent).toEqual([
    ["a", "b", "c", "d"],
    ["b", "d"],
  ]);
});

test("entries that are not taken in the end are a fault that may be tried again", async () => {
  await using scripted = await openScripted(() => ({
    body: { Failed: [failing("0", "AWS.SimpleQueueService.InternalFailure", { SenderFault: false })] },
  }));
  await expect(scripted.queue.delete(["r"])).rejects.toMatchObject({ kind: "busy", code: "queue_busy" });
  expect(scripted.requests()).toHaveLength(4);
});

test("an entry that is refused for good is sent once, and what SQS said is thrown", async () => {
  await using scripted = await openScripted(() => ({
    body: {
      Failed: [
        failing("0", "InternalError", { SenderFault: false }),
        failing("1", "InvalidMessageContents", { Message: "characters" }),
      ],
    },
  }));
  await expect(scripted.queue.send([{ body: "x" }, { body: "y" }])).rejects.toThrow("characters");
  expect(scripted.requests()).toHaveLength(1);
});

test("a stale receipt is no error, whatever the engine calls it", async () => {
  const invalid = (reason: string) =>
    `Value r for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for ${reason}.`;
  await using scripted = await openScripted(() => ({
    body: {
      Failed: [
        failing("0", "ReceiptHandleIsInvalid"),
        failing("1", "AWS.SimpleQueueService.MessageNotInflight"),
        failing("2", "InvalidParameterValue", { Message: invalid("visibility timeout change") }),
      ],
    },
  }));
  await scripted.queue.extend(["a", "b", "c"], 1_000);
  await scripted.queue.delete(["a", "b", "c"]);
  expect(scripted.requests()).toHaveLength(2);
});

test("a message hidden beyond the twelve hours that SQS allows is a bug", async () => {
  const Message = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]";
  await using scripted = await openScripted(() => ({
    body: { Failed: [failing("0", "InvalidParameterValue", { Message })] },
  }));
  await expect(scripted.queue.extend(["r"], 1_000)).rejects.toThrow("Total VisibilityTimeout");
});

test("a longer wait than SQS has is several polls", async () => {
  await using scripted = await openScripted(() => ({}));
  expect(await scripted.queue.receive({ ...ASK, waitMs: 44_001 })).toEqual([]);
  expect(scripted.requests().map(({ body }) => body["WaitTimeSeconds"])).toEqual([20, 20, 5]);
});

test("times are rounded up to seconds", async () => {
  await using scripted = await openScripted(() => ({}));
  await scripted.queue.receive({ ...ASK, waitMs: 1, visibilityMs: 1_001 });
  await scripted.queue.extend(["r"], 2_001);
  await scripted.queue.extend(["r"], 0);
  await scripted.queue.send([{ body: "x", delayMs: 899_001 }]);
  expect(scripted.requests().map(({ body }) => body)).toMatchObject([
    { WaitTimeSeconds: 1, VisibilityTimeout: 2 },
    { Entries: [{ VisibilityTimeout: 3 }] },
    { Entries: [{ VisibilityTimeout: 0 }] },
    { Entries: [{ DelaySeconds: 900 }] },
  ]);
});

test("a throttled call is repeated, and told once with its attempts", async () => {
  const calls: AwsCall[] = [];
  await using scripted = await openScripted(
    (_, before) =>
      before.length < 2 ? { status: 400, error: "RequestThrottled", body: { message: "slower" } } : {},
    { onCall: (call) => calls.push(call) },
  );
  await scripted.queue.receive(ASK);
  expect(calls.at(-1)).toEqual({ service: "sqs", operation: "ReceiveMessage", attempts: 3 });
  expect(calls).toHaveLength(2);
});

test("an engine that fails every time is busy", async () => {
  await using scripted = await openScripted(() => ({ status: 503, error: "ServiceUnavailable" }));
  await expect(scripted.queue.receive(ASK)).rejects.toMatchObject({ kind: "busy", code: "queue_busy" });
});

test("more messages in flight than SQS keeps is busy as well", async () => {
  await using scripted = await openScripted(() => ({ status: 403, error: "OverLimit" }));
  await expect(scripted.queue.receive(ASK)).rejects.toMatchObject({ kind: "busy", code: "queue_busy" });
});

test("a poll that fails after its receiver was aborted is nobody's error", async () => {
  const abort = new AbortController();
  await using scripted = await openScripted(() => {
    abort.abort(new Error("no longer needed"));
    return { status: 400, error: "QueueDoesNotExist" };
  });
  await expect(scripted.queue.receive(ASK, abort.signal)).rejects.toThrow("no longer needed");
});

function answerWithMessages(...receipts: string[]): SqsAnswer {
  const MD5OfBody = createHash("md5").update("x").digest("hex");
  return { body: { Messages: receipts.map((ReceiptHandle) => ({ ReceiptHandle, Body: "x", MD5OfBody })) } };
}

test("messages under way to an aborted receiver are returned before the queue is closed", async () => {
  const abort = new AbortController();
  await using scripted = await openScripted(
    ({ operation }) => {
      if (operation !== "ReceiveMessage") return {};
      abort.abort(new Error("no longer needed"));
      return answerWithMessages("a", "b");
    },
    { clock: systemClock },
  );
  await expect(scripted.queue.receive(ASK, abort.signal)).rejects.toThrow("no longer needed");
  await scripted.queue[Symbol.asyncDispose]();
  expect(scripted.requests().slice(1)).toMatchObject([
    {
      operation: "ChangeMessageVisibilityBatch",
      body: {
        Entries: [
          { ReceiptHandle: "a", VisibilityTimeout: 0 },
          { ReceiptHandle: "b", VisibilityTimeout: 0 },
        ],
      },
    },
  ]);
});

test("messages that a receiver has got are not returned when it is aborted later", async () => {
  const abort = new AbortController();
  await using scripted = await openScripted(() => answerWithMessages("a"), { clock: systemClock });
  const received = await scripted.queue.receive(ASK, abort.signal);
  abort.abort(new Error("no longer needed"));
  expect(received).toMatchObject([{ receipt: "a", body: "x" }]);
  await scripted.queue[Symbol.asyncDispose]();
  expect(scripted.requests()).toHaveLength(1);
});

test("closing cuts off a poll that nobody wants any more and that brings nothing in time", async () => {
  const abort = new AbortController();
  const ended = Promise.withResolvers<AwsCall>();
  await using scripted = await openScripted(
    () => {
      abort.abort(new Error("no longer needed"));
      return SILENCE;
    },
    { onCall: (call) => call.operation === "ReceiveMessage" && ended.resolve(call) },
  );
  const waiting = scripted.queue.receive({ ...ASK, waitMs: 20_000 }, abort.signal);
  await expect(waiting).rejects.toThrow("no longer needed");
  await scripted.queue[Symbol.asyncDispose]();
  await scripted.hungUp;
  expect(await ended.promise).toMatchObject({ attempts: 1 });
  expect(scripted.requests()).toHaveLength(1);
}, 5_000);

const URL_ELSEWHERE = "https://sqs.us-east-1.amazonaws.com/000000000000/photokeep-dev";

test("a start without credentials says what to set", async () => {
  for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]) vi.stubEnv(name, undefined);
  await expect(openSqsQueue({ url: URL_ELSEWHERE, clock })).rejects.toMatchObject({
    kind: "input",
    code: "queue_denied",
    message: expect.stringMatching(/the queue photokeep-dev .*AWS_PROFILE or AWS_ACCESS_KEY_ID/),
  });
});

test("a start without the permission says whom it was refused", async () => {
  await using server = await scriptedSqs(() => ({ status: 403, error: "AccessDeniedException" }));
  await expect(openSqsQueue({ url: server.url, endpoint: server.endpoint, clock })).rejects.toMatchObject({
    kind: "input",
    code: "queue_denied",
    message: expect.stringContaining("the queue scripted (AccessDeniedException)"),
  });
});

test("a start without a region says what to set", async () => {
  vi.stubEnv("AWS_REGION", undefined);
  await expect(openSqsQueue({ url: URL_ELSEWHERE, clock })).rejects.toMatchObject({
    kind: "input",
    code: "region_missing",
    message: expect.stringContaining("AWS_REGION"),
  });
});

test("a start where nobody listens is busy", async () => {
  const server = await scriptedSqs(() => ({}));
  await server[Symbol.asyncDispose]();
  await expect(openSqsQueue({ url: server.url, endpoint: server.endpoint, clock })).rejects.toMatchObject({
    kind: "busy",
    code: "queue_busy",
  });
});

test("a queue named by less than its URL is refused before anybody is asked", async () => {
  for (const url of ["photokeep-dev", "", "https://sqs.us-east-1.amazonaws.com/"]) {
    await expect(openSqsQueue({ url, clock })).rejects.toMatchObject({ code: "queue_url_invalid" });
  }
});
