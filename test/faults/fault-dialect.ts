import type { IncomingMessage } from "node:http";
import type { Dialect, RequestHead } from "./fault-plan.ts";

/** A whole answer, held in memory. */
export interface HeldReply {
  readonly status: number;
  readonly statusMessage: string;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

/** DynamoDB and SQS name the operation in a header, the SDK's S3 client in the query. */
export function headOf(request: IncomingMessage): RequestHead {
  const { method = "GET", url: path = "/" } = request;
  const target = request.headers["x-amz-target"];
  const operation =
    typeof target === "string"
      ? target.split(".").at(-1)
      : new URL(path, "http://any").searchParams.get("x-id");
  return { method, path, operation: operation ?? undefined };
}

/** Whether the body that a request sends, or asks for, is nothing but an object's bytes, which a checksum covers. */
export function carriesBytes(dialect: Dialect, request: IncomingMessage): boolean {
  if (dialect !== "s3") return true;
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://any");
  const hasKey = /^\/[^/]+\/./.test(pathname);
  const isPart = searchParams.has("partNumber");
  const isPlain = ![...searchParams.keys()].some((name) => S3_SUBRESOURCES.has(name));
  return hasKey && (isPlain || isPart) && request.headers["x-amz-copy-source"] === undefined;
}

const S3_SUBRESOURCES = new Set([
  "acl",
  "attributes",
  "legal-hold",
  "retention",
  "tagging",
  "uploads",
  "uploadId",
]);

/** An error of DynamoDB's or SQS's JSON protocol. */
export function jsonError(
  status: number,
  {
    type,
    message,
    ...more
  }: { readonly type: string; readonly message: string; readonly [name: string]: unknown },
): HeldReply {
  const body = Buffer.from(JSON.stringify({ __type: type, message, ...more }));
  return heldReply(status, "application/x-amz-json-1.0", body);
}

export function heldReply(status: number, contentType: string, body: Buffer, more: string[] = []): HeldReply {
  const headers = ["Content-Type", contentType, "Content-Length", String(body.length), ...more];
  return { status, statusMessage: "", rawHeaders: headers, body };
}

/** The same answer with another body; whatever vouched for the old one goes. */
export function withBody(reply: HeldReply, body: Buffer): HeldReply {
  const gone = new Set(["content-length", "transfer-encoding", "x-amz-crc32"]);
  const rawHeaders = reply.rawHeaders.filter(
    (_, i) => !gone.has(reply.rawHeaders[i - (i % 2)]!.toLowerCase()),
  );
  return { ...reply, rawHeaders: [...rawHeaders, "Content-Length", String(body.length)], body };
}

/** The engine failed by itself. */
export function serverErrorOf(dialect: Dialect): HeldReply {
  const message = "The request processing has failed because of an unknown error.";
  switch (dialect) {
    case "dynamodb":
      return jsonError(500, { type: `${DYNAMODB}#InternalServerError`, message });
    case "sqs":
      return queryError(500, "com.amazonaws.sqs#InternalError", "InternalError;Receiver", message);
    case "s3":
      return s3Error(500, "InternalError", "We encountered an internal error. Please try again.");
    case "plain":
      return heldReply(500, "text/plain", Buffer.from(message));
  }
}

/** The engine has too much to do; `random` picks among its ways to say so. */
export function throttleOf(dialect: Dialect, random: () => number): HeldReply {
  switch (dialect) {
    case "dynamodb":
      return random() < 0.5
        ? jsonError(400, {
            type: `${DYNAMODB}#ProvisionedThroughputExceededException`,
            message: "The level of configured provisioned throughput for the table was exceeded.",
          })
        : jsonError(400, {
            type: `${DYNAMODB}#ThrottlingException`,
            message: "Rate of requests exceeds the limit.",
          });
    case "sqs":
      return queryError(
        400,
        "com.amazonaws.sqs#RequestThrottled",
        "RequestThrottled;Sender",
        "Request is throttled.",
      );
    case "s3":
      return s3Error(503, "SlowDown", "Please reduce your request rate.");
    case "plain":
      return heldReply(429, "text/plain", Buffer.from("too many requests"));
  }
}

export const DYNAMODB = "com.amazonaws.dynamodb.v20120810";

/** SQS's JSON errors carry the name of the older protocol beside their own. */
function queryError(status: number, type: string, older: string, message: string): HeldReply {
  const reply = jsonError(status, { type, message });
  return { ...reply, rawHeaders: [...reply.rawHeaders, "x-amzn-query-error", older] };
}

function s3Error(status: number, code: string, message: string): HeldReply {
  const xml = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return heldReply(status, "application/xml", Buffer.from(xml));
}
