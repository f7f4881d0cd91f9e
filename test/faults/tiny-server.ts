import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export interface TinyServer extends AsyncDisposable {
  readonly url: URL;
  /** Every request that arrived whole. */
  readonly seen: Seen[];
}

/** A server that remembers what it was asked. */
export async function startTinyServer(answer: (request: Seen) => Answer = () => ({})): Promise<TinyServer> {
  const seen: Seen[] = [];

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = await buffer(request);
      const { method = "", url: path = "", rawHeaders } = request;
      const whole = { method, path, rawHeaders, body };
      seen.push(whole);
      const { status = 200, headers = {}, body: text = "" } = answer(whole);
      response.writeHead(status, { "Content-Length": Buffer.byteLength(text), ...headers });
      response.end(method === "HEAD" ? undefined : text);
    } catch {
      request.socket.destroy();
    }
  }

  const server = createServer((request, response) => void serve(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    seen,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
