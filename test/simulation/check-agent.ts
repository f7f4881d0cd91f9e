import type { Change } from "./store-engine.ts";

/** An id belongs to one process start, and beats only go forward (7). */
export function checkAgentChange(
  { key, before, after }: Change,
  seen: Set<string>,
  breach: (invariant: number, what: string) => void,
): void {
  if (after === undefined) return;
  if (before === undefined) {
    if (seen.has(key.pk)) breach(7, `${key.pk} was registered twice`);
    seen.add(key.pk);
    return;
  }
  const was = before.counters["seq"] ?? 0;
  const is = after.counters["seq"] ?? 0;
  if (is <= was && !(is === was && is === Number.MAX_SAFE_INTEGER))
    breach(7, `${key.pk}: seq went from ${was} to ${is}`);
  const { expiresAt: old } = before.body as { expiresAt: number };
  const { expiresAt } = after.body as { expiresAt: number };
  if (!Number.isFinite(expiresAt) || !Number.isFinite(old)) breach(8, `${key.pk} has no end`);
}
