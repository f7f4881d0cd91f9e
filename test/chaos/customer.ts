import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import sharp from "sharp";
import type { Restoration } from "#functions/api/restoration-schema.ts";

/** A customer that gives up on nothing: every call is repeated until it is answered. */
export interface Customer {
  /** Sends the n-th photograph. Answers the restoration's id. */
  submit(n: number): Promise<string>;
  look(id: string): Promise<Restoration>;
  /** Whether the result can be fetched and holds the bytes that were promised. */
  hasResult(restoration: Restoration): Promise<boolean>;
  /** Jobs of which two different results were ever seen: they were accepted twice. */
  doubled(): number;
}

const PHOTO_PX = 48;
const PAUSE_MS = 100;
const CALL_MS_MAX = 15_000;
/** Bytes that arrive damaged are fetched anew so often. */
const FETCHES_MAX = 20;

/**
 * @param ask.base where the stack is reached. @param ask.name distinguishes this run's idempotency keys from others'.
 * @param ask.untilMs of `performance.now()`: after it an unanswered call throws.
 */
export function createCustomer(ask: {
  base: string;
  name: string;
  random: () => number;
  untilMs: number;
}): Customer {
  const seen = new Map<string, Set<string>>();

  /** A call that outlives any restart of the stack and any fault on the way. */
  async function call(path: string, init: RequestInit = {}): Promise<{ status: number; body: Buffer }> {
    for (;;) {
      if (performance.now() > ask.untilMs) throw new Error(`no answer to ${path} before the deadline`);
      try {
        const signal = AbortSignal.timeout(CALL_MS_MAX);
        const response = await fetch(new URL(path, ask.base), { ...init, signal });
        const body = Buffer.from(await response.arrayBuffer());
        if (response.status < 500 && response.status !== 429) return { status: response.status, body };
      } catch {
        // Down for a moment, or cut off on the way.
      }
      await sleep(PAUSE_MS);
    }
  }

  async function photograph(n: number): Promise<Buffer> {
    const noise = Uint8Array.from(
      { length: PHOTO_PX * PHOTO_PX * 3 },
      (_, i) => 128 + 60 * Math.sin(i / (5 + n)) + 20 * (ask.random() - 0.5),
    );
    const raw = { width: PHOTO_PX, height: PHOTO_PX, channels: 3 } as const;
    return await sharp(noise, { raw }).png().toBuffer();
  }

  /** A body that is damaged on its way is refused, and sent again. */
  async function upload(slot: NonNullable<Restoration["upload"]>, bytes: Buffer, n: number): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const { status, body } = await call(slot.url, {
        method: slot.method,
        headers: slot.headers,
        body: bytes,
      });
      if (status === 200 || status === 412) return;
      if (tries === FETCHES_MAX) throw new Error(`upload ${n}: ${status} ${body.toString()}`);
    }
  }

  async function look(id: string): Promise<Restoration> {
    const { body } = await call(`/v1/restorations/${id}`);
    const restoration = JSON.parse(body.toString()) as Restoration;
    if (restoration.output !== null) {
      const { url, sha256 } = restoration.output;
      seen.set(id, (seen.get(id) ?? new Set()).add(`${new URL(url).pathname} ${sha256}`));
    }
    return restoration;
  }

  return {
    look,
    async submit(n) {
      const bytes = await photograph(n);
      const file = {
        content_type: "image/png",
        content_length: bytes.length,
        checksum_sha256: createHash("sha256").update(bytes).digest("hex"),
      };
      const { status, body } = await call("/v1/restorations", {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": `${ask.name}-${n}` },
        body: JSON.stringify({ input: { file } }),
      });
      if (status >= 300) throw new Error(`create ${n}: ${status} ${body.toString()}`);
      const restoration = JSON.parse(body.toString()) as Restoration;
      if (restoration.upload !== null) await upload(restoration.upload, bytes, n);
      return restoration.id;
    },
    async hasResult({ id, output }) {
      for (let tries = 1; tries <= FETCHES_MAX; tries += 1) {
        const again = await look(id);
        const { status, body } = await call(again.output?.url ?? "");
        const digest = createHash("sha256").update(body).digest("hex");
        if (status === 200 && digest === output?.sha256) return true;
      }
      return false;
    },
    doubled: () => [...seen.values()].filter((results) => results.size > 1).length,
  };
}
