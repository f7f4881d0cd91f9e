import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { createBlobDoor } from "#shared/adapters/blob-door.ts";
import type { StreamedBlobs } from "#shared/adapters/streamed-blobs.ts";
import { createUrlSigner, type UrlSigner } from "#shared/adapters/url-signer.ts";
import type { Clock } from "#shared/ports.ts";

export interface BlobServer<T extends StreamedBlobs> {
  readonly blobs: T;
  readonly signer: UrlSigner;
  /** Keys that the door reported as stored. */
  readonly stored: string[];
  readonly close: () => Promise<void>;
}

/** Serves blobs at their signed URLs on a free port of this machine. */
export async function serveBlobs<T extends StreamedBlobs>(
  clock: Clock,
  openBlobs: (signer: UrlSigner) => Promise<T>,
): Promise<BlobServer<T>> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const signer = createUrlSigner({ secret: Buffer.alloc(32, 7), baseUrl });
  const blobs = await openBlobs(signer);
  const stored: string[] = [];
  const door = createBlobDoor({ blobs, signer, clock, onStored: async (key) => void stored.push(key) });
  const listener = getRequestListener(door);
  server.on("request", (request, response) => void listener(request, response));
  const close = async () => {
    server.close();
    server.closeAllConnections();
  };
  return { blobs, signer, stored, close };
}
