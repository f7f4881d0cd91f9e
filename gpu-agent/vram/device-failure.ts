import { Fault } from "#shared/domain/fault.ts";

/** Whether the session, and with it the worker, must not be used any more. */
export function isPoison(error: unknown): boolean {
  return error instanceof Fault && error.code === "device_failed";
}

export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
