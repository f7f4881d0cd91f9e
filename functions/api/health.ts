import { createRoute, z } from "@hono/zod-openapi";
import type { Api, ApiDoors } from "./api.ts";
import { problemResponse } from "./problem.ts";

const health = createRoute({
  method: "get",
  path: "/health",
  operationId: "getHealth",
  summary: "Whether the API and its store answer",
  tags: ["Service"],
  security: [],
  responses: {
    200: {
      description: "They do.",
      content: {
        "application/json": {
          schema: z.strictObject({ status: z.literal("ok"), version: z.string() }).openapi("Health"),
        },
      },
    },
    default: problemResponse,
  },
});

export function healthRoute(app: Api, { store, version }: ApiDoors): void {
  app.openapi(health, async (c) => {
    await store.get({ pk: "HEALTH", sk: "HEALTH" });
    return c.json({ status: "ok" as const, version }, 200);
  });
}
