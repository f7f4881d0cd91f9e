import { Fault, isEngineRefusal } from "#shared/domain/fault.ts";
import type { Failure } from "#shared/domain/stage.ts";
import type { StageFailed } from "./protocol.ts";

/** What a stage's error means to the control plane, by the code of the Fault or of the system. */
const FAILURES: Readonly<Record<string, Failure>> = {
  disk_full: "disk_full",
  ENOSPC: "disk_full",
  EDQUOT: "disk_full",
  memory_exhausted: "gpu_oom",
  memory_insufficient: "gpu_oom",
  device_failed: "gpu_fault",
  model_invalid: "model_invalid",
  model_corrupt: "model_invalid",
  contract_mismatched: "model_invalid",
  model_unsafe: "model_invalid",
  digest_mismatched: "model_invalid",
  model_unpreparable: "model_invalid",
  model_unreadable: "model_invalid",
  model_missing: "model_missing",
  model_unknown: "model_missing",
  // Nothing deletes what an open job needs, and waiting does not bring it back.
  blob_missing: "bug",
  EIO: "transient_io",
  EMFILE: "transient_io",
  ENFILE: "transient_io",
  ETIMEDOUT: "transient_io",
  ECONNRESET: "transient_io",
  ECONNREFUSED: "transient_io",
  EPIPE: "transient_io",
};

/** What is said of an error that nobody meant to be read. */
const PLAIN: Readonly<Partial<Record<Failure, string>>> = {
  disk_full: "The disk of the agent is full.",
  transient_io: "A file could not be read or written.",
  bug: "The stage failed unexpectedly.",
};
const MESSAGE_CHARS_MAX = 500;

/**
 * Turns what a stage threw into what is reported. Only a Fault's own sentence is passed on: other messages may name
 * paths of the machine, and a failure's message may reach the customer.
 */
export function failureOf(error: unknown): StageFailed {
  const code = codeOf(error);
  const fault = error instanceof Fault ? error : undefined;
  // Its sentence tells an operator what to set.
  const isRefusal = fault !== undefined && isEngineRefusal(fault);
  const failure = FAILURES[code] ?? (fault?.retryable === true || isRefusal ? "transient_io" : "bug");
  const isSentence = fault !== undefined && failure !== "bug" && !isRefusal;
  const message = isSentence ? fault.message : (PLAIN[failure] ?? "The model could not be run.");
  return { failure, message: message.slice(0, MESSAGE_CHARS_MAX) };
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error) || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}
