import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Restoration } from "#functions/api/restoration-schema.ts";

/** A client of a running stack, through the API as everybody. */
export interface BenchClient {
  /**
   * Runs one photograph from create to its end; the bytes are the upload.
   * @param contentType image/png by default.
   */
  readonly restore: (
    bytes: Buffer,
    options: Record<string, unknown>,
    contentType?: string,
  ) => Promise<Restoration>;
  readonly download: (url: string) => Promise<Buffer>;
}

/** The times that count are the server's: a client that asks more often only takes from the cores that are measured. */
const POLL_MS = 250;
const JOB_MS_MAX = 60 * 60_000;

/** @param onPoll told what every look at a job shows. */
export function createBenchClient(
  url: string,
  onPoll: (restoration: Restoration) => void = () => undefined,
): BenchClient {
  let n = 0;
  return {
    async restore(bytes, options, contentType = "image/png") {
      const file = {
        content_type: contentType,
        content_length: bytes.length,
        checksum_sha256: createHash("sha256").update(bytes).digest("hex"),
      };
      const created = await fetch(new URL("/v1/restorations", url), {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": `bench-${++n}` },
        body: JSON.stringify({ ...options, input: { file } }),
      });
      const restoration = (await created.json()) as Restoration;
      if (!created.ok || restoration.upload === null)
        throw new Error(`create: ${created.status} ${JSON.stringify(restoration)}`);
      const stored = await fetch(restoration.upload.url, {
        method: restoration.upload.method,
        headers: restoration.upload.headers,
        body: bytes,
      });
      if (!stored.ok) throw new Error(`upload: ${stored.status} ${await stored.text()}`);
      const until = performance.now() + JOB_MS_MAX;
      for (;;) {
        const answer = await fetch(new URL(`/v1/restorations/${restoration.id}`, url));
        const current = (await answer.json()) as Restoration;
        onPoll(current);
        if (current.status === "succeeded") return current;
        if (["failed", "canceled", "expired"].includes(current.status))
          throw new Error(`${current.status}: ${JSON.stringify(current.error)}`);
        if (performance.now() > until) throw new Error("the job did not end in time");
        await sleep(POLL_MS);
      }
    },
    download: async (address) => Buffer.from(await (await fetch(address)).arrayBuffer()),
  };
}
