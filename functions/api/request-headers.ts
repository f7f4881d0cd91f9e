import { WAIT_SECONDS_MAX } from "./restoration-watch.ts";

/** Seconds of `Prefer: wait` (RFC 7240), at most WAIT_SECONDS_MAX; 0 where it is absent or unreadable, as the RFC wants. */
export function preferredWait(prefer: string | undefined): number {
  const seconds = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})"?\s*(?:[,;]|$)/i.exec(prefer ?? "")?.[1];
  return Math.min(WAIT_SECONDS_MAX, Number(seconds ?? 0));
}

/** If-None-Match against one tag: weak comparison (RFC 9110, 8.8.3.2). */
export function matchesTag(header: string, etag: string): boolean {
  if (header.trim() === "*") return true;
  return header.split(",").some((tag) => strong(tag) === strong(etag));
}

function strong(tag: string): string {
  return tag.trim().replace(/^W\//, "");
}
