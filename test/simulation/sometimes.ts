/** Rare paths that a good simulation takes now and then; one that is never taken proves nothing. */
export const RARE_PATHS = [
  "takeover by an agent with a bell",
  "takeover by the sweeper",
  "takeover by a dead letter",
  "found by asking",
  "claim granted, answer lost",
  "complete done, answer lost",
  "complete claimed the next stage, answer lost",
  "stale complete",
  "cancel wins",
  "cancel of a running stage",
  "complete wins against cancel",
  "claimed again after two losses",
  "dead letter rung again",
  "poison found",
  "out of memory tried again",
  "intake tried again",
  "intake lost with its process",
  "late upload found by a look",
  "upload never came",
  "not begun by its deadline",
  "not ended by its deadline",
  "bell rung again",
  "commit conflicted",
  "create repeated",
  "agent drained",
  "stage released",
  "foreign agent refused",
  "broken node taken out",
  "beat overtaken",
  "agent paused past its lease",
  "bytes discarded",
  "retention ended",
  "erased before its end",
  "erased after its end",
  "erased bytes written again",
  "cap reached",
  "balance exhausted",
  "grant announced twice",
  "rater met another",
  "batch canceled while filling",
  "batch completed",
  "reconcile with a difference",
  "meter event known already",
  "late invoice item",
] as const;
export type RarePath = (typeof RARE_PATHS)[number];

export interface Sometimes {
  count(path: RarePath): void;
  readonly counts: Readonly<Record<RarePath, number>>;
}

export function createSometimes(): Sometimes {
  const counts = Object.fromEntries(RARE_PATHS.map((path) => [path, 0])) as Record<RarePath, number>;
  return { counts, count: (path) => void (counts[path] += 1) };
}
