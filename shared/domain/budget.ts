/** How often a stage may be tried again, by the class of what went wrong, and how long to wait before. */
import {
  ALONE_MAX,
  backoffMs,
  BUGS_MAX,
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
  /** Agents on which a stage must fail before it, and not the machine, is to blame: one where there is only one. */
  readonly agentsMin: number;
  /** Given once to every job whose day is over: an operator's constant for the time after an outage. Milliseconds. */
  readonly graceMs: number;
}
export const FLEET: Policy = { agentsMin: 2, graceMs: 0 };
/** Of one agent, which has nobody to be compared with. */
export const ALONE: Policy = { agentsMin: 1, graceMs: 0 };

interface Budget {
  readonly of: TryClass;
  /** So many failures end the job, wherever they happened. */
  readonly max: number;
  /** So many are enough when so many agents have seen them; absent where that says nothing. */
  readonly wide?: { readonly tries: number; readonly agents: number };
  readonly code: string;
}

/** Which budget a failure draws on; exhaustive over what agents may report. */
export function budgetOf(failure: Exclude<Failure, "bad_image">, { agentsMin: agents }: Policy): Budget {
  switch (failure) {
    case "worker_crashed":
    case "gpu_hang":
      return { of: "crashed", max: ALONE_MAX, wide: { tries: CRASHES_MAX, agents: 2 }, code: "poison" };
    case "gpu_oom":
      return { of: "oom", max: OOM_MAX, code: "out_of_memory" };
    case "model_invalid":
    case "model_missing":
      return {
        of: "model",
        max: ALONE_MAX,
        wide: { tries: MODEL_FAULTS_MAX, agents },
        code: "model_unavailable",
      };
    case "transient_io":
    case "infra_throttled":
      return { of: "transient", max: TRANSIENT_MAX, code: "infra" };
    case "gpu_fault":
      return { of: "device", max: DEVICE_FAULTS_MAX, code: "infra" };
    case "disk_full":
      return { of: "disk", max: DISK_FULL_MAX, code: "disk_full" };
    case "bug":
      return { of: "bug", max: ALONE_MAX, wide: { tries: BUGS_MAX, agents }, code: "internal_error" };
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
