/** Watching a restoration: for answers that wait for a change and for the stream of events. Bounded in number and time. */
import type { ApiDoors } from "./api.ts";
import { etagOf, readRestoration, showRestoration, type RestorationState } from "./restoration-object.ts";
import { Fault, invariant } from "#shared/domain/fault.ts";
import { isTerminal } from "#shared/domain/job.ts";

export const WAIT_SECONDS_MAX = 30;
const LOOK_EVERY_MS = 500;
const HEARTBEAT_MS = 15_000;
/** A stream ends then; a browser opens it again by itself. */
const STREAM_MS_MAX = 15 * 60_000;
const RECONNECT_MS = 2_000;
const WATCHES_MAX = 256;

export interface Watched {
  readonly state: RestorationState;
  readonly etag: string;
}

interface LookAsk {
  readonly org: string;
  readonly id: string;
}

interface WatchAsk extends LookAsk {
  /** Milliseconds; the watch ends then. */
  readonly forMs: number;
}

export interface Watcher {
  /** How it stands now. @throws Fault missing `restoration_missing`. */
  readonly look: (ask: LookAsk) => Promise<Watched>;
  /**
   * Yields at once, and then at every look, changed or not, until the restoration has ended, time is up or the signal
   * aborts. @throws Fault missing `restoration_missing`; busy `watches_exhausted`.
   */
  readonly watch: (ask: WatchAsk, signal: AbortSignal) => AsyncGenerator<Watched>;
}

/** Counts the watches of one process, so that waiting callers cannot exhaust it. */
export function createWatcher({
  store,
  clock,
  closing,
}: Pick<ApiDoors, "store" | "clock" | "closing">): Watcher {
  let open = 0;

  async function look({ org, id }: LookAsk): Promise<Watched> {
    const state = await readRestoration(store, org, id);
    return { state, etag: etagOf(state, clock.now()) };
  }

  async function* watch(ask: WatchAsk, signal: AbortSignal): AsyncGenerator<Watched> {
    if (open >= WATCHES_MAX)
      throw new Fault(
        "busy",
        "watches_exhausted",
        "Too many callers wait at once; please ask without waiting.",
      );
    const until = clock.now() + ask.forMs;
    const stop = closing === undefined ? signal : AbortSignal.any([signal, closing]);
    open += 1;
    try {
      for (;;) {
        const seen = await look(ask);
        yield seen;
        const restMs = until - clock.now();
        if (isTerminal(seen.state.job.status) || restMs <= 0 || stop.aborted) return;
        await clock.sleep(Math.min(LOOK_EVERY_MS, restMs), stop).catch(() => undefined);
        if (stop.aborted) return;
      }
    } finally {
      open -= 1;
    }
  }

  return { look, watch };
}

/** The first state that is enough, or else the last one seen. */
export async function awaitState(
  watched: AsyncIterable<Watched>,
  isEnough: (watched: Watched) => boolean,
): Promise<Watched> {
  let last: Watched | undefined;
  for await (const each of watched) {
    last = each;
    if (isEnough(each)) break;
  }
  invariant(last !== undefined, "a watch yields at least once");
  return last;
}

export interface StreamAsk extends LookAsk {
  /** The tag of the last event the caller has seen. */
  readonly lastEventId: string | undefined;
}

/**
 * Server-sent events: the whole object as `restoration` at each change, its ETag as the event's id, a comment as
 * heartbeat. Ends with the restoration.
 */
export async function* restorationEvents(
  doors: Pick<ApiDoors, "blobs" | "clock">,
  watcher: Watcher,
  ask: StreamAsk,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let known = ask.lastEventId;
  let spokeAt = doors.clock.now();
  let opening = `retry: ${RECONNECT_MS}\n\n`;
  for await (const { state, etag } of watcher.watch({ ...ask, forMs: STREAM_MS_MAX }, signal)) {
    let text = opening;
    opening = "";
    if (etag !== known)
      text += `event: restoration\nid: ${etag}\ndata: ${JSON.stringify(await showRestoration(doors, state))}\n\n`;
    else if (doors.clock.now() - spokeAt >= HEARTBEAT_MS) text += ": still here\n\n";
    known = etag;
    if (text === "") continue;
    spokeAt = doors.clock.now();
    yield text;
  }
}
