/** Who is let in at the agents' door, and what is read of what they send. */
import { expect, test } from "vitest";
import { can, controlPlane, SECRET } from "./control-plane-fixture.ts";
import * as agents from "#functions/agents/agents.ts";
import { agentRoutes } from "#functions/agents/routes.ts";
import { sweep } from "#functions/sweep/sweep.ts";
import { putAside } from "#functions/unreadable.ts";
import { Fault } from "#shared/domain/fault.ts";
import { AGENT_BODY_BYTES_MAX } from "#shared/domain/limits.ts";

test("only who knows the fleet's secret registers, and only the token's owner speaks as an agent", async () => {
  const plane = controlPlane();
  expect(() => agents.demandSecret(plane, "wrong")).toThrow(
    expect.objectContaining({ code: "secret_invalid" }),
  );
  expect(() => agents.demandSecret(plane, SECRET)).not.toThrow();
  const { agent, token } = await agents.register(plane, can);
  expect((await agents.authenticate(plane, token)).id).toBe(agent);
  for (const wrong of [
    "",
    token.slice(0, -1),
    `${agent}.x`,
    `agt_other.${token.split(".")[1]}`,
    token.replace("agt_", "job_"),
  ]) {
    await expect(agents.authenticate(plane, wrong)).rejects.toMatchObject({ code: "token_invalid" });
  }
  await agents.gone(plane, agent);
  await expect(agents.authenticate(plane, token)).rejects.toMatchObject({ code: "token_invalid" });
});

test("tokens and secrets are not stored and not logged", async () => {
  const plane = controlPlane();
  const { agent, token } = await agents.register(plane, can);
  const stored = JSON.stringify(await plane.store.get({ pk: `AGENT#${agent}`, sk: "AGENT" }));
  expect(stored).not.toContain(token.split(".")[1]);
  expect(plane.lines.join("")).not.toContain(SECRET);
});

test("an agent of another protocol is refused with a code of its own, a message that is none with another", async () => {
  const app = agentRoutes(controlPlane());
  app.onError((error, c) => c.text(error instanceof Fault ? error.code : "bug", 409));
  const codeOf = async (body: unknown): Promise<string> => {
    const answer = await app.request("/register", {
      method: "POST",
      headers: { authorization: `Bearer ${SECRET}` },
      body: JSON.stringify(body),
    });
    return await answer.text();
  };
  expect(await codeOf({ ...can, protocol: 2 })).toBe("protocol_unsupported");
  expect(await codeOf({ ...can, slots: 0 })).toBe("message_invalid");
  expect(await codeOf("no message")).toBe("message_invalid");
  expect(JSON.parse(await codeOf(can))).toHaveProperty("token");
});

test("nothing without limit is read, and of a stranger's message nothing is taken as one", async () => {
  const app = agentRoutes(controlPlane());
  app.onError((error, c) => c.text(error instanceof Fault ? error.code : "bug", 400));
  const send = (path: string, secret: string, body: ReadableStream | string): Request =>
    new Request(`http://localhost${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${secret}` },
      body,
      ...(typeof body === "string" ? {} : { duplex: "half" }),
    });
  let read = 0;
  const endless = (): ReadableStream =>
    new ReadableStream({
      pull(controller) {
        read += 65_536;
        controller.enqueue(new Uint8Array(65_536));
      },
    });
  for (const path of ["/register", "/claim"]) {
    read = 0;
    expect(await (await app.request(send(path, SECRET, endless()))).text()).toBe("body_oversized");
    expect(read).toBeLessThan(2 * AGENT_BODY_BYTES_MAX);
  }
  expect(await (await app.request(send("/register", "wrong", "no JSON"))).text()).toBe("secret_invalid");
});

test("a message that an agent cannot read is kept once, cut short, and goes after two weeks", async () => {
  const plane = controlPlane();
  const ask = { queue: "doorbells", id: "m1", body: "x".repeat(10_000), reason: "it is no doorbell" };
  await putAside(plane, ask);
  await putAside(plane, ask);
  const { rows } = await plane.store.list("UNREADABLE#doorbells", { limit: 10 });
  expect(rows).toHaveLength(1);
  expect(rows[0]?.body).toMatchObject({ reason: "it is no doorbell", characters: 10_000 });
  expect(rows[0]?.body).toHaveProperty("body", "x".repeat(4_096));
  await plane.clock.advance(15 * 24 * 3_600_000);
  await sweep(plane);
  expect((await plane.store.list("UNREADABLE#doorbells", { limit: 10 })).rows).toEqual([]);
});
