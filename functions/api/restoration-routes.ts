/** The routes of a restoration, as the OpenAPI document tells them. */
import { createRoute as route, z } from "@hono/zod-openapi";
import { IdempotencyHeaders } from "./idempotency.ts";
import { problemResponse } from "./problem.ts";
import { CreateBody } from "./restoration-create.ts";
import { Restoration, RestorationId } from "./restoration-schema.ts";
import { WAIT_SECONDS_MAX } from "./restoration-watch.ts";
import { PAGE_ROWS_MAX } from "#shared/domain/limits.ts";

const PAGE_ROWS_DEFAULT = 20;
const CURSOR_CHARS_MAX = 2_000;

const tags = ["Restorations"];
const params = z.object({ id: RestorationId });
const json = { content: { "application/json": { schema: Restoration } } };

export const createRoute = route({
  method: "post",
  path: "/v1/restorations",
  operationId: "createRestoration",
  summary: "Restore a photograph",
  description:
    "From an upload that has its bytes, or by announcing a file: the answer then holds the address for its bytes.",
  tags,
  request: {
    headers: IdempotencyHeaders,
    body: { required: true, content: { "application/json": { schema: CreateBody } } },
  },
  responses: { 202: { ...json, description: "Accepted; follow it by its links." }, default: problemResponse },
});

export const listRoute = route({
  method: "get",
  path: "/v1/restorations",
  operationId: "listRestorations",
  summary: "List restorations, newest first",
  tags,
  request: {
    query: z.strictObject({
      limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(PAGE_ROWS_DEFAULT),
      cursor: z
        .string()
        .min(1)
        .max(CURSOR_CHARS_MAX)
        .optional()
        .openapi({ description: "The `next_cursor` of the page before." }),
    }),
  },
  responses: {
    200: {
      description: "One page.",
      content: {
        "application/json": {
          schema: z
            .strictObject({
              object: z.literal("list"),
              data: z.array(Restoration),
              next_cursor: z.string().nullable(),
            })
            .openapi("RestorationList"),
        },
      },
    },
    default: problemResponse,
  },
});

export const readRoute = route({
  method: "get",
  path: "/v1/restorations/{id}",
  operationId: "getRestoration",
  summary: "Read a restoration",
  tags,
  request: {
    params,
    headers: z.object({
      prefer: z
        .string()
        .max(200)
        .optional()
        .openapi({
          description: `\`wait=N\`: answer when it has ended (with If-None-Match: when it has changed), or after N ≤ ${WAIT_SECONDS_MAX} seconds.`,
          example: "wait=20",
        }),
      "if-none-match": z.string().max(1_000).optional(),
    }),
  },
  responses: {
    200: { ...json, description: "The restoration as it is." },
    304: { description: "Not modified." },
    default: problemResponse,
  },
});

export const eventsRoute = route({
  method: "get",
  path: "/v1/restorations/{id}/events",
  operationId: "watchRestoration",
  summary: "Follow a restoration (server-sent events)",
  description: "Events named `restoration` hold the whole object whenever it changes, until it has ended.",
  tags,
  request: { params, headers: z.object({ "last-event-id": z.string().max(100).optional() }) },
  responses: {
    200: { description: "The stream.", content: { "text/event-stream": { schema: z.string() } } },
    204: { description: "It has ended, and the last event was the last one: do not reconnect." },
    default: problemResponse,
  },
});

export const cancelRoute = route({
  method: "post",
  path: "/v1/restorations/{id}/cancel",
  operationId: "cancelRestoration",
  summary: "Cancel a restoration",
  description: "Whatever had already ended stays as it is; the status in the answer tells.",
  tags,
  request: { params },
  responses: { 200: { ...json, description: "The restoration after it." }, default: problemResponse },
});

export const eraseRoute = route({
  method: "delete",
  path: "/v1/restorations/{id}",
  operationId: "eraseRestoration",
  summary: "Erase a restoration",
  description:
    "Cancels it if it has not ended, deletes the upload, the result and everything in between, and forgets it. What it was billed stays billed.",
  tags,
  request: { params },
  responses: { 204: { description: "It is erased, or already was." }, default: problemResponse },
});

export const resultRoute = route({
  method: "get",
  path: "/v1/restorations/{id}/result",
  operationId: "getResult",
  summary: "Download the restored photograph",
  tags,
  request: { params },
  responses: { 302: { description: "To a signed download." }, default: problemResponse },
});
