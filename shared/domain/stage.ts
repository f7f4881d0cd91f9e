/**
 * A stage is one step of a job's restoration. It lives inside its job.
 *
 *   blocked ─dependencies ended─► ready ─claim (epoch+1)─► leased ─complete─► done
 *      │                           ▲  └─────cancel────┐      │
 *      └─plan─► skipped            └─fail, release, lost─────┤
 *                                                            └─budget spent─► failed     (cancel ─► canceled)
 */
import type { BlobRef } from "./blob.ts";

export const STAGE_KINDS = [
  "analyze",
  "repair",
  "denoise",
  "colorize",
  "faces",
  "upscale",
  "finish",
] as const;
/** In the order in which the pixels travel. Face restorers are trained on colour, hence colorize before faces. */
export type StageKind = (typeof STAGE_KINDS)[number];

export type StageStatus = "blocked" | "ready" | "leased" | "done" | "skipped" | "failed" | "canceled";

/** What an agent may report of a try that went wrong. One enum, one exhaustive switch (`budgetOf`). */
export const FAILURES = [
  "bad_image",
  "transient_io",
  "infra_throttled",
  "disk_full",
  "gpu_oom",
  "gpu_fault",
  "gpu_hang",
  "worker_crashed",
  "model_invalid",
  "model_missing",
  "bug",
] as const;
export type Failure = (typeof FAILURES)[number];

/** Classes of failed tries, each with a budget of its own. `lost` is the fleet's doing and never means poison. */
export type TryClass =
  | "lost"
  | "crashed"
  | "transient"
  | "device"
  | "disk"
  | "oom"
  | "model"
  | "released"
  | "bug";

export interface Stage {
  readonly kind: StageKind;
  status: StageStatus;
  deps: StageKind[];
  model?: string;
  /** The only fence: raised by every claim; what arrives under another epoch changes nothing. */
  epoch: number;
  readyAt?: number;
  notBefore?: number;
  /** Doorbell re-rings since it became ready, and when the next is due. */
  rings?: number;
  ringAt?: number;
  claimId?: string;
  agent?: string;
  startedAt?: number;
  lookAt?: number;
  hardDeadline?: number;
  endedAt?: number;
  tries?: Partial<Record<TryClass, number>>;
  /** The agents on which tries failed, the last one last, by the class of the failure (at most ALONE_MAX each). */
  failedOn?: Partial<Record<TryClass, readonly string[]>>;
  outputs?: Record<string, BlobRef>;
  /** As the agent measured: the whole try, the time inside the model, the time loading it. */
  timings?: { seconds: number; modelSeconds: number; loadSeconds: number };
  warnings?: string[];
}

/** A stage that an agent holds. */
export type LeasedStage = Stage &
  Required<Pick<Stage, "agent" | "claimId" | "startedAt" | "lookAt" | "hardDeadline">>;

/** A stage that waits for an agent. */
export type ReadyStage = Stage & Required<Pick<Stage, "readyAt" | "ringAt">>;

/** Whether a stage has what its status promises. */
export function isWhole(stage: Stage): boolean {
  const { status, agent, claimId, startedAt, lookAt, hardDeadline, readyAt, ringAt } = stage;
  const needed =
    status === "leased"
      ? [agent, claimId, startedAt, lookAt, hardDeadline]
      : status === "ready"
        ? [readyAt, ringAt]
        : [];
  return !needed.includes(undefined);
}

/** What it has then is held to by whoever writes (`jobBreach`) and whoever reads (`readJob`). */
export function isLeased(stage: Stage): stage is LeasedStage {
  return stage.status === "leased";
}

/** As isLeased. */
export function isReady(stage: Stage): stage is ReadyStage {
  return stage.status === "ready";
}

export function isOpen(stage: Stage): boolean {
  return stage.status === "blocked" || stage.status === "ready" || stage.status === "leased";
}

/** A fresh chain: each stage waits for the one before it. */
export function chain(): Stage[] {
  return STAGE_KINDS.map((kind, i) => ({
    kind,
    status: "blocked",
    deps: STAGE_KINDS.slice(Math.max(0, i - 1), i),
    epoch: 0,
  }));
}
