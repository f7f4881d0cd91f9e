import { DYNAMODB, heldReply, jsonError, withBody, type HeldReply } from "./fault-dialect.ts";
import type { Dialect, FaultName } from "./fault-plan.ts";

/** A request that a trick watches, whole. */
interface Watched {
  readonly operation: string;
  readonly body: Buffer;
  readonly random: () => number;
  /** Given when it is this trick's turn; to be called when it is done. */
  readonly strike: (() => void) | undefined;
}

/** Something that AWS does and no emulator: stands between the client and the target and answers instead, or afterwards. */
export interface Trick {
  readonly kind: FaultName;
  readonly watches: (operation: string) => boolean;
  /** @param ask asks the target. */
  readonly answer: (request: Watched, ask: () => Promise<HeldReply>) => Promise<HeldReply>;
}

/** The tricks of one engine, with a memory of their own. */
export function createTricks(dialect: Dialect): readonly Trick[] {
  switch (dialect) {
    case "dynamodb":
      return [transactionConflict, transactionThrottle, createStaleIndex()];
    case "sqs":
      return createRedeliveries();
    case "s3":
    case "plain":
      return [];
  }
}

const TRANSACTIONS = new Set(["TransactWriteItems", "TransactGetItems"]);
const SINGLE_WRITES = new Set(["PutItem", "UpdateItem", "DeleteItem"]);

/** Another transaction is on one of the items: of a transaction, one reason among many; of a single write, an error. */
const transactionConflict: Trick = {
  kind: "transaction-conflict",
  watches: (operation) => TRANSACTIONS.has(operation) || SINGLE_WRITES.has(operation),
  async answer({ operation, body, random, strike }, ask) {
    if (strike === undefined) return ask();
    strike();
    const message = "Transaction is ongoing for the item";
    return SINGLE_WRITES.has(operation)
      ? jsonError(400, { type: `${DYNAMODB}#TransactionConflictException`, message })
      : canceled(body, random, { Code: "TransactionConflict", Message: message });
  },
};

/** Throughput of a transaction is refused as a reason, which the SDK does not take for throttling. */
const transactionThrottle: Trick = {
  kind: "transaction-throttle",
  watches: (operation) => TRANSACTIONS.has(operation),
  async answer({ body, random, strike }, ask) {
    if (strike === undefined) return ask();
    strike();
    return random() < 0.5
      ? canceled(body, random, {
          Code: "ProvisionedThroughputExceeded",
          Message: "The level of configured provisioned throughput for one or more tables was exceeded.",
        })
      : canceled(body, random, {
          Code: "ThrottlingError",
          Message: "Throughput exceeds the current capacity of your table or index.",
        });
  },
};

function canceled(body: Buffer, random: () => number, reason: { Code: string; Message: string }): HeldReply {
  const { TransactItems: items } = JSON.parse(body.toString()) as { TransactItems: unknown[] };
  const struck = Math.floor(random() * items.length);
  const reasons = items.map((_, i) => (i === struck ? reason : { Code: "None" }));
  return jsonError(400, {
    type: `${DYNAMODB}#TransactionCanceledException`,
    message: `Transaction cancelled, please refer cancellation reasons for specific reasons [${reasons.map(({ Code }) => Code).join(", ")}]`,
    CancellationReasons: reasons,
  });
}

interface IndexQuery {
  readonly IndexName?: string;
  readonly KeyConditionExpression?: string;
  readonly ExpressionAttributeValues?: Readonly<Record<string, unknown>>;
  readonly [setting: string]: unknown;
}

interface IndexAnswer {
  readonly Items?: readonly unknown[];
  readonly [field: string]: unknown;
}

const PARTITIONS_MAX = 1_000;
const ANSWERS_MAX = 4;

/**
 * An index that lags: a Query is answered as an earlier one of the same partition was (one of the last four that asked
 * alike, whatever their bounds), or as the index is now but without some of its items.
 */
function createStaleIndex(): Trick {
  const answers = new Map<string, HeldReply[]>();

  return {
    kind: "stale-index",
    watches: (operation) => operation === "Query",
    async answer({ body, random, strike }, ask) {
      const query = JSON.parse(body.toString()) as IndexQuery;
      if (query.IndexName === undefined) return ask();
      const partition = partitionOf(query);
      const earlier = answers.get(partition) ?? [];
      if (strike !== undefined && earlier.length > 0 && random() < 0.5) {
        strike();
        return earlier[Math.floor(random() * earlier.length)]!;
      }
      const fresh = await ask();
      if (fresh.status !== 200) return fresh;
      answers.delete(partition);
      answers.set(partition, [...earlier, fresh].slice(-ANSWERS_MAX));
      if (answers.size > PARTITIONS_MAX) answers.delete(answers.keys().next().value ?? "");
      if (strike === undefined) return fresh;
      strike();
      return withSomeLeftOut(fresh, random);
    },
  };
}

/** All that makes two queries ask for the same, but for the bounds of the sort key. */
function partitionOf({ ExpressionAttributeValues: values = {}, ...query }: IndexQuery): string {
  const [, name = ""] = /(?:^|[\s(])#?\w+\s*=\s*(:\w+)/.exec(query.KeyConditionExpression ?? "") ?? [];
  return JSON.stringify([query, values[name]]);
}

/** At least one is left out, where there are any. */
function withSomeLeftOut(reply: HeldReply, random: () => number): HeldReply {
  const answer = JSON.parse(reply.body.toString()) as IndexAnswer;
  const items = answer.Items ?? [];
  const gone = Math.floor(random() * items.length);
  const left = items.filter((_, i) => i !== gone && random() < 0.7);
  return withBody(reply, Buffer.from(JSON.stringify({ ...answer, Items: left, Count: left.length })));
}

interface Received {
  readonly ReceiptHandle: string;
  readonly [field: string]: unknown;
}

/** A message that was handed out. */
interface Handed {
  readonly queue: string;
  readonly message: Received;
  /** The faults it came again by. */
  readonly again: Set<FaultName>;
}

interface QueueRequest {
  readonly QueueUrl: string;
  readonly MaxNumberOfMessages?: number;
  readonly ReceiptHandle?: string;
  readonly Entries?: readonly { readonly ReceiptHandle: string }[];
}

const RECEIVED_MAX = 1_000;

/**
 * Messages that come again although they are hidden (`double-delivery`), and although they were deleted
 * (`late-redelivery`): as they came, receipt included, and each at most once.
 */
function createRedeliveries(): readonly Trick[] {
  /** By receipt, the oldest first. */
  const hidden = new Map<string, Handed>();
  const deleted = new Map<string, Handed>();

  function trick(kind: FaultName, from: Map<string, Handed>): Trick {
    return {
      kind,
      watches: (operation) => operation === "ReceiveMessage",
      async answer({ body, strike }, ask) {
        const { QueueUrl, MaxNumberOfMessages: max = 1 } = JSON.parse(body.toString()) as QueueRequest;
        const again = [...from.values()].filter((each) => each.queue === QueueUrl && !each.again.has(kind));
        if (strike === undefined || again.length === 0) return ask();
        strike();
        const handed = again.slice(-max);
        for (const each of handed) each.again.add(kind);
        const Messages = handed.map(({ message }) => message);
        return heldReply(200, "application/x-amz-json-1.0", Buffer.from(JSON.stringify({ Messages })));
      },
    };
  }

  /** Remembers what was handed out and what of it was deleted; does nothing of its own. */
  const watch: Trick = {
    kind: "double-delivery",
    watches: (operation) => ["ReceiveMessage", "DeleteMessage", "DeleteMessageBatch"].includes(operation),
    async answer({ operation, body }, ask) {
      const { QueueUrl: queue, ...request } = JSON.parse(body.toString()) as QueueRequest;
      const reply = await ask();
      if (reply.status !== 200) return reply;
      if (operation === "ReceiveMessage") {
        const { Messages = [] } = JSON.parse(reply.body.toString()) as { Messages?: Received[] };
        for (const message of Messages) remember(hidden, { queue, message, again: new Set() });
      } else {
        for (const { ReceiptHandle = "" } of request.Entries ?? [request]) {
          const found = hidden.get(ReceiptHandle);
          hidden.delete(ReceiptHandle);
          if (found !== undefined) remember(deleted, found);
        }
      }
      return reply;
    },
  };

  return [watch, trick("double-delivery", hidden), trick("late-redelivery", deleted)];
}

function remember(where: Map<string, Handed>, handed: Handed): void {
  where.set(handed.message.ReceiptHandle, handed);
  if (where.size > RECEIVED_MAX) where.delete(where.keys().next().value ?? "");
}
