/** The public API: what every request passes through, and its routes. Nothing here knows where it runs. */
import { OpenAPIHono } from "@hono/zod-openapi";
import { methodNotAllowed } from "hono/method-not-allowed";
import type { Api, ApiDoors, ApiEnv } from "./api.ts";
import { docsRoutes } from "./docs.ts";
import { hostGuard, identified, requestLog, securityHeaders, smallBodies } from "./guard.ts";
import { healthRoute } from "./health.ts";
import { modelRoute } from "./models.ts";
import { answerError, problem, refuseInvalid } from "./problem.ts";
import { restorationRoutes } from "./restorations.ts";
import { uploadRoutes } from "./uploads.ts";

/** The outermost app of a server: mount the page, the agents' API and local blob routes on it. */
export function createApp(doors: ApiDoors): Api {
  const app = new OpenAPIHono<ApiEnv>({ defaultHook: refuseInvalid });
  app.onError((error, c) => answerError(doors.log, error, c));
  app.notFound((c) =>
    problem(c, {
      status: 404,
      code: "route_missing",
      detail: "There is nothing at this address; see /docs.",
    }),
  );

  app.use(requestLog(doors));
  app.use(securityHeaders());
  if (doors.allowedHosts !== undefined) app.use(hostGuard({ allowedHosts: doors.allowedHosts }));
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) =>
        problem(c, {
          status: 405,
          code: "method_refused",
          detail: `This address answers to ${methods.join(", ")}.`,
          headers: { allow: methods.join(", ") },
        }),
    }),
  );

  healthRoute(app, doors);
  docsRoutes(app, doors);
  modelRoute(app);
  app.use("/v1/*", smallBodies(), identified(doors.authenticate));
  uploadRoutes(app, doors);
  restorationRoutes(app, doors);
  return app;
}
