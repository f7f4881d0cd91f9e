import { crc32 } from "node:zlib";
import { invariant } from "#shared/domain/fault.ts";

/** One PNG chunk (PNG 3rd edition, section 5.3): four letters and at most 2 GiB of data. */
export interface PngChunk {
  type: string;
  data: Uint8Array;
}

/** The bytes of a chunk as they stand in the file: length, type, data, CRC of type and data. */
export function chunkBytes({ type, data }: PngChunk): [head: Buffer, data: Uint8Array, tail: Buffer] {
  invariant(
    /^[A-Za-z]{4}$/.test(type) && data.length < 2 ** 31,
    "a PNG chunk has four letters and under 2 GiB",
  );
  const head = Buffer.alloc(8);
  head.writeUInt32BE(data.length, 0);
  head.write(type, 4, "latin1");
  const tail = Buffer.alloc(4);
  tail.writeUInt32BE(crc32(data, crc32(head.subarray(4))), 0);
  return [head, data, tail];
}

/** Says that the samples are sRGB, perceptual intent. */
export const srgbChunk: PngChunk = { type: "sRGB", data: Uint8Array.of(0) };

/** Text as uncompressed UTF-8 (iTXt). `keyword`: 1 to 79 Latin characters, such as "Software" or "Description". */
export function textChunk(keyword: string, text: string): PngChunk {
  invariant(
    /^[\x20-\x7e]{1,79}$/.test(keyword) && !text.includes("\0"),
    "a PNG text has a keyword and no NUL",
  );
  // Behind the keyword: not compressed (two bytes), no language, no translated keyword.
  return { type: "iTXt", data: Buffer.from(`${keyword}\0\0\0\0\0${text}`, "utf8") };
}

/** An XMP packet, under the keyword that the XMP specification (part 3, PNG) prescribes. */
export const xmpChunk = (packet: string): PngChunk => textChunk("XML:com.adobe.xmp", packet);
