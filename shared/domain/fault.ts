/**
 * The one error with a public face. `kind` answers the two questions every caller has: may the user read it (always:
 * `code` and `message` are public), and may it be retried (only `busy`). Anything thrown that is not a Fault is a bug:
 * logged whole, answered as 500 outside, retried once inside.
 */
export type FaultKind = "input" | "auth" | "missing" | "conflict" | "busy";

export class Fault extends Error {
  override readonly name = "Fault";
  readonly kind: FaultKind;
  /** Stable, machine-readable, `noun_adjective`. */
  readonly code: string;
  /** For the log only: never sent to a caller. */
  readonly details: unknown;

  constructor(
    kind: FaultKind,
    code: string,
    message: string,
    extra: { cause?: unknown; details?: unknown } = {},
  ) {
    super(message, extra.cause === undefined ? undefined : { cause: extra.cause });
    this.kind = kind;
    this.code = code;
    this.details = extra.details;
  }

  get retryable(): boolean {
    return this.kind === "busy";
  }
}

/** For what cannot be. Stays on in production: a broken invariant is a bug, never a user's error. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}

/** An engine that refuses us: its setting is wrong, or our credentials have run out. Nobody's photograph is to blame. */
export function isEngineRefusal({ code }: Fault): boolean {
  return /^(store|queue|blobs)_(denied|missing)$|^region_missing$/.test(code);
}
