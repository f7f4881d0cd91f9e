import type { Blobs, KnownBlob } from "../ports.ts";

/** Blobs that the HTTP door of one machine can serve without holding them in memory. */
export interface StreamedBlobs extends Blobs {
  /** Everything comes in through this machine, so every checksum is known. */
  head(key: string): Promise<KnownBlob | undefined>;
  /**
   * Stores a stream under a key that is free; unlike `upload` the same bytes again are refused too, as S3 does under
   * `if-none-match: *`. If the stream breaks off, nothing remains.
   * @throws Fault conflict `blob_exists`; input `body_incomplete`, `body_too_large`, `checksum_mismatch`; busy `disk_full`.
   */
  receive(key: string, content: AsyncIterable<Uint8Array>, expected: Expected): Promise<KnownBlob>;
  /**
   * Opens an object for reading, whole or in part. Cancel the stream or read it to its end.
   * @throws Fault missing `blob_missing`.
   */
  open(
    key: string,
    span?: Span,
  ): Promise<{ readonly info: KnownBlob; readonly content: ReadableStream<Uint8Array> }>;
}

export interface Expected {
  readonly contentType: string;
  readonly bytes: number;
  /** Hex. */
  readonly sha256?: string;
}

/** Bytes `start` to `end`, both included; inside the object. */
export interface Span {
  readonly start: number;
  readonly end: number;
}
