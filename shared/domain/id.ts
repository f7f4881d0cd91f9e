/** Prefixed, sortable ids: `<prefix>_<ulid>` (ULID: 48 bits of time, 80 random bits, Crockford's base 32). */
export type IdPrefix = "job" | "bat" | "upl" | "agt" | "clm" | "req";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** @param entropy at least 10 random bytes. */
export function newId(prefix: IdPrefix, nowMs: number, entropy: Uint8Array): string {
  if (entropy.length < 10) throw new RangeError("an id needs 10 bytes of entropy");
  let time = "";
  for (let rest = nowMs, i = 0; i < 10; i++, rest = Math.floor(rest / 32))
    time = ALPHABET.charAt(rest % 32) + time;
  return `${prefix}_${time}${base32(entropy.subarray(0, 10))}`;
}

/** 80 bits as 16 characters, 5 bits each. */
function base32(bytes: Uint8Array): string {
  let bits = 0;
  let buffer = 0;
  let text = "";
  for (const byte of bytes) {
    buffer = ((buffer << 8) | byte) & 0x1fff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET.charAt((buffer >> bits) & 31);
    }
  }
  return text;
}

/** A fixed small hash (FNV-1a) that spreads ids over the shards of an index. */
export function shardOf(id: string, shards: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % shards;
}
