import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { IntakeMeasures } from "#shared/domain/analysis.ts";
import { invariant } from "#shared/domain/fault.ts";
import { INPUT_PIXELS_MAX, UPLOAD_BYTES_MAX } from "#shared/domain/limits.ts";
import { alphaName, imageName, planeNames, unpackedName, type Decoded } from "./decoder-protocol.ts";
import { decoderLimits, decoderProgram, startDecoder } from "./decoder-process.ts";
import type { DecoderLimits, DecoderProcess } from "./decoder-process.ts";
import { decoderCrashed, refusal, warning } from "./intake-words.ts";
import { rasterBytes } from "./plain-raster.ts";
import { createTurnstile } from "./turnstile.ts";
import { inspectUpload, type UploadFile } from "./upload-file.ts";

export type QuarantineLimits = DecoderLimits & {
  bytesMax: number;
  pixelsMax: number;
  /** Decoders at work at the same time, and callers that may wait for one. */
  decodersMax: number;
  waitingMax: number;
};

const quarantineLimits: QuarantineLimits = {
  ...decoderLimits,
  bytesMax: UPLOAD_BYTES_MAX,
  pixelsMax: INPUT_PIXELS_MAX,
  decodersMax: 2,
  waitingMax: 100,
};

/** How long after a photograph its spare is replaced; whoever comes sooner waits for a decoder to start. */
const refillMs = 500;
/** What a TIFF holds beside its pixels, at most. */
const directoryBytesMax = 64 * 1024;
const readBytes = 1 << 20;

/** A normalised raster: uncompressed TIFF. */
type DecodedFile = { path: string; bytes: number; sha256: string };

export type DecodedPhotograph = {
  measures: IntakeMeasures;
  /** Upright sRGB, three channels of `measures.bits`. */
  image: DecodedFile;
  /** One channel of the same size and bits; absent when nothing is transparent. */
  alpha?: DecodedFile;
};

/** The place where hostile bytes are decoded: processes that can be killed, one for each photograph. */
export type Quarantine = AsyncDisposable & {
  /**
   * Decodes and normalises one upload into `outDir`, a folder that exists and belongs to this call. `keepsCredits` (no by
   * default): measure who made the photograph, and when, as well.
   *
   * @throws Fault (input) `file_unreadable`, `file_too_large`, `image_empty`, `image_unrecognized`, `image_unsupported`,
   *   `image_truncated`, `image_broken`, `image_too_large`, `image_too_heavy`, `decoder_crashed`, `decoder_timeout`;
   *   (busy) `disk_full`, `decoder_unavailable`, `intake_busy`. The reason of the signal when aborted.
   */
  decode(ask: {
    path: string;
    outDir: string;
    keepsCredits?: boolean;
    signal?: AbortSignal;
  }): Promise<DecodedPhotograph>;
};

/**
 * @param options.spare decoders kept started in advance: one hides what a process takes to start (about 90 ms).
 * @param options.program what a decoder runs.
 */
export function createQuarantine(
  options: { limits?: Partial<QuarantineLimits>; spare?: number; program?: URL } = {},
): Quarantine {
  const limits = { ...quarantineLimits, ...options.limits };
  const { spare = 1, program = decoderProgram } = options;
  const turnstile = createTurnstile({ atOnce: limits.decodersMax, waitingMax: limits.waitingMax });
  const start = () => startDecoder(limits, program);
  const spares: DecoderProcess[] = Array.from({ length: spare }, start);
  let isClosed = false;
  let refill: NodeJS.Timeout | undefined;

  const take = () => {
    invariant(!isClosed, "the quarantine is open");
    let decoder = spares.shift();
    // A spare that something killed while it waited says nothing about any photograph.
    while (decoder?.hasEnded() === true) decoder = spares.shift();
    return decoder ?? start();
  };

  // A process takes about 100 ms of a core to start: not just now, when the photograph goes on to its first stage.
  const refillLater = () => {
    if (isClosed) return;
    refill ??= setTimeout(() => {
      refill = undefined;
      while (spares.length < spare) spares.push(start());
    }, refillMs);
    refill.unref();
  };

  return {
    async decode({ path, outDir, keepsCredits = false, signal }) {
      const upload = await inspectUpload(path, limits.bytesMax);
      const outputs = { image: join(outDir, imageName), alpha: join(outDir, alphaName) };
      const leavings = [
        ...Object.values(outputs),
        ...[unpackedName, ...planeNames].map((name) => join(outDir, name)),
      ];
      try {
        return await turnstile.pass(async () => {
          const request = {
            path: resolve(path),
            format: upload.format,
            outDir: resolve(outDir),
            pixelsMax: limits.pixelsMax,
            keepsCredits,
          };
          const answer = await take().ask(request, signal);
          if (answer.kind === "refused") throw refusal(answer, { ...upload, pixelsMax: limits.pixelsMax });
          return await collect(answer, { upload, outputs });
        }, signal);
      } catch (error) {
        await Promise.all(leavings.map((output) => rm(output, { force: true })));
        throw error;
      } finally {
        refillLater();
      }
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      clearTimeout(refill);
      await Promise.all(spares.splice(0).map((decoder) => decoder[Symbol.asyncDispose]()));
    },
  };
}

async function collect(
  answer: Decoded,
  files: { upload: UploadFile; outputs: { image: string; alpha: string } },
): Promise<DecodedPhotograph> {
  const { upload, outputs } = files;
  const { width, height, bits, isGray, hasAlpha, jpegQuality, credits } = answer;
  const measures: IntakeMeasures = {
    width,
    height,
    format: upload.format,
    bits,
    hasAlpha,
    isGray,
    ...(jpegQuality === undefined ? {} : { jpegQuality }),
    ...(credits === undefined ? {} : { credits }),
    bytes: upload.bytes,
    sha256: (await hashed(upload.path, upload.bytes)).sha256,
    warnings: answer.remarks.map((remark) => warning(remark, upload)),
  };
  const shape = { width, height, bits };
  const image = await hashed(outputs.image, rasterBytes({ ...shape, channels: 3 }));
  if (!hasAlpha) return { measures, image };
  return { measures, image, alpha: await hashed(outputs.alpha, rasterBytes({ ...shape, channels: 1 })) };
}

/** Reads a file once from end to end. What a decoder leaves may be anything: only a plain file of the size due is taken. */
async function hashed(path: string, bytesDue: number): Promise<DecodedFile> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    throw decoderCrashed(`no output: ${String(error)}`);
  });
  await using _ = file;
  const stat = await file.stat();
  const isDue = stat.isFile() && stat.size >= bytesDue && stat.size <= bytesDue + directoryBytesMax;
  if (!isDue) throw decoderCrashed(`${stat.size} bytes where ${bytesDue} and a directory are due`);
  const hash = createHash("sha256");
  // One buffer again and again: a stream would leave one behind for every megabyte.
  const buffer = Buffer.allocUnsafe(Math.min(readBytes, stat.size));
  for (let at = 0; at < stat.size;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) throw decoderCrashed("the output became shorter while it was read");
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return { path, bytes: stat.size, sha256: hash.digest("hex") };
}
