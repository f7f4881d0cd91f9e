/** One photograph through the API: slot, bytes, wait, result. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rename, stat, writeFile } from "node:fs/promises";
import { basename, dirname, extname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { writeFault, type Client } from "./client.ts";
import type { Targets } from "./inputs.ts";
import { reportOf } from "./report.ts";
import type { Restoration } from "#functions/api/restoration-schema.ts";
import { Fault } from "#shared/domain/fault.ts";
import { UPLOAD_BYTES_MAX } from "#shared/domain/limits.ts";
import type { Options } from "#shared/domain/options.ts";

export interface RestoreAsk {
  readonly client: Client;
  readonly path: string;
  readonly targets: Targets;
  readonly options: Options;
  /** Changes when the models at hand change: a better model is worth another run. */
  readonly modelsKey: string;
  readonly fresh: boolean;
  /** Called now and then while waiting; throws when waiting is in vain. */
  readonly checkRoom: () => Promise<void>;
  /** Called whenever the restoration looks different. */
  readonly onChange: (restoration: Restoration) => void;
}

export interface Restored {
  readonly restoration: Restoration;
  /** The same command had finished before; its result was taken. */
  readonly repeated: boolean;
}

const POLL_MS = 150;
const POLLS_PER_CHECK = 10;
const ATTEMPTS_MAX = 1_000;
const TYPES: Record<string, string> = {
  ".jpg": "image/jpeg",
  ".jpeg": "image/jpeg",
  ".png": "image/png",
  ".webp": "image/webp",
  ".tif": "image/tiff",
  ".tiff": "image/tiff",
  ".gif": "image/gif",
  ".avif": "image/avif",
  ".heic": "image/heic",
  ".heif": "image/heif",
};

/** @throws Fault with the sentence to show; anything else is a bug. */
export async function restorePhoto(ask: RestoreAsk, signal: AbortSignal): Promise<Restored> {
  const file = await examine(ask.path);
  const { restoration: started, repeated } = await start(ask, file, signal);
  await ask.client.upload(started, ask.path, signal);
  const ended = await follow(ask, started.id, signal);
  if (ended.status !== "succeeded" || ended.output === null) {
    throw new Fault(
      "input",
      ended.error?.code ?? `restoration_${ended.status}`,
      ended.error?.message ?? `The restoration was ${ended.status}.`,
    );
  }
  await mkdir(dirname(ask.targets.image), { recursive: true }).catch((error: unknown) => {
    throw writeFault(error, ask.targets.image);
  });
  await ask.client.download(ended.output.url, ask.targets.image, signal);
  if (ended.comparison !== null)
    await ask.client.download(ended.comparison.url, ask.targets.comparison, signal);
  await writeReport(ask, ended);
  return { restoration: ended, repeated };
}

/** Size and digest of the file. @throws Fault input `image_empty`, `file_unreadable`, `file_too_large`. */
async function examine(path: string): Promise<{ bytes: number; sha256: string; contentType: string }> {
  try {
    const { size } = await stat(path);
    if (size === 0) throw new Fault("input", "image_empty", "The file is empty; copy or scan it again.");
    if (size > UPLOAD_BYTES_MAX) {
      throw new Fault(
        "input",
        "file_too_large",
        `The file has ${Math.ceil(size / 1048576)} MiB; at most ${UPLOAD_BYTES_MAX / 1048576} MiB are taken. Save it as JPEG or scale it down.`,
      );
    }
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
    return {
      bytes: size,
      sha256: hash.digest("hex"),
      contentType: TYPES[extname(path).toLowerCase()] ?? "application/octet-stream",
    };
  } catch (error) {
    if (error instanceof Fault) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? "unknown";
    throw new Fault(
      "input",
      "file_unreadable",
      `The file cannot be read (${code}); check that it exists and its permissions.`,
      { cause: error },
    );
  }
}

/**
 * The same photograph with the same options is the same restoration: one that is under way is continued, one that has
 * succeeded is taken. One that failed, or whose bytes are gone, is tried anew under the next attempt's key.
 */
async function start(
  ask: RestoreAsk,
  file: { bytes: number; sha256: string; contentType: string },
  signal: AbortSignal,
): Promise<Restored> {
  const options = { ...ask.options, metadata: { file_name: basename(ask.path) } };
  const base = createHash("sha256")
    .update(JSON.stringify([file.sha256, file.contentType, options, ask.modelsKey]))
    .digest("hex")
    .slice(0, 40);
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const restoration = await ask.client.create({ key: `cli-${base}-${attempt}`, options, ...file }, signal);
    const current = await ask.client.get(restoration.id, signal);
    const open =
      current.status === "awaiting_upload" || current.status === "queued" || current.status === "processing";
    if (open)
      return {
        restoration: {
          ...current,
          ...(restoration.upload === undefined ? {} : { upload: restoration.upload }),
        },
        repeated: false,
      };
    if (current.status === "succeeded" && !ask.fresh) return { restoration: current, repeated: true };
  }
  throw new Fault(
    "conflict",
    "attempts_exhausted",
    "This photograph has been tried too often; delete the data folder to start over.",
  );
}

async function follow(ask: RestoreAsk, id: string, signal: AbortSignal): Promise<Restoration> {
  for (let polls = 1; ; polls++) {
    if (polls % POLLS_PER_CHECK === 0) await ask.checkRoom();
    const restoration = await ask.client.get(id, signal);
    ask.onChange(restoration);
    if (!["awaiting_upload", "queued", "processing"].includes(restoration.status)) return restoration;
    await sleep(POLL_MS, undefined, { signal });
  }
}

async function writeReport(ask: RestoreAsk, restoration: Restoration): Promise<void> {
  const draft = `${ask.targets.report}.part`;
  try {
    await writeFile(draft, `${JSON.stringify(reportOf(ask, restoration), null, 2)}\n`);
    await rename(draft, ask.targets.report);
  } catch (error) {
    throw writeFault(error, ask.targets.report);
  }
}
