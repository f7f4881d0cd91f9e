/** What every answer and every request has in common: headers, the host and origin checks, identity, one log line. */
import { bodyLimit } from "hono/body-limit";
import type { MiddlewareHandler } from "hono";
import type { ApiDoors, ApiEnv } from "./api.ts";
import { problem } from "./problem.ts";
import { Fault } from "#shared/domain/fault.ts";
import { newId } from "#shared/domain/id.ts";
import { API_BODY_BYTES_MAX } from "#shared/domain/limits.ts";

/** For answers that are data; pages bring a policy of their own. */
const API_POLICY = "default-src 'none'; frame-ancestors 'none'";
const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** Names the request and writes its one log line. Paths are logged without their query: it may hold a signature. */
export function requestLog({
  clock,
  entropy,
  log,
}: Pick<ApiDoors, "clock" | "entropy" | "log">): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const startedAt = clock.now();
    const requestId = newId("req", startedAt, entropy(10));
    c.set("requestId", requestId);
    await next();
    c.header("x-request-id", requestId);
    const { method, path } = c.req;
    log[path.startsWith("/v1/") ? "info" : "debug"]("request", {
      request_id: requestId,
      method,
      path,
      status: c.res.status,
      code: c.get("problemCode"),
      org: (c.get("actor") as ApiEnv["Variables"]["actor"] | undefined)?.org,
      ms: clock.now() - startedAt,
    });
  };
}

/** Defaults for what the route has not said itself. */
export function securityHeaders(): MiddlewareHandler<ApiEnv> {
  const defaults = {
    "cache-control": "no-store",
    "content-security-policy": API_POLICY,
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
  };
  return async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(defaults)) if (!c.res.headers.has(name)) c.header(name, value);
    if (new URL(c.req.url).protocol === "https:")
      c.header("strict-transport-security", "max-age=31536000; includeSubDomains");
  };
}

/**
 * For a server without passwords on a private address. A web page elsewhere could reach it through the visitor's own
 * browser: by a name that it lets resolve to the loopback address (DNS rebinding), or by sending requests across
 * sites. So the Host must be a loopback name or an allowed one, and an Origin, where a state-changing request carries
 * one, that very host.
 */
export function hostGuard({
  allowedHosts,
}: {
  readonly allowedHosts: readonly string[];
}): MiddlewareHandler<ApiEnv> {
  const allowed = new Set(allowedHosts.map((host) => host.toLowerCase()));
  return async (c, next) => {
    const host = (c.req.header("host") ?? new URL(c.req.url).host).toLowerCase();
    const name = host.replace(/:\d{1,5}$/, "");
    if (!LOOPBACK.test(name) && !allowed.has(name))
      return problem(c, {
        status: 421,
        code: "host_refused",
        detail: "This server does not answer to that host name.",
      });
    const origin = c.req.header("origin");
    if (!SAFE_METHODS.has(c.req.method) && origin !== undefined && hostOf(origin) !== host)
      return problem(c, {
        status: 403,
        code: "origin_refused",
        detail: "Pages of other sites may not change anything here.",
      });
    return next();
  };
}

function hostOf(origin: string): string | undefined {
  return URL.parse(origin)?.host;
}

/** @throws Fault auth `credentials_missing`. */
export function identified(authenticate: ApiDoors["authenticate"]): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const actor = await authenticate(c.req.raw);
    if (actor === undefined)
      throw new Fault("auth", "credentials_missing", "Send a valid API key as: Authorization: Bearer <key>.");
    c.set("actor", actor);
    return next();
  };
}

/** No more of a body is read than it may hold. @throws Fault input `body_oversized`. */
export function smallBodies(bytesMax = API_BODY_BYTES_MAX): MiddlewareHandler {
  return bodyLimit({
    maxSize: bytesMax,
    onError: () => {
      throw new Fault(
        "input",
        "body_oversized",
        `A body may hold ${bytesMax} bytes; photographs go to the signed upload address.`,
      );
    },
  });
}
