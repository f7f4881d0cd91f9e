import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  type Message as SqsMessage,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
} from "@aws-sdk/client-sqs";
import { Fault } from "../domain/fault.ts";
import type { Clock, Delivery, Queue } from "../ports.ts";
import type { AwsOptions } from "./aws-client.ts";
import { type Ask, checkAsk, checkMessages, checkVisibility } from "./queue-rules.ts";
import { sendInBatches } from "./sqs-batch.ts";
import { createSqsClient, POLL_SECONDS_MAX } from "./sqs-client.ts";

/** How long closing waits for polls that nobody wants any more. */
const CLOSE_MS_MAX = 5_000;

export interface SqsQueueOptions extends AwsOptions {
  /** Of a standard queue. */
  readonly url: string;
  readonly clock: Clock;
}

/**
 * A Queue on an SQS standard queue; message groups make it a fair one. SQS counts whole seconds, so every time is
 * rounded up. In two points it gives less than the other engines, and nobody may rely on more:
 *
 * - A stale receipt mostly does nothing, but SQS promises only that it is no error: it may delete a message that another
 *   receiver holds by now.
 * - An aborted receiver rejects at once, but its poll is left to end by itself: the answer under way may already hold
 *   messages, and only their receipts can return them. They come back at once then, counted as received. Closing waits
 *   5 s for that; what a poll cut off after them had taken comes back when its visibility is over.
 *
 * @throws Fault input `queue_url_invalid`, `queue_missing`, `queue_denied`, `region_missing`; busy `queue_busy`.
 */
export async function openSqsQueue(options: SqsQueueOptions): Promise<Queue & AsyncDisposable> {
  const { url, clock } = options;
  const client = createSqsClient(options, `the queue ${queueName(url)}`);
  const doors = { client, clock };
  /** What aborted receivers left behind: polls that may still bring messages. */
  const abandoned = new Set<Promise<void>>();
  const closed = new AbortController();

  async function verify(): Promise<void> {
    const command = new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["QueueArn"] });
    await client.call({ operation: "GetQueueAttributes" }, (sqs, request) => sqs.send(command, request));
  }

  async function poll({ max, visibilityMs }: Ask, waitSeconds: number): Promise<readonly Delivery[]> {
    const command = new ReceiveMessageCommand({
      QueueUrl: url,
      MaxNumberOfMessages: max,
      VisibilityTimeout: wholeSeconds(visibilityMs),
      WaitTimeSeconds: waitSeconds,
      MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId"],
    });
    const call = { operation: "ReceiveMessage", waitMs: waitSeconds * 1_000 };
    const answer = await client.call(call, (sqs, request) =>
      sqs.send(command, { ...request, abortSignal: AbortSignal.any([request.abortSignal, closed.signal]) }),
    );
    return (answer.Messages ?? []).map(deliveryOf);
  }

  /** Settles as the poll does, or rejects at once when aborted; what the poll then still brings is returned. */
  function unlessAborted(
    polling: Promise<readonly Delivery[]>,
    signal: AbortSignal,
  ): Promise<readonly Delivery[]> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        reject(signal.reason as Error);
        const returned: Promise<void> = polling
          .then((taken) => hide(receiptsOf(taken), 0))
          // Nothing was taken then, or it comes back when its time is over.
          .catch(() => undefined)
          .finally(() => abandoned.delete(returned));
        abandoned.add(returned);
      };
      signal.addEventListener("abort", abort, { once: true });
      // In one step with settling: an abort in between would return to the queue what the receiver gets.
      const unhook = (): void => signal.removeEventListener("abort", abort);
      polling.then(unhook, unhook);
      polling.then(resolve, reject);
    });
  }

  function hide(receipts: readonly string[], visibilityMs: number): Promise<void> {
    const VisibilityTimeout = wholeSeconds(visibilityMs);
    return sendInBatches(doors, {
      operation: "ChangeMessageVisibilityBatch",
      entries: receipts.map((ReceiptHandle) => ({ ReceiptHandle, VisibilityTimeout })),
      send: (sqs, Entries, request) =>
        sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: url, Entries }), request),
    });
  }

  async function close(): Promise<void> {
    const returned = new AbortController();
    const patience = clock.sleep(CLOSE_MS_MAX, returned.signal).catch(() => undefined);
    await Promise.race([Promise.all(abandoned), patience]);
    returned.abort();
    closed.abort();
    client[Symbol.dispose]();
  }

  const queue: Queue & AsyncDisposable = {
    async send(messages) {
      checkMessages(messages);
      await sendInBatches(doors, {
        operation: "SendMessageBatch",
        entries: messages.map(({ body, group, delayMs = 0 }) => ({
          MessageBody: body,
          DelaySeconds: wholeSeconds(delayMs),
          ...(group === undefined ? {} : { MessageGroupId: group }),
        })),
        send: (sqs, Entries, request) =>
          sqs.send(new SendMessageBatchCommand({ QueueUrl: url, Entries }), request),
      });
    },

    async receive(ask, signal) {
      checkAsk(ask);
      for (let leftSeconds = wholeSeconds(ask.waitMs); ;) {
        signal?.throwIfAborted();
        const waitSeconds = Math.min(leftSeconds, POLL_SECONDS_MAX);
        const polling = poll(ask, waitSeconds);
        const taken = await (signal === undefined ? polling : unlessAborted(polling, signal));
        leftSeconds -= waitSeconds;
        if (taken.length > 0 || leftSeconds <= 0) return taken;
      }
    },

    async extend(receipts, visibilityMs) {
      checkVisibility(visibilityMs);
      await hide(receipts, visibilityMs);
    },

    async delete(receipts) {
      await sendInBatches(doors, {
        operation: "DeleteMessageBatch",
        entries: receipts.map((ReceiptHandle) => ({ ReceiptHandle })),
        send: (sqs, Entries, request) =>
          sqs.send(new DeleteMessageBatchCommand({ QueueUrl: url, Entries }), request),
      });
    },

    [Symbol.asyncDispose]: close,
  };

  try {
    await verify();
    return queue;
  } catch (error) {
    await close();
    throw error;
  }
}

/** The last part of a queue's URL: `https://sqs.eu-central-1.amazonaws.com/123456789012/photokeep-dev`. */
function queueName(url: string): string {
  const name = URL.canParse(url) ? new URL(url).pathname.split("/").at(-1) : undefined;
  if (name !== undefined && name !== "") return name;
  throw new Fault("input", "queue_url_invalid", "A queue is named by its whole URL, https:// included.");
}

function deliveryOf(message: SqsMessage): Delivery {
  const { MessageId = "", Body = "", ReceiptHandle = "", Attributes } = message;
  const group = Attributes?.MessageGroupId;
  return {
    id: MessageId,
    body: Body,
    receipt: ReceiptHandle,
    receives: Number(Attributes?.ApproximateReceiveCount ?? 1),
    ...(group === undefined ? {} : { group }),
  };
}

function receiptsOf(deliveries: readonly Delivery[]): string[] {
  return deliveries.map(({ receipt }) => receipt);
}

function wholeSeconds(ms: number): number {
  return Math.ceil(ms / 1_000);
}
