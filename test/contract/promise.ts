import { test } from "vitest";
import type { PromiseNote } from "./promise-report.ts";

export type Promises<Fixture> = (sentence: string, check: (fixture: Fixture) => Promise<void>) => void;

/** How one engine differs from a suite of promises. */
export interface EngineLimits {
  /** False where the engine is not there: every promise is then skipped. */
  readonly isHere?: boolean;
  /** Promises an emulator cannot honour, by their sentence, and its fault. The memory twins and embedded adapters have none. */
  readonly faults?: Readonly<Record<string, string>>;
  /** How long one promise may take on an engine whose clock is the wall's; vitest's own limit by default. */
  readonly timeoutMs?: number;
}

/**
 * Gives the function that states one promise of a port: a test of its own, on an engine of its own.
 * @param name the engine, then the port: `sqlite queue`. The report behind a test run counts by it.
 */
export function promisesOf<Fixture extends { readonly close: () => Promise<void> }>(
  name: string,
  open: () => Promise<Fixture>,
  { isHere = true, faults = {}, timeoutMs }: EngineLimits = {},
): Promises<Fixture> {
  return (sentence, check) => {
    const fault = Object.hasOwn(faults, sentence) ? faults[sentence] : undefined;
    const promise: PromiseNote = { name, sentence, isHere, ...(fault !== undefined && { fault }) };
    const isSkipped = !isHere || fault !== undefined;
    test.skipIf(isSkipped)(
      `${name}: ${sentence}`,
      { meta: { promise }, ...(timeoutMs !== undefined && { timeout: timeoutMs }) },
      async () => {
        const fixture = await open();
        try {
          await check(fixture);
        } finally {
          await fixture.close();
        }
      },
    );
  };
}
