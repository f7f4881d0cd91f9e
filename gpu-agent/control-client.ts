import type { z } from "zod";
import { Fault } from "#shared/domain/fault.ts";
import {
  BeatAnswer,
  ClaimAnswer,
  CompleteAnswer,
  RegisterAnswer,
  Verdict,
  type BeatAsk,
  type Capabilities,
  type ClaimAsk,
  type CompleteAsk,
  type FailAsk,
  type ReleaseAsk,
  type UnreadableAsk,
} from "#shared/domain/message.ts";

/** Claim, complete and beat give up after this and are repeated: all of them may be. */
const CONTROL_TIMEOUT_MS = 4_000;
const ANSWER_BYTES_MAX = 1024 * 1024;

/**
 * The control plane as an agent sees it. Every call may be repeated. All throw
 * - Fault busy `control_unreachable`: no answer, or a 5xx; repeat the same call;
 * - Fault auth `agent_unknown`: this agent's item is gone (401, 404); register anew;
 * - Fault input `request_refused`: any other 4xx, or an answer that is not of the protocol: a bug of one of the two.
 */
export interface ControlApi {
  register(ask: Capabilities): Promise<RegisterAnswer>;
  beat(token: string, ask: BeatAsk): Promise<BeatAnswer>;
  claim(token: string, ask: ClaimAsk): Promise<ClaimAnswer>;
  complete(token: string, ask: CompleteAsk): Promise<CompleteAnswer>;
  fail(token: string, ask: FailAsk): Promise<Verdict>;
  release(token: string, ask: ReleaseAsk): Promise<Verdict>;
  /** Keeps a message that is no doorbell. */
  putAside(token: string, ask: UnreadableAsk): Promise<void>;
  /** The process is about to exit: whatever it still holds is free at once. */
  goodbye(token: string): Promise<void>;
}

/** JSON over HTTP. @param ask.url where the control plane stands, without a trailing slash. */
export function createControlClient(ask: { url: string; fleetSecret: string }): ControlApi {
  async function post<T>(
    path: string,
    request: { bearer: string; body: unknown },
    schema?: z.ZodType<T>,
  ): Promise<T> {
    const { status, text } = await send(`${ask.url}/agents/${path}`, request);
    if (status === 401 || status === 404) {
      throw new Fault(
        "auth",
        "agent_unknown",
        `The control plane does not know this agent (${path}: ${status}).`,
      );
    }
    if (status >= 400 && status < 500 && status !== 408 && status !== 429)
      throw refused(path, `${status} ${text}`);
    if (status < 200 || status >= 300) throw unreachable(path, { details: { status } });
    return schema === undefined ? (undefined as T) : parse(path, text, schema);
  }

  return {
    register: (body) => post("register", { bearer: ask.fleetSecret, body }, RegisterAnswer),
    beat: (bearer, body) => post("beat", { bearer, body }, BeatAnswer),
    claim: (bearer, body) => post("claim", { bearer, body }, ClaimAnswer),
    complete: (bearer, body) => post("complete", { bearer, body }, CompleteAnswer),
    fail: (bearer, body) => post("fail", { bearer, body }, Verdict),
    release: (bearer, body) => post("release", { bearer, body }, Verdict),
    putAside: (bearer, body) => post("unreadable", { bearer, body }),
    goodbye: (bearer) => post("goodbye", { bearer, body: {} }),
  };
}

async function send(
  url: string,
  request: { bearer: string; body: unknown },
): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { authorization: `Bearer ${request.bearer}`, "content-type": "application/json" },
      body: JSON.stringify(request.body),
      redirect: "error",
      signal: AbortSignal.timeout(CONTROL_TIMEOUT_MS),
    });
    return { status: response.status, text: await readText(response) };
  } catch (cause) {
    throw unreachable(new URL(url).pathname, { cause });
  }
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error("the answer is longer than the protocol allows");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parse<T>(path: string, text: string, schema: z.ZodType<T>): T {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw refused(path, "the answer is not JSON");
  }
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw refused(path, parsed.error.message);
  return parsed.data;
}

function unreachable(path: string, extra: { cause?: unknown; details?: unknown }): Fault {
  return new Fault("busy", "control_unreachable", `The control plane did not answer (${path}).`, extra);
}

function refused(path: string, why: string): Fault {
  const message = `The control plane and this agent do not understand each other (${path}).`;
  return new Fault("input", "request_refused", message, { details: why.slice(0, 500) });
}
