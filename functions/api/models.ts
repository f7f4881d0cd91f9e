import { createRoute, z } from "@hono/zod-openapi";
import type { Api } from "./api.ts";
import { problemResponse } from "./problem.ts";
import { CATALOGUE } from "#shared/domain/catalogue.ts";
import { LicenceClass, ModelId, ModelTask } from "#shared/domain/model.ts";

const Model = z
  .strictObject({
    id: ModelId,
    object: z.literal("model"),
    task: ModelTask,
    title: z.string(),
    scale: z.number(),
    generative: z.boolean().openapi({ description: "May invent detail; never used by the preset faithful." }),
    licence: z.strictObject({ class: LicenceClass, name: z.string(), notice: z.string() }),
  })
  .openapi("Model");

const list = createRoute({
  method: "get",
  path: "/v1/models",
  operationId: "listModels",
  summary: "The models a restoration may use, with their licences",
  tags: ["Models"],
  security: [],
  responses: {
    200: {
      description: "All of them.",
      content: {
        "application/json": {
          schema: z.strictObject({ object: z.literal("list"), data: z.array(Model) }).openapi("ModelList"),
        },
      },
    },
    default: problemResponse,
  },
});

/** Public: what the catalogue knows, not what a machine has at hand. */
export function modelRoute(app: Api): void {
  app.openapi(list, (c) => {
    const data = CATALOGUE.map(({ id, task, title, scale, generative, licence }) => ({
      id,
      object: "model" as const,
      task,
      title,
      scale,
      generative,
      licence,
    }));
    return c.json({ object: "list" as const, data }, 200);
  });
}
