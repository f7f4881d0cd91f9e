import { Fault } from "#shared/domain/fault.ts";
import { isTerminal, resultOf, type Job } from "#shared/domain/job.ts";

const STEM = /^.{1,80}/u;

/**
 * Where the restored photograph lies and under which name it is offered: that of the original, where
 * `metadata.file_name` tells it.
 * @throws Fault conflict `result_unready`, `result_absent`; missing `result_expired`.
 */
export function resultFile(job: Job): { readonly key: string; readonly fileName: string } {
  const image = resultOf(job);
  if (image !== undefined)
    return { key: image.key, fileName: `${stemOf(job)}-restored.${job.options.output.format}` };
  if (
    job.status === "expired" &&
    job.stages.every((stage) => stage.status === "done" || stage.status === "skipped")
  )
    throw new Fault(
      "missing",
      "result_expired",
      "The photograph was deleted when its retention ended; please restore it again.",
    );
  if (isTerminal(job.status))
    throw new Fault(
      "conflict",
      "result_absent",
      `The restoration has no result: its status is ${job.status}.`,
    );
  throw new Fault(
    "conflict",
    "result_unready",
    "The restoration has not finished yet; wait for the status succeeded.",
  );
}

/** Letters, digits and a few harmless marks: it becomes part of a header and of a path on the user's disk. */
function stemOf({ id, options }: Job): string {
  const stem = (options.metadata?.["file_name"] ?? "")
    .normalize("NFC")
    .replace(/\.[a-z0-9]{1,5}$/i, "")
    .replaceAll(/[^\p{L}\p{M}\p{N}_()-]+/gu, " ")
    .trim();
  return STEM.exec(stem)?.[0].trim() ?? `photokeep-${id.replace("job_", "")}`;
}
