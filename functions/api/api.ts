/** What the public API needs, and what travels with one request. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { ApplyDoors } from "../apply.ts";
import type { Log } from "#shared/log.ts";
import type { Blobs } from "#shared/ports.ts";

/** Who calls. Every access is checked against it; nothing in a request names an organisation. */
interface Actor {
  readonly org: string;
}

export interface ApiDoors extends ApplyDoors {
  readonly blobs: Blobs;
  readonly log: Log;
  /** Of the running code, as /health and the OpenAPI document tell it. */
  readonly version: string;
  /** Undefined: the request carries no valid credentials. */
  readonly authenticate: (request: Request) => Promise<Actor | undefined>;
  /** Host names (without port) answered beside the loopback ones. Absent: every Host, for use behind a gateway. */
  readonly allowedHosts?: readonly string[];
  /** Aborted when the server shuts down: answers that wait or stream end at once. */
  readonly closing?: AbortSignal;
}

export interface ApiEnv {
  Variables: {
    requestId: string;
    /** Set on every route below /v1 but the public ones. */
    actor: Actor;
    /** Code of the problem that was answered, for the request's log line. */
    problemCode?: string;
  };
}

export type Api = OpenAPIHono<ApiEnv>;
