/**
 * The process between versitygw's webhook and the uploads queue: what S3's bucket notifications do on AWS.
 * `node upload-events.ts --port N --bucket NAME --prefix TEXT --suffix TEXT --endpoint URL --queue URL`
 */
import { createServer, type IncomingMessage } from "node:http";
import { parseArgs } from "node:util";
import { uploadMessage } from "./upload-event.ts";
import { openSqsQueue } from "#shared/adapters/sqs-queue.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";

const BODY_BYTES_MAX = 64 * 1024;

const text = { type: "string", default: "" } as const;
const { values } = parseArgs({
  options: { port: text, bucket: text, prefix: text, suffix: text, endpoint: text, queue: text },
});
const queue = await openSqsQueue({ endpoint: values.endpoint, url: values.queue, clock: systemClock });

const server = createServer((request, response) => {
  announce(request)
    .then((status) => response.writeHead(status).end())
    .catch((error: unknown) => {
      // versitygw does not repeat itself: the log is the only place left to tell of the loss.
      console.error(new Date().toISOString(), "not announced:", error);
      response.writeHead(500).end();
    });
});

async function announce(request: IncomingMessage): Promise<number> {
  if (request.method !== "POST") return 405;
  const body = uploadMessage(JSON.parse(await readBody(request)), values);
  if (body !== undefined) await queue.send([{ body }]);
  return 204;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Error(`a notification of more than ${BODY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

server.listen(Number(values.port), "127.0.0.1");
process.once("SIGTERM", () => process.exit(0));
