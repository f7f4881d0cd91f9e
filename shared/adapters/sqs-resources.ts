import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  type QueueAttributeName,
  QueueNameExists,
  SetQueueAttributesCommand,
} from "@aws-sdk/client-sqs";
import { Fault, invariant } from "../domain/fault.ts";
import { VISIBILITY_MS } from "../domain/limits.ts";
import type { AwsOptions } from "./aws-client.ts";
import { createSqsClient, type SqsClient } from "./sqs-client.ts";

const DAY_SECONDS = 24 * 3_600;
const RETENTION_SECONDS = 4 * DAY_SECONDS;
/** A dead letter keeps the time it was first sent at: it needs longer than its source. */
const DEAD_LETTERS_RETENTION_SECONDS = 14 * DAY_SECONDS;

type Attributes = Partial<Record<QueueAttributeName, string>>;

/**
 * Creates a standard queue and, when named, the one it gives its messages to instead of delivering them more than
 * `maxReceives` times. Queues that are there are brought to these settings. For tests, benchmarks and stages without
 * infrastructure code.
 * @throws what the calls of the adapter throw.
 */
export async function createSqsQueue(
  options: AwsOptions,
  ask: {
    readonly name: string;
    readonly deadLetters?: { readonly name: string; readonly maxReceives: number };
  },
): Promise<{ url: string; deadLettersUrl?: string }> {
  using client = createSqsClient(options, `the queue ${ask.name}`);
  const base = { VisibilityTimeout: String(VISIBILITY_MS / 1_000) };
  const source = { ...base, MessageRetentionPeriod: String(RETENTION_SECONDS) };
  if (ask.deadLetters === undefined) return { url: await create(client, ask.name, source) };

  const { name, maxReceives } = ask.deadLetters;
  const deadLettersUrl = await create(client, name, {
    ...base,
    MessageRetentionPeriod: String(DEAD_LETTERS_RETENTION_SECONDS),
  });
  const RedrivePolicy = JSON.stringify({
    deadLetterTargetArn: await arnOf(client, deadLettersUrl),
    maxReceiveCount: maxReceives,
  });
  return { url: await create(client, ask.name, { ...source, RedrivePolicy }), deadLettersUrl };
}

/** Idempotent. @throws what the calls of the adapter throw. */
export async function deleteSqsQueue(options: AwsOptions, url: string): Promise<void> {
  using client = createSqsClient(options, `the queue ${url}`);
  try {
    const command = new DeleteQueueCommand({ QueueUrl: url });
    await client.call({ operation: "DeleteQueue" }, (sqs, request) => sqs.send(command, request));
  } catch (error) {
    if (!(error instanceof Fault && error.code === "queue_missing")) throw error;
  }
}

async function create(client: SqsClient, name: string, attributes: Attributes): Promise<string> {
  try {
    const command = new CreateQueueCommand({ QueueName: name, Attributes: attributes });
    const answer = await client.call({ operation: "CreateQueue" }, (sqs, request) =>
      sqs.send(command, request),
    );
    return told(answer.QueueUrl);
  } catch (error) {
    // It is there with other attributes.
    if (!(error instanceof QueueNameExists)) throw error;
    const command = new GetQueueUrlCommand({ QueueName: name });
    const answer = await client.call({ operation: "GetQueueUrl" }, (sqs, request) =>
      sqs.send(command, request),
    );
    const url = told(answer.QueueUrl);
    const correction = new SetQueueAttributesCommand({ QueueUrl: url, Attributes: attributes });
    await client.call({ operation: "SetQueueAttributes" }, (sqs, request) => sqs.send(correction, request));
    return url;
  }
}

async function arnOf(client: SqsClient, url: string): Promise<string> {
  const command = new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["QueueArn"] });
  const answer = await client.call({ operation: "GetQueueAttributes" }, (sqs, request) =>
    sqs.send(command, request),
  );
  return told(answer.Attributes?.QueueArn);
}

function told(value: string | undefined): string {
  invariant(value !== undefined, "SQS answers with what it was asked for");
  return value;
}
