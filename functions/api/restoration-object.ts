/** From a stored job to the object that the public API shows. */
import { createHash } from "node:crypto";
import { readAgent } from "../agents/agent-item.ts";
import { readPlan } from "../agents/lease-offer.ts";
import type { ApiDoors } from "./api.ts";
import { publicError } from "./public-error.ts";
import type { Preview, Progress, PublicStage, Restoration } from "./restoration-schema.ts";
import type { BlobRef } from "#shared/domain/blob.ts";
import { Fault } from "#shared/domain/fault.ts";
import { jobKey, resultOf, stageOf, type Job } from "#shared/domain/job.ts";
import { DOWNLOAD_TTL_MS } from "#shared/domain/limits.ts";
import { readJob } from "#shared/domain/job-schema.ts";
import type { Run } from "#shared/domain/message.ts";
import type { Plan, PlanStep } from "#shared/domain/plan.ts";
import type { Stage, StageStatus } from "#shared/domain/stage.ts";
import type { Blobs, Item } from "#shared/ports.ts";

/** All that the public object is made of, read in this order: the job, its plan, what the agent says it runs. */
export interface RestorationState {
  readonly job: Job;
  readonly rev: number;
  readonly plan: Plan | undefined;
  readonly run: Run | undefined;
}

/** Undefined alike for what never was and for what is another's. @throws Fault conflict `job_damaged`. */
export async function findRestoration(
  store: ApiDoors["store"],
  org: string,
  id: string,
): Promise<RestorationState | undefined> {
  const item = await findJob(store, org, id);
  if (item === undefined) return undefined;
  const job = readJob(item.body);
  if (job.erasure !== undefined) return undefined;
  const planned = stageOf(job, "analyze").status === "done" ? await readPlan(store, id) : undefined;
  return { job, rev: item.rev, plan: planned?.plan, run: await readRun(store, job) };
}

/** The job's item, erased or not, if it is this customer's. */
async function findJob(store: ApiDoors["store"], org: string, id: string): Promise<Item | undefined> {
  const item = /^job_[0-9a-z]{26}$/.test(id) ? await store.get(jobKey(id)) : undefined;
  return (item?.body as Job | undefined)?.org === org ? item : undefined;
}

/** Whoever wants to erase what is erased already is not told that it is missing. @throws Fault missing `restoration_missing`. */
export async function demandJob(store: ApiDoors["store"], org: string, id: string): Promise<void> {
  if ((await findJob(store, org, id)) === undefined) throw missing();
}

/** @throws Fault missing `restoration_missing`. */
export async function readRestoration(
  store: ApiDoors["store"],
  org: string,
  id: string,
): Promise<RestorationState> {
  const state = await findRestoration(store, org, id);
  if (state === undefined) throw missing();
  return state;
}

function missing(): Fault {
  return new Fault("missing", "restoration_missing", "There is no such restoration.");
}

async function readRun(store: ApiDoors["store"], job: Job): Promise<Run | undefined> {
  const leased = job.stages.find((stage) => stage.status === "leased");
  if (leased?.agent === undefined) return undefined;
  const agent = await readAgent(store, leased.agent);
  return agent?.runs.find(
    (run) => run.job === job.id && run.stage === leased.kind && run.epoch === leased.epoch,
  );
}

/**
 * Changes exactly when the object does, signed links aside: those are renewed with the window they fall into, so that
 * a client that was told "not modified" never sits on links that have run out.
 */
export function etagOf({ job, rev, run }: RestorationState, now: number): string {
  const shown = [job.id, rev, run?.progress, linkWindow(now)];
  return `W/"${createHash("sha256").update(JSON.stringify(shown)).digest("hex").slice(0, 24)}"`;
}

/** Links live from half the longest time to all of it. */
const LINK_WINDOW_MS = DOWNLOAD_TTL_MS / 2;

function linkWindow(now: number): number {
  return Math.floor(now / LINK_WINDOW_MS);
}

/** When links that are signed now run out. */
export function linksUntil(now: number): number {
  return (linkWindow(now) + 2) * LINK_WINDOW_MS;
}

export async function showRestoration(
  { blobs, clock }: Pick<ApiDoors, "blobs" | "clock">,
  state: RestorationState,
): Promise<Restoration> {
  const { job, plan } = state;
  const progress = progressOf(state);
  const outputs = resultOf(job) === undefined ? {} : (stageOf(job, "finish").outputs ?? {});
  const expiresAt = linksUntil(clock.now());
  const preview = (name: string): Promise<Preview | null> => showPreview(blobs, outputs[name], expiresAt);
  const [before, after, comparison] = await Promise.all([
    preview("before"),
    preview("after"),
    preview("comparison"),
  ]);
  const { preset, operations, output, retention_hours, deadline = null } = job.options;
  const self = `/v1/restorations/${job.id}`;
  return {
    id: job.id,
    object: "restoration",
    status: job.status,
    created_at: iso(job.createdAt),
    queued_at: isoOrNull(job.queuedAt),
    started_at: isoOrNull(job.startedAt),
    completed_at: isoOrNull(job.endedAt),
    expires_at: isoOrNull(job.expiresAt),
    options: { preset, operations, output, retention_hours, deadline },
    external_id: job.options.external_id ?? null,
    metadata: job.options.metadata ?? {},
    upload: null,
    progress,
    stages: job.stages.map((stage) =>
      showStage(stage, { step: plan?.steps.find(({ kind }) => kind === stage.kind), progress }),
    ),
    input: showInput(job),
    output: await showOutput(blobs, outputs["image"], expiresAt),
    before,
    after,
    comparison,
    warnings: [
      ...new Set([...(job.measures?.warnings ?? []), ...job.stages.flatMap((stage) => stage.warnings ?? [])]),
    ],
    error: job.error === undefined ? null : publicError(job.error),
    links: { self, events: `${self}/events`, cancel: `${self}/cancel`, result: `${self}/result` },
  };
}

function progressOf({ job, run }: RestorationState): Progress | null {
  if (job.intake.status === "running")
    return { stage: "intake", percent: 0, tiles_done: 0, tiles_total: 0, model: null, doing: "reading" };
  const leased = job.stages.find((stage) => stage.status === "leased");
  if (leased === undefined) return null;
  const told = run?.progress;
  return {
    stage: leased.kind,
    percent: Math.floor((told?.fraction ?? 0) * 100),
    tiles_done: told?.tilesDone ?? 0,
    tiles_total: told?.tilesTotal ?? 0,
    model: told?.model ?? leased.model ?? null,
    doing: told?.doing ?? "starting",
  };
}

function showStage(
  stage: Stage,
  { step, progress }: { step: PlanStep | undefined; progress: Progress | null },
): PublicStage {
  return {
    kind: stage.kind,
    status: publicStatus(stage.status),
    model: stage.model ?? null,
    reason: step?.reason ?? null,
    enable: step?.enable ?? null,
    seconds: stage.timings?.seconds ?? null,
    model_seconds: stage.timings?.modelSeconds ?? null,
    warnings: stage.warnings ?? [],
    progress: progress?.stage === stage.kind ? progress : null,
  };
}

function publicStatus(status: StageStatus): PublicStage["status"] {
  switch (status) {
    case "blocked":
    case "ready":
      return "waiting";
    case "leased":
      return "running";
    case "done":
    case "skipped":
    case "failed":
    case "canceled":
      return status;
  }
}

function showInput({ input, measures }: Job): Restoration["input"] {
  return {
    content_type: input.contentType,
    bytes: input.bytes,
    sha256: measures?.sha256 ?? input.sha256 ?? null,
    width: measures?.width ?? null,
    height: measures?.height ?? null,
    format: measures?.format ?? null,
  };
}

async function showOutput(
  blobs: Blobs,
  image: BlobRef | undefined,
  expiresAt: number,
): Promise<Restoration["output"]> {
  if (image === undefined) return null;
  const { url } = await blobs.signGet({ key: image.key, expiresAt });
  return {
    url,
    content_type: image.contentType,
    format: image.contentType.replace("image/", ""),
    width: image.width ?? null,
    height: image.height ?? null,
    bytes: image.bytes,
    sha256: image.sha256,
  };
}

async function showPreview(
  blobs: Blobs,
  blob: BlobRef | undefined,
  expiresAt: number,
): Promise<Preview | null> {
  if (blob === undefined) return null;
  const { url } = await blobs.signGet({ key: blob.key, expiresAt });
  return { url, width: blob.width ?? null, height: blob.height ?? null };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function isoOrNull(ms: number | undefined): string | null {
  return ms === undefined ? null : iso(ms);
}
