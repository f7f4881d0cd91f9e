/** Everything that can happen to a job. Named in the past tense; `decide` answers every one of them in every state. */
import type { Analysis, IntakeMeasures } from "./analysis.ts";
import type { BlobRef } from "./blob.ts";
import type { Capabilities } from "./message.ts";
import type { Failure, Stage, StageKind } from "./stage.ts";

/** Who asks for a stage, and what it can run. */
export interface Claim {
  readonly agent: string;
  readonly claimId: string;
  readonly can: Pick<Capabilities, "stages" | "models">;
  /** The agent runs nothing else: a stage that lost its agent twice is given only to such a one. */
  readonly idle: boolean;
}

/** Its reader was killed or fell silent; there was no room for it; an engine was away. */
export type IntakeLoss = "reader" | "disk_full" | "engine";

export type JobEvent =
  | { readonly type: "uploaded" }
  | { readonly type: "intake-started" }
  | {
      readonly type: "intake-done";
      readonly epoch: number;
      readonly measures: IntakeMeasures;
      readonly image: BlobRef;
      readonly alpha?: BlobRef;
    }
  /** `code` and `message` are public. `final`: another try would fail alike. */
  | {
      readonly type: "intake-failed";
      readonly epoch: number;
      readonly code: string;
      readonly message: string;
      readonly final: boolean;
    }
  /** The reading came to nothing through no fault of the image: costs no try, but is bounded too. */
  | { readonly type: "intake-lost"; readonly epoch: number; readonly why: IntakeLoss }
  | ({ readonly type: "claimed" } & Claim)
  | {
      readonly type: "completed";
      readonly stage: StageKind;
      readonly epoch: number;
      readonly agent: string;
      readonly outputs: Record<string, BlobRef>;
      readonly analysis?: Analysis;
      readonly model?: string;
      readonly timings: NonNullable<Stage["timings"]>;
      readonly warnings: readonly string[];
      readonly can: Claim["can"];
      readonly nextClaimId?: string;
    }
  | {
      readonly type: "failed";
      readonly stage: StageKind;
      readonly epoch: number;
      readonly agent: string;
      readonly failure: Failure;
      readonly message: string;
    }
  | { readonly type: "released"; readonly stage: StageKind; readonly epoch: number; readonly agent: string }
  /** Somebody looked whether a leased stage is still held. */
  | {
      readonly type: "looked";
      readonly stage: StageKind;
      readonly epoch: number;
      readonly held: boolean;
      readonly lookAt: number;
    }
  | { readonly type: "cancel-asked" }
  /** Some deadline of the job has passed; `objectThere`: the upload's bytes have arrived after all. */
  | { readonly type: "due"; readonly objectThere?: boolean }
  /** Bytes were deleted, but for those kept; begun `at` that moment. */
  | { readonly type: "discarded"; readonly kept: readonly string[]; readonly at: number }
  | { readonly type: "erase-asked" };
