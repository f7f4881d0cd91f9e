/**
 * Errors as the caller sees them: RFC 9457 problem details with a stable `code`. One table maps every Fault to its
 * status; whatever is no Fault is a bug, logged whole and answered as 500 without a word of it.
 */
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { ApiEnv } from "./api.ts";
import { fieldErrors } from "./field-errors.ts";
import { Fault, type FaultKind } from "#shared/domain/fault.ts";
import type { Log } from "#shared/log.ts";

export const Problem = z
  .strictObject({
    type: z.literal("about:blank"),
    title: z.string().openapi({ description: "The phrase of the HTTP status." }),
    status: z.int(),
    code: z.string().openapi({ description: "Stable and machine-readable.", example: "request_invalid" }),
    detail: z.string().openapi({ description: "What is wrong and what to do, in a sentence." }),
    request_id: z.string(),
    errors: z
      .array(
        z.strictObject({
          detail: z.string(),
          pointer: z
            .string()
            .optional()
            .openapi({ description: "JSON pointer into the body, as a URI fragment." }),
          parameter: z
            .string()
            .optional()
            .openapi({ description: "Name of the path or query parameter, or header." }),
        }),
      )
      .optional(),
  })
  .openapi("Problem");
export type Problem = z.infer<typeof Problem>;

/** The `default` answer of every route. */
export const problemResponse = {
  description: "What went wrong (RFC 9457).",
  content: { "application/problem+json": { schema: Problem } },
};

const STATUS_BY_KIND = {
  input: 400,
  auth: 401,
  missing: 404,
  conflict: 409,
  busy: 503,
} as const satisfies Record<FaultKind, number>;

/** Where the kind alone would say too little. 422: well formed, but it cannot mean anything. */
const STATUS_BY_CODE: Readonly<Record<string, ContentfulStatusCode>> = {
  balance_exhausted: 402,
  body_oversized: 413,
  cap_reached: 402,
  idempotency_reused: 422,
  image_empty: 422,
  image_oversized: 422,
  result_expired: 410,
};

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  410: "Gone",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

const RETRY_AFTER_SECONDS = 2;

export interface ProblemAsk {
  readonly status: ContentfulStatusCode;
  readonly code: string;
  readonly detail: string;
  readonly errors?: Problem["errors"];
  readonly headers?: Readonly<Record<string, string>>;
}

export function problem(c: Context<ApiEnv>, { status, code, detail, errors, headers }: ProblemAsk): Response {
  c.set("problemCode", code);
  const body: Problem = {
    type: "about:blank",
    title: TITLES[status] ?? "Error",
    status,
    code,
    detail,
    request_id: c.get("requestId"),
    ...(errors === undefined ? {} : { errors }),
  };
  return c.body(JSON.stringify(body), status, { ...headers, "content-type": "application/problem+json" });
}

/** The one place where what was thrown becomes an answer. */
export function answerError(log: Log, error: Error, c: Context<ApiEnv>): Response {
  if (error instanceof Fault) return answerFault(log, error, c);
  if (error instanceof HTTPException && error.status === 400)
    return problem(c, { status: 400, code: "body_malformed", detail: "The body is not JSON." });
  if (error instanceof HTTPException && error.status === 415)
    return problem(c, {
      status: 415,
      code: "body_unsupported",
      detail: "Send the body as application/json.",
    });
  log.error("request_failed", {
    request_id: c.get("requestId"),
    method: c.req.method,
    path: c.req.path,
    error,
  });
  return problem(c, {
    status: 500,
    code: "internal_error",
    detail:
      "Something went wrong on our side; please try again, and name the request_id if it happens twice.",
  });
}

function answerFault(log: Log, fault: Fault, c: Context<ApiEnv>): Response {
  const status = STATUS_BY_CODE[fault.code] ?? STATUS_BY_KIND[fault.kind];
  if (fault.details !== undefined || fault.cause !== undefined)
    log.info("request_refused", {
      request_id: c.get("requestId"),
      code: fault.code,
      details: fault.details,
      cause: fault.cause,
    });
  const headers: Record<string, string> = {};
  if (fault.kind === "busy") headers["retry-after"] = String(RETRY_AFTER_SECONDS);
  if (fault.kind === "auth") headers["www-authenticate"] = 'Bearer realm="photokeep"';
  return problem(c, { status, code: fault.code, detail: fault.message, headers });
}

/** What a request that does not follow its schema is answered: each field, where it is and what is expected. */
export function refuseInvalid(
  result: { readonly target: string } & (
    | { readonly success: true }
    | { readonly success: false; readonly error: z.ZodError }
  ),
  c: Context<ApiEnv>,
): Response | undefined {
  if (result.success) return undefined;
  const errors = fieldErrors(result.error.issues).map(({ path, detail }) =>
    result.target === "json" ? { detail, pointer: pointerOf(path) } : { detail, parameter: path.join(".") },
  );
  const first = errors[0]?.detail ?? "A field is not as it should be.";
  return problem(c, {
    status: 400,
    code: "request_invalid",
    detail: `The request cannot be read: ${first}`,
    errors,
  });
}

/** RFC 6901, in the form of a URI fragment. */
function pointerOf(path: readonly PropertyKey[]): string {
  const steps = path.map((step) =>
    encodeURIComponent(String(step).replaceAll("~", "~0").replaceAll("/", "~1")),
  );
  return ["#", ...steps].join("/");
}
