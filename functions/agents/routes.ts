import { Hono } from "hono";
import { z } from "zod";
import * as agents from "./agents.ts";
import type { AgentDoors } from "./agents.ts";
import type { AgentRecord } from "./agent-item.ts";
import { Fault } from "#shared/domain/fault.ts";
import { smallBodies } from "../api/guard.ts";
import { putAside } from "../unreadable.ts";
import { AGENT_BODY_BYTES_MAX } from "#shared/domain/limits.ts";
import {
  BeatAsk,
  Capabilities,
  ClaimAsk,
  CompleteAsk,
  FailAsk,
  PROTOCOL_VERSION,
  ReleaseAsk,
  UnreadableAsk,
} from "#shared/domain/message.ts";

/** The control API over HTTP, to be mounted at /agents. Bearer: the fleet secret to register, the agent's token after. */
export function agentRoutes(doors: AgentDoors): Hono {
  const app = new Hono();
  app.use(smallBodies(AGENT_BODY_BYTES_MAX));
  const call =
    <Ask, Answer>(
      schema: z.ZodType<Ask>,
      act: (doors: AgentDoors, agent: AgentRecord, ask: Ask) => Promise<Answer>,
    ) =>
    async (request: Request): Promise<Response> => {
      const agent = await agents.authenticate(doors, bearer(request));
      return Response.json(await act(doors, agent, await parse(request, schema)));
    };
  app.post("/register", async (c) => {
    agents.demandSecret(doors, bearer(c.req.raw));
    return c.json(await agents.register(doors, await parseCapabilities(c.req.raw)));
  });
  app.post("/beat", (c) => call(BeatAsk, agents.beat)(c.req.raw));
  app.post("/claim", (c) => call(ClaimAsk, agents.claim)(c.req.raw));
  app.post("/complete", (c) => call(CompleteAsk, agents.complete)(c.req.raw));
  app.post("/fail", (c) => call(FailAsk, agents.fail)(c.req.raw));
  app.post("/release", (c) => call(ReleaseAsk, agents.release)(c.req.raw));
  app.post("/unreadable", (c) =>
    call(UnreadableAsk, async (_doors, _agent, ask) => {
      await putAside(doors, { queue: "doorbells", ...ask });
      return {};
    })(c.req.raw),
  );
  app.post("/goodbye", async (c) => {
    const agent = await agents.authenticate(doors, bearer(c.req.raw));
    await agents.gone(doors, agent.id);
    return c.json({});
  });
  return app;
}

function bearer(request: Request): string {
  return /^Bearer (\S{1,200})$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
}

async function parse<T>(request: Request, schema: z.ZodType<T>): Promise<T> {
  const body: unknown = await request.json().catch(() => undefined);
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new Fault("input", "message_invalid", "The message does not follow the agents' protocol.", {
    details: parsed.error.issues,
  });
}

/** @throws Fault conflict `protocol_unsupported` for an agent of another version. */
async function parseCapabilities(request: Request): Promise<Capabilities> {
  const asked: unknown = await request
    .clone()
    .json()
    .catch(() => undefined);
  const { protocol } = z.object({ protocol: z.number() }).catch({ protocol: PROTOCOL_VERSION }).parse(asked);
  if (protocol === PROTOCOL_VERSION) return await parse(request, Capabilities);
  throw new Fault(
    "conflict",
    "protocol_unsupported",
    `This control plane speaks version ${PROTOCOL_VERSION} of the agents' protocol, not ${protocol}. Update the older of the two.`,
  );
}
