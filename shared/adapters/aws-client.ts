/**
 * What the adapters on AWS's engines share: how a client is built, how long a call may take, and what an error means.
 * Credentials, region and endpoints come from the SDK's standard chain (environment, profile, instance, Lambda), so the
 * same adapters run on EC2, in Lambda, and against local servers named by `AWS_ENDPOINT_URL_*`.
 */
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { Fault } from "../domain/fault.ts";
import { createRetryStrategy } from "./aws-retry.ts";

export type AwsService = "dynamodb" | "sqs" | "s3";

/** One call as its engine was asked, the SDK's own retries told apart. For counting what a job costs. */
export interface AwsCall {
  readonly service: AwsService;
  /** As the API names it: `TransactWriteItems`. */
  readonly operation: string;
  /** Requests sent for it: 1 when nothing had to be repeated. */
  readonly attempts: number;
  /** What the engine says it consumed, where it says so: DynamoDB's capacity units. */
  readonly readUnits?: number;
  readonly writeUnits?: number;
}

export interface AwsOptions {
  /** Instead of the one in the environment or the profile. */
  readonly region?: string;
  /** Instead of AWS's own, or the one in the environment. */
  readonly endpoint?: string;
  /** Told of every call that was answered or gave up. */
  readonly onCall?: (call: AwsCall) => void;
}

/** The limits of one adapter's calls, milliseconds. */
export interface CallLimits {
  /** One request: connecting, sending, and waiting for the answer's head. */
  readonly attemptMs: number;
  /** A connection on which nothing moves is given up; as `attemptMs` unless told. For contents that take a while. */
  readonly silenceMs?: number;
  /** Everything, repeats and their pauses included. */
  readonly deadlineMs: number;
  /** Requests at most; between them pauses with full jitter, longer ones when the engine was throttled. */
  readonly attempts: number;
}

const CONNECT_MS = 1_000;
const SOCKETS_MAX = 64;

/** The settings every client is built with. Spread them into the client's own. */
export function clientSettings(options: AwsOptions, limits: CallLimits) {
  return {
    ...(options.region === undefined ? {} : { region: options.region }),
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    maxAttempts: limits.attempts,
    retryStrategy: createRetryStrategy(limits.attempts),
    requestHandler: new NodeHttpHandler({
      connectionTimeout: CONNECT_MS,
      requestTimeout: limits.attemptMs,
      throwOnRequestTimeout: true,
      socketTimeout: limits.silenceMs ?? limits.attemptMs,
      httpAgent: { keepAlive: true, maxSockets: SOCKETS_MAX },
      httpsAgent: { keepAlive: true, maxSockets: SOCKETS_MAX },
    }),
  };
}

/** What went wrong, whichever engine said it. */
export type AwsTrouble =
  /** Too much at once: the engine wants to be asked again later. */
  | "throttled"
  /** Another write was on the same item at this moment. */
  | "conflict"
  /** No answer, or an answer that the engine itself failed. */
  | "unreachable"
  /** No credentials, wrong ones, or ones that are not allowed this. */
  | "denied"
  /** The SDK lacks a setting, such as the region. */
  | "unset"
  /** The table, queue or bucket is not there. */
  | "absent"
  /** None of these: a refusal that means something to the adapter, or a bug. */
  | "other";

const THROTTLED = [
  "KmsThrottled",
  // SQS: 120,000 messages of one queue are in flight.
  "OverLimit",
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "RequestThrottled",
  "RequestThrottledException",
  "SlowDown",
  "ThrottledException",
  "Throttling",
  "ThrottlingException",
  "TooManyRequestsException",
] as const;
const DENIED = [
  "AccessDenied",
  "AccessDeniedException",
  "CredentialsProviderError",
  "ExpiredToken",
  "ExpiredTokenException",
  "IncompleteSignature",
  "IncompleteSignatureException",
  "InvalidAccessKeyId",
  "InvalidClientTokenId",
  "InvalidSignatureException",
  "MissingAuthenticationTokenException",
  "SignatureDoesNotMatch",
  "UnrecognizedClientException",
] as const;
const ABSENT = [
  "AWS.SimpleQueueService.NonExistentQueue",
  "NoSuchBucket",
  "QueueDoesNotExist",
  "ResourceNotFoundException",
] as const;
const UNREACHABLE = [
  "AbortError",
  "EAI_AGAIN",
  "ECONNABORTED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
  "InternalError",
  "InternalFailure",
  "InternalServerError",
  "RequestTimeout",
  "ServiceUnavailable",
  "TimeoutError",
] as const;

/** Tells apart what an error of the SDK means. */
export function awsTrouble(error: unknown): AwsTrouble {
  const names = namesOf(error);
  const isOneOf = (list: readonly string[]): boolean => names.some((name) => list.includes(name));
  if (isOneOf(THROTTLED)) return "throttled";
  if (isOneOf(["TransactionConflictException", "TransactionInProgressException"])) return "conflict";
  // An answer without a body, as to HeadObject, carries no more than its status.
  if (isOneOf(DENIED) || statusOf(error) === 403) return "denied";
  if (isOneOf(ABSENT)) return "absent";
  if (isOneOf(UNREACHABLE) || (statusOf(error) ?? 0) >= 500) return "unreachable";
  return error instanceof Error && error.message.includes("Region is missing") ? "unset" : "other";
}

/**
 * Runs one call of the SDK within the limits' deadline.
 * @throws Fault busy `<thing>_busy` when the engine is throttled, down or silent beyond the deadline; input
 * `<thing>_denied`, `<thing>_missing`, `region_missing` where a setting is wrong: retrying does not help. Anything else
 * is thrown as it came.
 */
export async function callAws<T>(
  ask: {
    /** What the caller knows the engine as: `store`, `queue`, `blobs`. */
    readonly thing: "store" | "queue" | "blobs";
    /** What is meant, for the sentence: `the table photokeep-dev`. */
    readonly target: string;
    readonly limits: CallLimits;
  },
  send: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = AbortSignal.timeout(ask.limits.deadlineMs);
  try {
    return await send(deadline);
  } catch (error) {
    throw awsFault(error, ask);
  }
}

/** An error of the SDK as the adapter's caller is to see it; errors of no known meaning stay as they are. */
export function awsFault(error: unknown, { thing, target }: { thing: string; target: string }): unknown {
  const name = namesOf(error)[0] ?? "unknown error";
  const cause = { cause: error };
  switch (awsTrouble(error)) {
    case "throttled":
    case "conflict":
    case "unreachable":
      return new Fault(
        "busy",
        `${thing}_busy`,
        "Storage is busy or cannot be reached; try again in a moment.",
        {
          ...cause,
          details: { target, name },
        },
      );
    case "denied":
      return new Fault("input", `${thing}_denied`, deniedSentence({ thing, target }, error), cause);
    case "unset":
      return new Fault("input", "region_missing", "Set AWS_REGION to the region PhotoKeep runs in.", cause);
    case "absent":
      return new Fault(
        "input",
        `${thing}_missing`,
        `There is no ${target.replace(/^the /, "")} in this account and region; check its name and AWS_REGION.`,
        cause,
      );
    case "other":
      return error;
  }
}

/** An answer to HEAD bears no words: S3 means the bucket's own permission by it. */
const SILENT_PERMISSION = "s3:ListBucket";

/** Names the permission that is missing, where the engine does; else it is the identity itself that is not accepted. */
function deniedSentence({ thing, target }: { thing: string; target: string }, error: unknown): string {
  const text = error instanceof Error ? error.message : "";
  const permission =
    /not authorized to perform:? ([a-z0-9-]+:[A-Za-z]+)/.exec(text)?.[1] ??
    (thing === "blobs" && /^(?:UnknownError|Unknown|403)?$/.test(text) ? SILENT_PERMISSION : undefined);
  if (permission !== undefined)
    return `AWS refused access to ${target}: the identity lacks the permission ${permission}; docs/aws.md lists all that are needed.`;
  const name = namesOf(error)[0] ?? "unknown error";
  return `AWS refused access to ${target} (${name}): set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to an identity with the permissions named in docs/aws.md.`;
}

/**
 * Runs one API call and tells what it took, whether it was answered or gave up.
 * @param call.outputOf what the SDK answers with, in the answer of `run`. @param call.unitsOf what that says it consumed.
 */
export async function reportCall<T>(
  call: Pick<AwsCall, "service" | "operation"> & {
    readonly onCall: AwsOptions["onCall"];
    readonly outputOf?: (answer: T) => unknown;
    readonly unitsOf?: (output: unknown) => Pick<AwsCall, "readUnits" | "writeUnits">;
  },
  run: () => Promise<T>,
): Promise<T> {
  const { service, operation, onCall, outputOf = (answer) => answer, unitsOf } = call;
  const tell = (output: unknown): void =>
    onCall?.({ service, operation, attempts: attemptsOf(output), ...unitsOf?.(output) });
  try {
    const answer = await run();
    tell(outputOf(answer));
    return answer;
  } catch (error) {
    tell(error);
    throw error;
  }
}

/** The name of an API call, of the SDK's name for it. */
export function operationOf(commandName = ""): string {
  return commandName.replace(/Command$/, "");
}

/** How often the SDK had to ask, as its answer or its error tells. */
export function attemptsOf(result: unknown): number {
  const metadata = (result as { $metadata?: { attempts?: unknown } } | undefined)?.$metadata;
  return typeof metadata?.attempts === "number" ? metadata.attempts : 1;
}

function statusOf(error: unknown): number | undefined {
  const metadata = (error as { $metadata?: { httpStatusCode?: unknown } } | undefined)?.$metadata;
  return typeof metadata?.httpStatusCode === "number" ? metadata.httpStatusCode : undefined;
}

/** The names an error goes by: its own, its code, those of its cause. */
function namesOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const code = "code" in error ? String(error.code) : undefined;
  return [error.name, ...(code === undefined ? [] : [code]), ...namesOf(error.cause)];
}
