import type { Reject, Wait } from "./action.ts";
import type { ModelPhase } from "./pool-state.ts";

/** What the pool has done, and why: all of it, in order. The source of its metrics and of every picture of a run. */
export type PoolEvent =
  | PhaseEvent
  /** A stage was started, after its holder had waited so long, past so many earlier jobs. */
  | (StageEvent & { readonly kind: "granted"; readonly waitedMs: number; readonly overtaken: number })
  | (StageEvent & { readonly kind: "returned" })
  | (Pick<Reject, "reason" | "needBytes" | "budgetBytes"> & StageEvent & { readonly kind: "rejected" })
  /** Nothing can be done until this ends. */
  | { readonly kind: "waiting"; readonly until: Wait["until"] }
  /** Of a session: what it takes, or what stays behind when it is released. */
  | {
      readonly kind: "measured";
      readonly model: string;
      readonly what: "session" | "residue";
      readonly bytes: number;
    }
  | { readonly kind: "recycle"; readonly is: "started" | "done" | "failed"; readonly why: string };

interface StageEvent {
  readonly job: string;
  readonly stage: string;
  readonly model: string;
}

/** A model went from one phase to another: every load, eviction, failure and return of memory is one of these. */
interface PhaseEvent {
  readonly kind: "phase";
  readonly model: string;
  readonly from: ModelPhase;
  readonly to: ModelPhase;
  readonly why: string;
  /** Of a load that no stage waits for yet. */
  readonly isAhead?: true | undefined;
}
