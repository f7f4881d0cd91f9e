/** What the routes of a restoration do: create, list, read, follow, cancel, fetch the result. */
import { apply, leftToSweeper } from "../apply.ts";
import type { Api, ApiDoors } from "./api.ts";
import { EVENT_STREAM, streamText } from "./event-stream.ts";
import { createOnce } from "./idempotency.ts";
import { matchesTag, preferredWait } from "./request-headers.ts";
import { prepareRestoration, slotOf, startRestoration } from "./restoration-create.ts";
import {
  demandJob,
  findRestoration,
  linksUntil,
  readRestoration,
  showRestoration,
} from "./restoration-object.ts";
import { resultFile } from "./restoration-result.ts";
import {
  cancelRoute,
  eraseRoute,
  createRoute,
  eventsRoute,
  listRoute,
  readRoute,
  resultRoute,
} from "./restoration-routes.ts";
import { awaitState, createWatcher, restorationEvents, type Watched } from "./restoration-watch.ts";
import { isTerminal } from "#shared/domain/job.ts";

/** When a fresh restoration is worth asking for again. */
const RETRY_AFTER_SECONDS = 2;

export function restorationRoutes(app: Api, doors: ApiDoors): void {
  const { store, blobs, clock } = doors;
  const watcher = createWatcher(doors);

  app.openapi(createRoute, async (c) => {
    const { org } = c.get("actor");
    const body = c.req.valid("json");
    const ask = {
      org,
      key: c.req.valid("header")["idempotency-key"],
      call: { route: createRoute.path, body },
    };
    const { answer, replayed } = await createOnce(doors, ask, () => prepareRestoration(doors, org, body));
    if (replayed) c.header("idempotent-replayed", "true");
    else await startRestoration(doors, answer.id);
    c.header("location", answer.links.self);
    c.header("retry-after", String(RETRY_AFTER_SECONDS));
    return c.json({ ...answer, upload: await slotOf(doors, answer, body) }, 202);
  });

  app.openapi(listRoute, async (c) => {
    const { org } = c.get("actor");
    const { limit, cursor } = c.req.valid("query");
    const page = await store.nominate("org", `ORG#${org}`, {
      limit,
      newestFirst: true,
      ...(cursor === undefined ? {} : { cursor }),
    });
    // The index only nominates: what it names may be gone. One whose record is damaged must not hide the others.
    const found = await Promise.all(
      page.rows.map(({ at }) => findRestoration(store, org, at).catch(leftToSweeper)),
    );
    const states = found.filter((state) => state !== undefined);
    const data = await Promise.all(states.map((state) => showRestoration(doors, state)));
    return c.json({ object: "list" as const, data, next_cursor: page.cursor ?? null }, 200);
  });

  app.openapi(readRoute, async (c) => {
    const { id } = c.req.valid("param");
    const headers = c.req.valid("header");
    const known = headers["if-none-match"];
    const waitSeconds = preferredWait(headers.prefer);
    const ask = { org: c.get("actor").org, id };
    const isKnown = ({ etag }: Watched): boolean => known !== undefined && matchesTag(known, etag);
    const isEnough = (each: Watched): boolean => known !== undefined && !isKnown(each);
    const watch = (): AsyncIterable<Watched> =>
      watcher.watch({ ...ask, forMs: waitSeconds * 1000 }, c.req.raw.signal);
    const seen = waitSeconds > 0 ? await awaitState(watch(), isEnough) : await watcher.look(ask);
    c.header("etag", seen.etag);
    c.header("cache-control", "private, no-cache");
    if (waitSeconds > 0) c.header("preference-applied", `wait=${waitSeconds}`);
    if (isKnown(seen)) return c.body(null, 304);
    return c.json(await showRestoration(doors, seen.state), 200);
  });

  app.openapi(eventsRoute, async (c) => {
    const { org } = c.get("actor");
    const { id } = c.req.valid("param");
    const lastEventId = c.req.valid("header")["last-event-id"];
    const { state, etag } = await watcher.look({ org, id });
    if (isTerminal(state.job.status) && lastEventId === etag) return c.body(null, 204);
    // Hono answers HEAD by GET and drops the body unread: a stream would never hear that nobody listens.
    if (c.req.method === "HEAD") return c.body(null, 200, EVENT_STREAM);
    return streamText(
      (signal) => restorationEvents(doors, watcher, { org, id, lastEventId }, signal),
      c.req.raw.signal,
    );
  });

  app.openapi(cancelRoute, async (c) => {
    const { org } = c.get("actor");
    const { id } = c.req.valid("param");
    await readRestoration(store, org, id);
    await apply(doors, id, { type: "cancel-asked" });
    return c.json(await showRestoration(doors, await readRestoration(store, org, id)), 200);
  });

  app.openapi(eraseRoute, async (c) => {
    const { id } = c.req.valid("param");
    await demandJob(store, c.get("actor").org, id);
    await apply(doors, id, { type: "erase-asked" });
    return c.body(null, 204);
  });

  app.openapi(resultRoute, async (c) => {
    const { job } = await readRestoration(store, c.get("actor").org, c.req.valid("param").id);
    const { key, fileName } = resultFile(job);
    const { url } = await blobs.signGet({ key, fileName, expiresAt: linksUntil(clock.now()) });
    return c.redirect(url, 302);
  });
}
