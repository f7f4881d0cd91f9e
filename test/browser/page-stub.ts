import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import sharp from "sharp";
import { webRoutes } from "#functions/api/web.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";
import type { Lease } from "#shared/domain/message.ts";
import {
  fakeAgent,
  intakeDone,
  intakeStarted,
  world,
  type FakeAgent,
  type World,
} from "../functions/api/api-fixture.ts";

/** The real API and page on memory adapters, served over HTTP; the agent does what the test says, when it says it. */
export interface Stub extends AsyncDisposable {
  readonly url: string;
  readonly world: World;
  /** The next restoration whose bytes have arrived, its photograph read: its first stage is ready. */
  readonly arrived: () => Promise<string>;
  readonly agent: FakeAgent;
  /** Runs all stages from this one on, to the end. */
  readonly finish: (lease: Lease) => Promise<void>;
}

/** @param photo what is uploaded, as its previews are drawn from it. */
export async function startStub(photo: Buffer): Promise<Stub> {
  let respond: (request: Request) => Response | Promise<Response> = () => new Response(null, { status: 503 });
  const listener = getRequestListener((request) => respond(request));
  const server = createServer((incoming, outgoing) => void listener(incoming, outgoing));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const made = world(systemClock, {
    baseUrl: url,
    allowedHosts: [],
    authenticate: async () => ({ org: "org_local" }),
  });
  made.app.route("/", webRoutes());
  respond = (request) => made.app.fetch(request);
  const agent = await fakeAgent(made);
  const results = await draw(photo);

  return {
    url,
    world: made,
    agent,
    async arrived() {
      for (;;) {
        const id = made.intakes.shift();
        if (id === undefined) {
          await systemClock.sleep(10);
          continue;
        }
        await intakeStarted(made, id);
        await intakeDone(made, id);
        return id;
      }
    },
    async finish(lease) {
      for (let next: Lease | undefined = lease; next !== undefined;)
        next = await agent.complete(next, next.stage === "finish" ? results : {});
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Something to compare: the photograph as it is, and brighter at twice the size. */
async function draw(photo: Buffer) {
  const { width, height } = await sharp(photo).metadata();
  const size = { width: 2 * width, height: 2 * height };
  const before = await sharp(photo).webp().toBuffer();
  const after = await sharp(photo).resize(size).normalise().sharpen().webp().toBuffer();
  const image = await sharp(after).jpeg().toBuffer();
  return {
    image: { bytes: image, type: "image/jpeg", ...size },
    before: { bytes: before, type: "image/webp", width, height },
    after: { bytes: after, type: "image/webp", ...size },
    comparison: { bytes: image, type: "image/jpeg", ...size },
  };
}
