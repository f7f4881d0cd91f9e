import type { Readable } from "node:stream";

/** What a fault may hold in memory of one body; longer ones pass without that fault. */
export const HELD_BYTES_MAX = 16 * 1024 * 1024;

const SLOW_PIECES = 20;
const PIECE_BYTES = 1_024;

/** The length of a body as its headers tell, in bytes; undefined where they do not. */
export function lengthOf(headers: {
  readonly [name: string]: string | string[] | undefined;
}): number | undefined {
  const length = headers["content-length"] ?? headers["x-amz-decoded-content-length"];
  return typeof length === "string" ? Number(length) : undefined;
}

/**
 * The whole body; undefined when it is longer than HELD_BYTES_MAX: then what was read is put back, and the stream may be
 * used as if nothing had been.
 */
export async function hold(body: Readable): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > HELD_BYTES_MAX) {
      body.unshift(Buffer.concat(chunks));
      return undefined;
    }
  }
  return Buffer.concat(chunks);
}

/**
 * One bit is the other way round: of a body of known `length`, anywhere; else in its first chunk.
 * @param flipped told when it was done: an empty body has no bits.
 */
export function flipBit(length: number | undefined, random: () => number, flipped: () => void) {
  return async function* (body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let at: number | undefined;
    let passed = 0;
    for await (const chunk of body) {
      at ??= Math.floor(random() * (length ?? chunk.length));
      if (at >= passed && at < passed + chunk.length) {
        const copy = Buffer.from(chunk);
        copy[at - passed]! ^= 1 << Math.floor(random() * 8);
        flipped();
        yield copy;
      } else yield chunk;
      passed += chunk.length;
    }
  };
}

/** Ends with an error before the whole body has passed: of a known `length`, anywhere; else within its first chunk. */
export function cutShort(length: number | undefined, random: () => number) {
  return async function* (body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let left: number | undefined;
    for await (const chunk of body) {
      left ??= Math.floor(random() * (length ?? chunk.length));
      if (left < chunk.length) {
        yield chunk.subarray(0, left);
        break;
      }
      yield chunk;
      left -= chunk.length;
    }
    throw new Error("cut short");
  };
}

/** In about twenty pieces with pauses between them, `ms` together; a body of unknown length is slow at its start. */
export function trickle(length: number | undefined, ms: number, sleep: (ms: number) => Promise<void>) {
  return async function* (body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const pieceBytes = Math.max(1, Math.ceil((length ?? SLOW_PIECES * PIECE_BYTES) / SLOW_PIECES));
    let pauses = 0;
    for await (const chunk of body) {
      for (let from = 0; from < chunk.length;) {
        const end = pauses < SLOW_PIECES ? from + pieceBytes : chunk.length;
        if (pauses++ < SLOW_PIECES) await sleep(ms / SLOW_PIECES);
        yield chunk.subarray(from, end);
        from = end;
      }
    }
  };
}
