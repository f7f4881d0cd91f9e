/** Turns for what runs side by side: everybody waits at each call for its turn, and chance decides whose it is. */
export interface Turns {
  /** Resolves when it is the caller's turn. */
  readonly turn: () => Promise<void>;
  /** Starts something; what it throws is kept for `run`. */
  readonly start: (what: () => Promise<unknown>) => void;
  /** Gives so many turns, or until nobody waits. @throws what was thrown by what was started, and by `after`. */
  readonly run: (after: () => Promise<void>, turns?: number) => Promise<void>;
}

export function createTurns(draw: () => number): Turns {
  const waiting: (() => void)[] = [];
  const thrown: unknown[] = [];
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  return {
    turn: () => new Promise((resolve) => waiting.push(resolve)),
    start: (what) => {
      void what().catch((error: unknown) => thrown.push(error));
    },
    async run(after, turns = Infinity) {
      for (let given = 0; given < turns; given++) {
        await settled();
        if (thrown.length > 0) throw thrown[0];
        const [next] = waiting.splice(Math.floor(draw() * waiting.length), 1);
        if (next === undefined) return;
        next();
        await settled();
        await after();
      }
    },
  };
}
