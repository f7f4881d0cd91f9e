import type { BatchResultErrorEntry, SQSClient } from "@aws-sdk/client-sqs";
import { QUEUE_BATCH_MAX } from "../domain/limits.ts";
import { fullJitter } from "../jitter.ts";
import type { Clock } from "../ports.ts";
import { awsFault, awsTrouble } from "./aws-client.ts";
import { type RequestOptions, SQS_LIMITS, type SqsClient } from "./sqs-client.ts";
import { systemEntropy } from "./system-entropy.ts";

/** Before entries that SQS could not take are sent again: doubled each time, with full jitter. */
const PAUSE_MS = 200;
/**
 * What becomes of a receipt when its message is gone or was delivered again. AWS deletes such ones silently, and
 * refuses to change their visibility under several names; ElasticMQ refuses both.
 */
const STALE: ReadonlySet<string> = new Set(["ReceiptHandleIsInvalid", "MessageNotInflight"]);

export interface BatchDoors {
  readonly client: SqsClient;
  readonly clock: Clock;
}

/**
 * Sends entries ten at a time (with the bodies the port allows that is a tenth of the bytes SQS takes). Entries refused
 * because SQS was throttled or failed are sent again, within the deadline of one call; stale receipts are done with.
 * @throws Fault busy `queue_busy` when some entry was still not taken in the end: others may have been. Where SQS
 * refused an entry for good, what that means.
 */
export async function sendInBatches<Entry extends object>(
  doors: BatchDoors,
  ask: {
    readonly operation: string;
    readonly entries: readonly Entry[];
    readonly send: (
      client: SQSClient,
      entries: (Entry & { Id: string })[],
      request: RequestOptions,
    ) => Promise<{ Failed?: BatchResultErrorEntry[] | undefined }>;
  },
): Promise<void> {
  for (let from = 0; from < ask.entries.length; from += QUEUE_BATCH_MAX) {
    await sendBatch(doors, { ...ask, entries: ask.entries.slice(from, from + QUEUE_BATCH_MAX) });
  }
}

async function sendBatch<Entry extends object>(
  { client, clock }: BatchDoors,
  { operation, entries, send }: Parameters<typeof sendInBatches<Entry>>[1],
): Promise<void> {
  const untilMs = clock.now() + SQS_LIMITS.deadlineMs;
  let rest = entries.map((entry, i) => ({ ...entry, Id: String(i) }));
  for (let tries = 1; ; tries += 1) {
    const deadlineMs = Math.max(1, untilMs - clock.now());
    const answer = await client.call({ operation, deadlineMs }, (sqs, request) => send(sqs, rest, request));
    const failed = (answer.Failed ?? []).filter((entry) => !isStale(entry));
    const errors = failed.map(errorOf);
    const [error] = errors;
    if (error === undefined) return;
    const final = errors.find((each) => !isPassing(each));
    if (final !== undefined) throw awsFault(final, { thing: "queue", target: client.target });
    const pauseMs = fullJitter(PAUSE_MS * 2 ** (tries - 1), systemEntropy);
    if (tries === SQS_LIMITS.attempts || clock.now() + pauseMs >= untilMs) {
      throw awsFault(error, { thing: "queue", target: client.target });
    }
    await clock.sleep(pauseMs);
    rest = rest.filter(({ Id }) => failed.some((entry) => entry.Id === Id));
  }
}

function isStale({ Code, Message = "" }: BatchResultErrorEntry): boolean {
  const code = shortCode(Code);
  return STALE.has(code) || (code === "InvalidParameterValue" && /parameter ReceiptHandle/.test(Message));
}

function isPassing(error: Error): boolean {
  const trouble = awsTrouble(error);
  return trouble === "throttled" || trouble === "unreachable";
}

/** An entry's failure as the SDK would have thrown it, had the whole call failed so. */
function errorOf({ Code, Message, SenderFault }: BatchResultErrorEntry): Error {
  return Object.assign(new Error(Message ?? "SQS refused an entry of a batch"), {
    name: shortCode(Code),
    $metadata: { httpStatusCode: SenderFault === true ? 400 : 500 },
  });
}

/** Without the prefix some engines give it: `AWS.SimpleQueueService.`. */
function shortCode(code = "unknown"): string {
  return code.slice(code.lastIndexOf(".") + 1);
}
