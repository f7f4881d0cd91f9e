import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { hold } from "./fault-bodies.ts";
import type { HeldReply } from "./fault-dialect.ts";

interface Ask {
  /** Its method, path and headers are passed on exactly as they came: signatures cover `Host` and more. */
  readonly request: IncomingMessage;
  readonly body: Readable | Buffer;
  readonly signal?: AbortSignal;
  /** The target wants to see the body of a request that asked whether it should be sent. */
  readonly onContinue?: () => void;
}

/** The proxy's side towards its target: kept-alive connections. */
export interface TargetConnection {
  /** Resolves with the head of the answer. */
  ask(ask: Ask): Promise<IncomingMessage>;
  /** Resolves with the whole answer. @throws when it is longer than HELD_BYTES_MAX. */
  askWhole(ask: Ask): Promise<HeldReply>;
  close(): void;
}

export function connectTarget(target: URL, connectionsMax: number): TargetConnection {
  const agent = new Agent({ keepAlive: true, maxSockets: connectionsMax });
  const port = target.port === "" ? 80 : Number(target.port);

  function ask({ request, body, signal, onContinue }: Ask): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest({
        agent,
        host: target.hostname,
        port,
        method: request.method ?? "GET",
        path: request.url ?? "/",
        headers: headersOf(request),
        ...(signal !== undefined && { signal }),
      });
      // A target that has answered need not read to the end; the client is read to its end all the same.
      const stopSending = () => void (Buffer.isBuffer(body) || body.unpipe(outgoing).resume());
      outgoing.once("response", (answer) => {
        stopSending();
        answer.once("end", () => void (outgoing.writableFinished || outgoing.destroy()));
        resolve(answer);
      });
      outgoing.on("error", (error) => {
        stopSending();
        reject(error);
      });
      if (onContinue !== undefined) outgoing.once("continue", onContinue);
      if (!Buffer.isBuffer(body)) body.once("error", (error) => outgoing.destroy(error));
      outgoing.flushHeaders();
      if (Buffer.isBuffer(body)) outgoing.end(body);
      else body.pipe(outgoing);
    });
  }

  async function askWhole(question: Ask): Promise<HeldReply> {
    const answer = await ask(question);
    const body = await hold(answer);
    if (body === undefined) {
      answer.destroy();
      throw new Error("the answer is too long to be held");
    }
    const { statusCode: status = 0, statusMessage = "", rawHeaders } = answer;
    return { status, statusMessage, rawHeaders, body };
  }

  return { ask, askWhole, close: () => agent.destroy() };
}

/** Without a length Node would frame a body that is not there, in a header that the client did not send. */
function headersOf({ method = "GET", headers, rawHeaders }: IncomingMessage): string[] {
  const isFramed = headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined;
  const isRead = ["GET", "HEAD", "DELETE", "OPTIONS"].includes(method);
  return isFramed || isRead ? rawHeaders : [...rawHeaders, "Content-Length", "0"];
}
