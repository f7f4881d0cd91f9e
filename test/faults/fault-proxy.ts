import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { systemClock } from "#shared/adapters/system-clock.ts";
import { invariant } from "#shared/domain/fault.ts";
import type { Clock } from "#shared/ports.ts";
import { createTricks } from "./aws-faults.ts";
import { cutShort, flipBit, hold, lengthOf, trickle } from "./fault-bodies.ts";
import { carriesBytes, headOf, serverErrorOf, throttleOf, type HeldReply } from "./fault-dialect.ts";
import {
  createFaultPlan,
  FAULT_TIMES,
  type Dialect,
  type Fate,
  type FaultName,
  type FaultRates,
  type FaultTimes,
  type RequestHead,
  type Scripted,
} from "./fault-plan.ts";
import { connectTarget } from "./target-connection.ts";

/** A fault that was done to a request. */
export interface ProxyFault {
  /** The request's number, from 1. */
  readonly n: number;
  readonly kind: FaultName;
  readonly request: RequestHead;
}

interface FaultProxyOptions {
  /** An HTTP server; its host and port are taken. */
  readonly target: URL;
  /** 32 bits. Requests that come in the same order meet the same faults. */
  readonly seed: number;
  /** None by default: then only what is scripted happens. */
  readonly rates?: FaultRates;
  readonly dialect?: Dialect;
  readonly times?: Partial<FaultTimes>;
  /** For the faults that take time. */
  readonly clock?: Clock;
  readonly onFault?: (fault: ProxyFault) => void;
}

export interface FaultProxy extends AsyncDisposable {
  /** Clients take it for the target. Signatures made for it hold: the target sees the very host they were made for. */
  readonly url: string;
  /** Requests so far. */
  readonly requests: () => number;
  /** Faults done so far, by kind. */
  readonly counts: () => Readonly<Partial<Record<FaultName, number>>>;
  /** Requests that broke without being meant to: the target was down, or broke off itself. */
  readonly failures: () => number;
  /** Scripts a fault: the next request that fits meets it, whatever the rates say. */
  next(scripted: Scripted): void;
  setRates(rates: FaultRates): void;
  /** Breaks off what is in the air. */
  close(): Promise<void>;
}

const CONNECTIONS_MAX = 512;
/** Longer than any client keeps a quiet connection, so that this end never closes one that is about to be used. */
const KEEP_ALIVE_MS = 120_000;

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly head: RequestHead;
  readonly fate: Fate;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
  /** The fault is being done. */
  readonly strike: () => void;
}

/**
 * A proxy on a free port of this machine that stands before an HTTP/1.1 server and does to its traffic what networks and
 * busy engines do. Bodies are streamed; only `duplicate` and AWS's own faults hold a body (at most HELD_BYTES_MAX, longer
 * ones pass unharmed).
 */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const { dialect = "plain", clock = systemClock } = options;
  invariant(options.target.protocol === "http:", "the target is an http server");
  const times: FaultTimes = { ...FAULT_TIMES, ...options.times };
  const plan = createFaultPlan(dialect, options.seed, options.rates ?? {});
  const tricks = createTricks(dialect);
  const target = connectTarget(options.target, CONNECTIONS_MAX);
  const counts: Partial<Record<FaultName, number>> = {};
  const open = new Set<Promise<void>>();
  let requests = 0;
  let failures = 0;

  async function serve(x: Exchange): Promise<void> {
    const { kind, random } = x.fate;
    switch (kind) {
      case "drop-before":
        return drop(x);
      case "drop-after":
        await finished((await ask(x)).resume());
        return drop(x);
      case "cut":
        return pass(x, (answer) => {
          x.strike();
          return cutShort(lengthOf(answer.headers), random);
        });
      case "delay":
        x.strike();
        await clock.sleep(times.delayMsMin + random() * (times.delayMsMax - times.delayMsMin), x.signal);
        return pass(x);
      case "server-error":
        x.strike();
        return reply(x, serverErrorOf(dialect));
      case "throttle":
        x.strike();
        return reply(x, throttleOf(dialect, random));
      case "half-open":
        x.strike();
        await clock.sleep(times.halfOpenMs, x.signal);
        return void x.request.socket.destroy();
      case "slow":
        return pass(x, (answer) => {
          x.strike();
          x.response.flushHeaders();
          const ms = (0.2 + 0.8 * random()) * times.slowMsMax;
          return trickle(lengthOf(answer.headers), ms, (ms) => clock.sleep(ms, x.signal));
        });
      case "duplicate":
        return duplicate(x);
      case "flip-request":
        return carriesBytes(dialect, x.request)
          ? passChanged(x, flipBit(lengthOf(x.request.headers), random, x.strike))
          : pass(x);
      case "flip-response":
        return carriesBytes(dialect, x.request)
          ? pass(x, (answer) =>
              answer.statusCode === 200 || answer.statusCode === 206
                ? flipBit(lengthOf(answer.headers), random, x.strike)
                : undefined,
            )
          : pass(x);
      case undefined:
      case "transaction-conflict":
      case "transaction-throttle":
      case "stale-index":
      case "double-delivery":
      case "late-redelivery":
        return trick(x);
    }
  }

  function drop({ request, strike }: Exchange): void {
    strike();
    request.socket.destroy();
  }

  /** Sends the request on as it comes. */
  function ask({ request, response, signal }: Exchange, body: Readable = request): Promise<IncomingMessage> {
    return target.ask({ request, body, signal, onContinue: () => response.writeContinue() });
  }

  async function pass(
    x: Exchange,
    changeOf?: (
      answer: IncomingMessage,
    ) => ((body: AsyncIterable<Buffer>) => AsyncGenerator<Buffer>) | undefined,
  ): Promise<void> {
    await answerWith(x, await ask(x), changeOf);
  }

  async function passChanged(
    x: Exchange,
    change: (body: AsyncIterable<Buffer>) => AsyncGenerator<Buffer>,
  ): Promise<void> {
    await answerWith(x, await ask(x, Readable.from(change(x.request), { objectMode: false })));
  }

  async function answerWith(
    { request, response }: Exchange,
    answer: IncomingMessage,
    changeOf?: (
      answer: IncomingMessage,
    ) => ((body: AsyncIterable<Buffer>) => AsyncGenerator<Buffer>) | undefined,
  ): Promise<void> {
    // A client that is still sending is heard out: some take an early end of the connection for the answer.
    if (request.headers.expect === undefined && !request.readableEnded) {
      await Promise.race([once(request, "end"), once(request, "close")]);
    }
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, answer.rawHeaders);
    const change = changeOf?.(answer);
    await (change === undefined ? pipeline(answer, response) : pipeline(answer, change, response));
  }

  async function reply({ request, response }: Exchange, held: HeldReply): Promise<void> {
    request.resume();
    // Nobody will ask for the body of a request that waits for permission, so nothing can follow it.
    if (request.headers.expect !== undefined) response.shouldKeepAlive = false;
    response.writeHead(held.status, held.statusMessage, [...held.rawHeaders]);
    response.end(request.method === "HEAD" ? undefined : held.body);
    await finished(response);
  }

  /** The body of a request that may have asked for permission to send it. */
  function holdRequest({ request, response }: Exchange): Promise<Buffer | undefined> {
    if (request.headers.expect !== undefined) response.writeContinue();
    return hold(request);
  }

  async function duplicate(x: Exchange): Promise<void> {
    const { request, head } = x;
    // A second reading does no more than a lost answer, and a second long poll would keep the first one's answer back.
    if (["GET", "HEAD"].includes(head.method) || head.operation === "ReceiveMessage") return pass(x);
    const body = await holdRequest(x);
    if (body === undefined) return pass(x);
    const first = await target.askWhole({ request, body });
    x.strike();
    await target.askWhole({ request, body });
    return reply(x, first);
  }

  async function trick(x: Exchange): Promise<void> {
    const { request, head, fate } = x;
    const watching = tricks.filter((each) => each.watches(head.operation ?? ""));
    if (watching.length === 0) return pass(x);
    const body = await holdRequest(x);
    if (body === undefined) return pass(x);
    let next = () => target.askWhole({ request, body, signal: x.signal });
    for (const { kind, answer } of watching) {
      const inner = next;
      const strike = kind === fate.kind ? x.strike : undefined;
      next = () => answer({ operation: head.operation ?? "", body, random: fate.random, strike }, inner);
    }
    return reply(x, await next());
  }

  async function accept(request: IncomingMessage, response: ServerResponse): Promise<void> {
    requests += 1;
    response.sendDate = false;
    const head = headOf(request);
    const fate = plan.fateOf(head);
    const gone = new AbortController();
    response.once("close", () => {
      if (!response.writableFinished) gone.abort();
    });
    const strike = () => {
      const { kind, n } = fate;
      if (kind === undefined) return;
      counts[kind] = (counts[kind] ?? 0) + 1;
      options.onFault?.({ n, kind, request: head });
    };
    try {
      await serve({ request, response, head, fate, signal: gone.signal, strike });
    } catch {
      // What a cut was meant to do, or the target's failure: the client sees both as a broken connection.
      if (fate.kind !== "cut" && !gone.signal.aborted) failures += 1;
      request.socket.destroy();
    }
  }

  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    const exchange = accept(request, response).finally(() => open.delete(exchange));
    open.add(exchange);
  };
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0 }, listener);
  server.on("checkContinue", listener);
  server.maxConnections = CONNECTIONS_MAX;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  let closed: Promise<void> | undefined;
  async function shut(): Promise<void> {
    const ended = once(server, "close");
    server.close();
    server.closeAllConnections();
    await ended;
    target.close();
    await Promise.all(open);
  }
  const close = () => (closed ??= shut());

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    counts: () => ({ ...counts }),
    failures: () => failures,
    next: plan.next,
    setRates: plan.setRates,
    close,
    [Symbol.asyncDispose]: close,
  };
}
