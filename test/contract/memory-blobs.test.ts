import { createManualClock } from "#shared/adapters/manual-clock.ts";
import { createMemoryBlobs } from "#shared/adapters/memory-blobs.ts";
import { createUrlSigner } from "#shared/adapters/url-signer.ts";
import { blobsContract } from "./blobs.contract.ts";
import { presignedContract } from "./presigned.contract.ts";
import { serveBlobs } from "./blob-server.ts";

const signer = createUrlSigner({ secret: Buffer.alloc(32, 7), baseUrl: "http://localhost" });

blobsContract("memory blobs", async () => ({
  blobs: createMemoryBlobs({ signer }),
  close: async () => undefined,
}));

presignedContract("memory blobs", async () => {
  const clock = createManualClock();
  const server = await serveBlobs(clock, async (signer) => createMemoryBlobs({ signer }));
  return { ...server, now: () => clock.now(), advance: (ms) => clock.advance(ms) };
});
