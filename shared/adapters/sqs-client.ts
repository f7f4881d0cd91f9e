import { SQSClient } from "@aws-sdk/client-sqs";
import { type AwsOptions, callAws, type CallLimits, clientSettings, reportCall } from "./aws-client.ts";

/** SQS holds a poll open for at most so long. */
export const POLL_SECONDS_MAX = 20;
/** Of every call; a poll's own length comes on top of both times. */
export const SQS_LIMITS: CallLimits = { attemptMs: 3_000, deadlineMs: 8_000, attempts: 4 };

/** What one request is sent with. */
export interface RequestOptions {
  readonly abortSignal: AbortSignal;
  readonly requestTimeout: number;
}

interface SqsCall {
  /** As the API names it: `ReceiveMessage`. */
  readonly operation: string;
  /** How long SQS itself may hold the request before it answers. */
  readonly waitMs?: number;
  /** Instead of the usual one. */
  readonly deadlineMs?: number;
}

/** One client for the short calls and the long polls: how long a request may take is told with each. */
export interface SqsClient extends Disposable {
  /** What the calls are about, for the sentence of an error. */
  readonly target: string;
  /** @throws what `callAws` throws. */
  call<T>(ask: SqsCall, send: (client: SQSClient, request: RequestOptions) => Promise<T>): Promise<T>;
}

/** @param target `the queue photokeep-dev`. */
export function createSqsClient(options: AwsOptions, target: string): SqsClient {
  const client = new SQSClient(
    clientSettings(options, {
      ...SQS_LIMITS,
      attemptMs: SQS_LIMITS.attemptMs + POLL_SECONDS_MAX * 1_000,
    }),
  );

  return {
    target,

    call({ operation, waitMs = 0, deadlineMs = SQS_LIMITS.deadlineMs }, send) {
      const limits: CallLimits = {
        ...SQS_LIMITS,
        attemptMs: SQS_LIMITS.attemptMs + waitMs,
        deadlineMs: deadlineMs + waitMs,
      };
      return callAws({ thing: "queue", target, limits }, (abortSignal) =>
        reportCall({ service: "sqs", operation, onCall: options.onCall }, () =>
          send(client, { abortSignal, requestTimeout: limits.attemptMs }),
        ),
      );
    },

    [Symbol.dispose]: () => client.destroy(),
  };
}
