import { S3Client, S3ServiceException } from "@aws-sdk/client-s3";
import { Fault } from "../domain/fault.ts";
import type { Clock, Entropy } from "../ports.ts";
import {
  type AwsCall,
  type AwsOptions,
  operationOf,
  reportCall,
  awsFault,
  type CallLimits,
  callAws,
  clientSettings,
} from "./aws-client.ts";

/** What the parts of the S3 adapter share. */
export interface S3Door extends Disposable {
  readonly client: S3Client;
  readonly bucket: string;
  /**
   * Runs a call, repeats included, within 30 s and a second for every megabyte that travels with it.
   * @throws what `callAws` throws.
   */
  call<T>(send: (signal: AbortSignal) => Promise<T>, bytes?: number): Promise<T>;
  /** As the caller is to see an error of the SDK. */
  faultOf(error: unknown): unknown;
  /** Waits after a failed try: a random time below a limit that doubles with each (full jitter). */
  pause(tries: number): Promise<void>;
}

/**
 * What counts is silence. An attempt as a whole may last as long as three parts of 32 MiB at once take on a line of a
 * megabyte per second.
 */
const LIMITS: CallLimits = { attemptMs: 120_000, silenceMs: 10_000, deadlineMs: 30_000, attempts: 5 };
const BYTES_PER_MS_MIN = 1_000;
/** For what the SDK cannot repeat itself: a download that broke off, a write crossed by a deletion. */
export const S3_TRIES_MAX = 5;
const PAUSE_MS = 100;

/** One bucket's client: built once, closed with its adapter. */
export function createS3Door(
  options: AwsOptions,
  parts: { readonly bucket: string; readonly clock: Clock; readonly entropy: Entropy },
): S3Door {
  const { bucket, clock, entropy } = parts;
  // Servers that are not AWS's are asked by path: their buckets have no host names.
  const client = new S3Client({
    ...clientSettings(options, LIMITS),
    forcePathStyle: options.endpoint !== undefined,
  });
  repeatDamaged(client);
  if (options.onCall !== undefined) reportCalls(client, options.onCall);
  const at = { thing: "blobs", target: `the bucket ${bucket}` } as const;
  return {
    client,
    bucket,
    async call(send, bytes = 0) {
      const limits = { ...LIMITS, deadlineMs: deadlineMs(bytes) };
      return callAws({ ...at, limits }, send).catch((error: unknown) => {
        throw isDamaged(error) ? blobsBusy(error) : error;
      });
    },
    faultOf: (error) => awsFault(error, at),
    pause: (tries) => clock.sleep(PAUSE_MS * 2 ** tries * fraction(entropy)),
    [Symbol.dispose]: () => client.destroy(),
  };
}

/** Has the SDK repeat what S3 refused because it did not arrive as it was sent. */
function repeatDamaged(client: S3Client): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      try {
        return await next(args);
      } catch (error) {
        if (isDamaged(error)) error.$retryable = {};
        throw error;
      }
    },
    { step: "deserialize", priority: "high", name: "repeatDamaged" },
  );
}

/** Here and not where calls are made: a multipart upload makes its own. */
function reportCalls(client: S3Client, onCall: (call: AwsCall) => void): void {
  client.middlewareStack.add(
    (next, { commandName }) =>
      (args) => {
        const outputOf = ({ output }: { output: unknown }): unknown => output;
        const call = { service: "s3", operation: operationOf(commandName), onCall, outputOf } as const;
        return reportCall(call, () => next(args));
      },
    { step: "initialize", name: "reportCalls" },
  );
}

/** A random number from 0 up to 1. */
function fraction(entropy: Entropy): number {
  return Buffer.from(entropy(4)).readUInt32BE() / 2 ** 32;
}

/** How long a call may take that moves so many bytes. */
export function deadlineMs(bytes: number): number {
  return LIMITS.deadlineMs + Math.ceil(bytes / BYTES_PER_MS_MIN);
}

/** No such object. Where the bucket itself is gone, S3 says so by another name. */
export function isMissing(error: unknown): boolean {
  return isNamed(error, "NoSuchKey", "NotFound");
}

/**
 * The outcome of a write to a free key. Undefined when it came too late: the key is taken, a rival is under way, or an
 * earlier attempt of this very upload was completed and its answer lost.
 */
export async function inTime<T>(write: Promise<T>): Promise<T | undefined> {
  try {
    return await write;
  } catch (error) {
    if (isNamed(error, "PreconditionFailed", "ConditionalRequestConflict", "NoSuchUpload")) return undefined;
    throw error;
  }
}

/** The bytes that S3 got are not those of the checksum or the length sent with them. */
function isDamaged(error: unknown): error is S3ServiceException {
  return isNamed(error, "BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch");
}

export function blobsBusy(cause?: unknown): Fault {
  return new Fault("busy", "blobs_busy", "The file could not be transferred whole; try again in a moment.", {
    cause,
  });
}

function isNamed(error: unknown, ...names: readonly string[]): error is S3ServiceException {
  return error instanceof S3ServiceException && names.includes(error.name);
}
