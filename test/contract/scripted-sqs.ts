import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

export interface SqsRequest {
  /** As the API names it: `SendMessageBatch`. */
  readonly operation: string;
  readonly body: Readonly<Record<string, unknown>> & { readonly Entries?: readonly SqsEntry[] };
}

interface SqsEntry {
  readonly Id: string;
  readonly MessageBody?: string;
  readonly ReceiptHandle?: string;
}

export interface SqsAnswer {
  /** 200 by default. */
  readonly status?: number;
  /** An error's shape name; absent for an answer. */
  readonly error?: string;
  readonly body?: object;
}

/** No answer at all. */
export const SILENCE = "silence";

/** A server that speaks SQS's JSON protocol on this machine and gives the answers it is told to. */
export async function scriptedSqs(
  answer: (request: SqsRequest, before: readonly SqsRequest[]) => SqsAnswer | typeof SILENCE,
) {
  const requests: SqsRequest[] = [];
  const hungUp = Promise.withResolvers<void>();
  const server = createServer((request, response) => void respond(request, response));

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const operation = String(request.headers["x-amz-target"]).replace("AmazonSQS.", "");
    const asked: SqsRequest = { operation, body: (await json(request)) as SqsRequest["body"] };
    const told = answer(asked, requests);
    requests.push(asked);
    if (told === SILENCE) {
      response.once("close", hungUp.resolve);
      return;
    }
    const { status = 200, error, body = {} } = told;
    response.writeHead(status, { "content-type": "application/x-amz-json-1.0" });
    response.end(
      JSON.stringify(error === undefined ? body : { __type: `com.amazonaws.sqs#${error}`, ...body }),
    );
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    endpoint,
    url: `${endpoint}/000000000000/scripted`,
    requests,
    /** Resolves when a client has given up a request that was met with silence. */
    hungUp: hungUp.promise,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
