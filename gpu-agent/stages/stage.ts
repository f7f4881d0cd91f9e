import type { Analysis } from "#shared/domain/analysis.ts";
import type { BlobRef } from "#shared/domain/blob.ts";
import type { Lease, Progress } from "#shared/domain/message.ts";
import type { ModelEntry } from "#shared/domain/model.ts";

/** A tensor on its way into a model. */
export interface FeedTensor {
  readonly data: Float32Array | Float64Array;
  readonly dims: readonly number[];
}

/** A loaded model whose tensors are what the catalogue says. */
export interface Model {
  readonly entry: ModelEntry;
  /** The name of the image tensor that goes in, as the file spells it. */
  readonly imageInput: string;
  /** The name of the image tensor that comes out; absent for models that answer something else. */
  readonly imageOutput?: string;
  /**
   * One inference. Blocks the thread for its whole length. Answers the outputs by name.
   * @throws Fault `memory_exhausted`, `model_invalid`, `device_failed`.
   */
  run(feeds: Readonly<Record<string, FeedTensor>>): Promise<Readonly<Record<string, Float32Array>>>;
}

/** The models at hand, loaded on demand and kept warm. */
export interface StageModels {
  /** Ids of the catalogue that can be used here. */
  readonly ids: readonly string[];
  /**
   * Waits until it is loaded; it is not evicted until disposed of. One at a time.
   * @throws Fault `model_missing`, `model_invalid`, `memory_insufficient`; the signal's reason.
   */
  use(id: string, signal: AbortSignal): Promise<ModelUse>;
}

/** A model that is lent to a stage. */
export interface ModelUse extends AsyncDisposable {
  /** May be another one after `lackMemory`. */
  readonly model: Model;
  /** The largest tile it may be run on, pixels. */
  readonly tilePixels: number;
  /**
   * To be told when a run on a tile of so many pixels lacked memory. Resolves when something has been done about it and
   * the stage may try again, maybe on smaller tiles.
   * @throws Fault busy `memory_exhausted` when nothing is left to try in this run; the signal's reason.
   */
  lackMemory(tilePixels: number, signal: AbortSignal): Promise<void>;
}

/** A file a stage has written, as it is known by. */
export interface WrittenOutput {
  readonly path: string;
  readonly contentType: "image/tiff" | "image/png" | "image/jpeg" | "image/webp";
  /** Hex; taken as given where the writer has computed it. */
  readonly sha256?: string;
  readonly width: number;
  readonly height: number;
}

/** The files of one run: a scratch folder of its own, the blobs it reads and the outputs it leaves. */
export interface StageFiles {
  /** A path in the scratch folder. */
  path(name: string): string;
  /** Where a blob's bytes can be read; fetched once. The file must not be modified. */
  fetch(blob: BlobRef): Promise<string>;
  /** Stores an output under the lease's prefix. The file must not be modified afterwards. */
  store(name: string, output: WrittenOutput): Promise<BlobRef>;
}

export interface StageWork {
  readonly lease: Lease;
  readonly files: StageFiles;
  readonly models: StageModels;
  report(progress: Progress): void;
}

export interface StageResult {
  readonly outputs: Record<string, BlobRef>;
  readonly analysis?: Analysis;
  readonly model?: string;
  readonly warnings: readonly string[];
}

/** @throws Fault with a code that `failureOf` knows; anything else counts as a bug. The signal's reason when aborted. */
export type StageRunner = (work: StageWork, signal: AbortSignal) => Promise<StageResult>;
