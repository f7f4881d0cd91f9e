/**
 * Intake: the uploaded bytes are decoded in quarantine, normalised and measured; then the job's first stage is ready.
 * A budgeted step of the job: a try is announced before it starts, so that an image that kills its reader ends.
 */
import { apply, type ApplyDoors } from "../apply.ts";
import type { Quarantine } from "./decode.ts";
import type { BlobRef } from "#shared/domain/blob.ts";
import type { IntakeLoss } from "#shared/domain/event.ts";
import { Fault, isEngineRefusal } from "#shared/domain/fault.ts";
import { blobPrefix, type Job } from "#shared/domain/job.ts";
import type { Log } from "#shared/log.ts";
import type { Blobs } from "#shared/ports.ts";

export interface IntakeDoors extends ApplyDoors {
  readonly blobs: Blobs;
  readonly log: Log;
  readonly quarantine: Quarantine;
  /** A fresh folder of this name for the files of one try; gone with everything in it when disposed. */
  readonly openFolder: (name: string) => Promise<AsyncDisposable & { readonly path: string }>;
}

/** Reads one upload. Never throws: what goes wrong becomes an event of the job. */
export async function runIntake(doors: IntakeDoors, jobId: string, signal?: AbortSignal): Promise<void> {
  try {
    const { job, changed } = await apply(doors, jobId, { type: "intake-started" });
    if (!changed) return;
    await tryIntake(doors, job, signal);
  } catch (error) {
    // The store is busy: the job's timer brings it back.
    const isBusy = error instanceof Fault && error.retryable;
    doors.log[isBusy ? "warn" : "error"]("intake_failed", { job: jobId, error });
  }
}

async function tryIntake(doors: IntakeDoors, job: Job, signal: AbortSignal | undefined): Promise<void> {
  const { epoch } = job.intake;
  try {
    await using folder = await doors.openFolder(`${job.id}-${epoch}`);
    const path = `${folder.path}/upload`;
    await doors.blobs.download(job.input.key, path);
    const decoded = await doors.quarantine.decode({
      path,
      outDir: folder.path,
      keepsCredits: job.options.output.keep_credits,
      ...(signal === undefined ? {} : { signal }),
    });
    const nonce = Buffer.from(doors.entropy(6)).toString("hex");
    const { width, height } = decoded.measures;
    const store = async (name: string, file: { path: string; sha256: string }): Promise<BlobRef> => {
      const key = `${blobPrefix(job.id)}intake/e${epoch}-${nonce}.${name}.tif`;
      return {
        ...(await doors.blobs.upload(key, file.path, { contentType: "image/tiff", sha256: file.sha256 })),
        width,
        height,
      };
    };
    const image = await store("image", decoded.image);
    const alpha = decoded.alpha === undefined ? undefined : await store("alpha", decoded.alpha);
    await apply(doors, job.id, {
      type: "intake-done",
      epoch,
      measures: decoded.measures,
      image,
      ...(alpha === undefined ? {} : { alpha }),
    });
  } catch (error) {
    if (signal?.aborted) return;
    const spoken = error instanceof Fault ? error : undefined;
    if (spoken !== undefined && (spoken.retryable || isEngineRefusal(spoken))) {
      // Whoever has to set something right should hear of it.
      doors.log[spoken.retryable ? "warn" : "error"]("intake_lost", { job: job.id, error });
      await apply(doors, job.id, { type: "intake-lost", epoch, why: lossOf(spoken) });
      return;
    }
    if (spoken === undefined) doors.log.error("intake_bug", { job: job.id, error });
    await apply(doors, job.id, {
      type: "intake-failed",
      epoch,
      code: spoken?.code ?? "internal_error",
      message:
        spoken?.message ??
        "Something went wrong on our side while reading the file; nothing is billed. Please try again.",
      final: spoken?.kind === "input",
    });
  }
}

function lossOf(fault: Fault): IntakeLoss {
  switch (fault.code) {
    case "disk_full":
      return "disk_full";
    case "blobs_busy":
    case "store_busy":
      return "engine";
    default:
      return isEngineRefusal(fault) ? "engine" : "reader";
  }
}
