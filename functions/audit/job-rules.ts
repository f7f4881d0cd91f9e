/** What must hold of any stored job, seen by itself. Pure. */
import type { Breach } from "./finding.ts";
import { instant, stageBreaches } from "./stage-rules.ts";
import { isTerminal, jobIndexes, jobKey, type Job } from "#shared/domain/job.ts";
import { isOpen } from "#shared/domain/stage.ts";
import type { IndexName, Item } from "#shared/ports.ts";

/** How late the sweeper may be before it counts as absent: it puts off by five minutes what it could not handle. */
export const SLACK_MS = 15 * 60_000;

/** @param item as read. @param job its body. @param now milliseconds. */
export function jobBreaches(item: Item, job: Job, now: number): Breach[] {
  const { pk, sk } = jobKey(job.id);
  if (item.pk !== pk || item.sk !== sk) return [["item_misfiled", `it holds the job ${job.id}`]];
  return [
    ...job.stages.flatMap((stage) => stageBreaches(job, stage, now)),
    ...(isTerminal(job.status) ? endedBreaches(job) : openBreaches(job, now)),
    ...indexBreaches(item, job),
  ];
}

/** Invariants 1 and 9: an open job ends in time, and something in it is always under way. */
function openBreaches(job: Job, now: number): Breach[] {
  const breaches: Breach[] = [];
  if (job.finishBy + SLACK_MS < now)
    breaches.push(["job_overdue", `it is ${job.status} and should have ended by ${instant(job.finishBy)}`]);
  if (job.status === "queued" && job.startBy !== undefined && job.startBy + SLACK_MS < now)
    breaches.push(["job_overdue", `it is queued and should have been begun by ${instant(job.startBy)}`]);
  if (job.endedAt !== undefined || job.discarded === true)
    breaches.push(["end_inconsistent", `it is ${job.status} and has ended at ${instant(job.endedAt)}`]);
  const waits = job.intake.status === "waiting";
  if (waits !== (job.status === "awaiting_upload") || job.intake.status === "failed")
    breaches.push(["job_stalled", `it is ${job.status} and its intake is ${job.intake.status}`]);
  const moves = job.stages.some(({ status }) => status === "ready" || status === "leased");
  if (job.intake.status === "done" && !moves)
    breaches.push(["job_stalled", `it is ${job.status} and none of its stages is ready or leased`]);
  return breaches;
}

/** Invariant 4: an end is whole, and a success has its result (2). */
function endedBreaches(job: Job): Breach[] {
  const breaches: Breach[] = [];
  const open = job.stages.filter(isOpen).map(({ kind }) => kind);
  if (open.length > 0)
    breaches.push(["end_inconsistent", `it is ${job.status} with ${open.join(", ")} open`]);
  if (job.endedAt === undefined || job.expiresAt === undefined || job.endedAt < job.createdAt)
    breaches.push(["end_inconsistent", `it is ${job.status} and ended at ${instant(job.endedAt)}`]);
  // Expired after its photograph was there and before it was begun: its customer's deadline passed.
  const isLate = job.status === "expired" && job.queuedAt !== undefined && job.startedAt === undefined;
  if ((job.status === "failed" || isLate) !== (job.error !== undefined))
    breaches.push(["end_inconsistent", `it is ${job.status} with the error ${job.error?.code ?? "none"}`]);
  if (job.status !== "succeeded") return breaches;
  const undone = job.stages.filter(({ status }) => status !== "done" && status !== "skipped");
  if (undone.length > 0)
    breaches.push([
      "end_inconsistent",
      `it succeeded and ${undone.map(({ kind }) => kind).join(", ")} did not`,
    ]);
  if (job.stages.find(({ kind }) => kind === "finish")?.outputs?.["image"] === undefined)
    breaches.push(["result_missing", "it succeeded and has no result"]);
  return breaches;
}

/** Invariant 15, for every index: an item's entries are a function of its body. */
function indexBreaches(item: Item, job: Job): Breach[] {
  const wanted = jobIndexes(job);
  const names: readonly IndexName[] = ["org", "due", "ready"];
  return names.flatMap((name): Breach[] => {
    const is = entryText(item.indexes[name]);
    const ought = entryText(wanted[name]);
    if (is === ought) return [];
    const what = `its entry in the index ${name} is ${is} and should be ${ought}`;
    if (name === "due") return [["timer_wrong", what]];
    return [[name === "ready" && is === NONE ? "ready_unlisted" : "entry_wrong", what]];
  });
}

const NONE = "absent";

function entryText(entry: { pk: string; sk: string } | undefined): string {
  return entry === undefined ? NONE : `${entry.pk}/${entry.sk}`;
}
