/** Open or closed; one may wait until it opens. */
export interface Gate {
  open(): void;
  close(): void;
  /** Resolves at once when open; rejects with the signal's reason when aborted before. */
  opened(signal: AbortSignal): Promise<void>;
}

export function createGate(): Gate {
  let isOpen = false;
  const waiting = new Set<() => void>();
  return {
    open(): void {
      isOpen = true;
      for (const wake of waiting) wake();
    },
    close(): void {
      isOpen = false;
    },
    async opened(signal: AbortSignal): Promise<void> {
      for (;;) {
        signal.throwIfAborted();
        // Once woken it looks again: somebody may have closed the gate in between.
        if (isOpen) return;
        await new Promise<void>((resolve) => {
          const wake = (): void => {
            waiting.delete(wake);
            signal.removeEventListener("abort", wake);
            resolve();
          };
          waiting.add(wake);
          signal.addEventListener("abort", wake);
        });
      }
    },
  };
}
