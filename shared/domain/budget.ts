/** How often a stage may be tried again, by the class of what went wrong, and how long to wait before. */
import {
  backoffMs,
  BUGS_MAX,
  CRASHES_ALONE_MAX,
  CRASHES_MAX,
  DEVICE_FAULTS_MAX,
  DISK_FULL_MAX,
  LOST_BEFORE_CAUTION,
  MODEL_FAULTS_MAX,
  OOM_MAX,
  patientBackoffMs,
  RELEASED_BEFORE_BACKOFF,
  TRANSIENT_MAX,
} from "./limits.ts";
import type { Failure, TryClass } from "./stage.ts";

/** What an operator's fleet decides. */
export interface Policy {
  /** How many workers a stage may kill, on how many agents, before the photograph is held to be poison. */
  readonly crashesMax: number;
  readonly crashedAgentsMin: number;
  /** Given once to every job whose day is over: an operator's constant for the time after an outage. Milliseconds. */
  readonly graceMs: number;
}
export const FLEET: Policy = { crashesMax: CRASHES_MAX, crashedAgentsMin: 2, graceMs: 0 };
export const ALONE: Policy = { crashesMax: CRASHES_ALONE_MAX, crashedAgentsMin: 1, graceMs: 0 };

/** Which budget a failure draws on; exhaustive over what agents may report. */
export function budgetOf(failure: Exclude<Failure, "bad_image">): {
  of: TryClass;
  max: number;
  code: string;
} {
  switch (failure) {
    case "worker_crashed":
    case "gpu_hang":
      return { of: "crashed", max: CRASHES_ALONE_MAX, code: "poison" };
    case "gpu_oom":
      return { of: "oom", max: OOM_MAX, code: "out_of_memory" };
    case "model_invalid":
    case "model_missing":
      return { of: "model", max: MODEL_FAULTS_MAX, code: "model_unavailable" };
    case "transient_io":
    case "infra_throttled":
      return { of: "transient", max: TRANSIENT_MAX, code: "infra" };
    case "gpu_fault":
      return { of: "device", max: DEVICE_FAULTS_MAX, code: "infra" };
    case "disk_full":
      return { of: "disk", max: DISK_FULL_MAX, code: "disk_full" };
    case "bug":
      return { of: "bug", max: BUGS_MAX, code: "internal_error" };
  }
}

/** The pause before the next try; grows with what its class has spent. */
export function retryDelayMs(of: TryClass, spent: number): number {
  switch (of) {
    case "lost":
      return spent < LOST_BEFORE_CAUTION ? 0 : backoffMs(spent);
    case "released":
      return spent < RELEASED_BEFORE_BACKOFF ? 0 : backoffMs(spent - RELEASED_BEFORE_BACKOFF + 1);
    case "crashed":
      return spent === 1 ? 0 : backoffMs(spent - 1);
    case "transient":
      return patientBackoffMs(spent);
    case "device":
    case "disk":
    case "oom":
    case "model":
    case "bug":
      return backoffMs(spent);
  }
}
