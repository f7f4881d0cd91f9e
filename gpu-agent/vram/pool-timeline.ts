import type { Wait } from "./action.ts";
import { isStalled } from "./pool-picture.ts";
import type { PoolRecord, TimedEvent } from "./pool-record.ts";
import type { ModelPhase } from "./pool-state.ts";
import { timelineSvg, type BarKind, type Span, type TimelinePanel } from "./timeline-svg.ts";

/** A pool whose timeline is drawn: what is known of it, and what it is called. */
interface TimelineOf {
  readonly title: string;
  readonly record: Pick<PoolRecord, "picture" | "events">;
}

interface Stay extends Span {
  readonly kind: ModelPhase;
}

/**
 * The timelines of pools, from the events that are still kept, on one axis of seconds. As many seconds before the end as
 * asked for, or all.
 */
export function poolTimelineSvg(pools: readonly TimelineOf[], lastSeconds = Infinity): string {
  const end = Math.max(...pools.map(({ record }) => record.picture.atMs));
  const start = Math.min(...pools.map(({ record }) => startOf(record)));
  const zero = Math.max(start, end - lastSeconds * 1_000);
  const span = { from: 0, to: (end - zero) / 1_000 };
  const panels = pools.map(({ title, record }) => ({ title, ...timelinePanel(record, { zero, span }) }));
  const since = new Date(zero).toISOString().slice(0, 19).replace("T", " ");
  return timelineSvg({
    title: `Models in device memory since ${since} UTC`,
    panels: panels.map(({ stalls, ...panel }) => ({
      ...panel,
      stalls,
      title: `${panel.title}, ${since} UTC: ${stalledSeconds(stalls).toFixed(1)} of ${span.to.toFixed(0)} s stalled`,
    })),
    span,
  });
}

/** A row for every model that was anywhere but on disk in the span; seconds since `zero`. */
export function timelinePanel(
  { picture, events }: TimelineOf["record"],
  { zero, span }: { readonly zero: number; readonly span: Span },
): Omit<TimelinePanel, "title"> {
  const end = picture.atMs;
  const start = startOf({ picture, events });
  const seconds = ({ from, to }: Span): Span => ({
    from: Math.max(span.from, (from - zero) / 1_000),
    to: Math.min(span.to, (to - zero) / 1_000),
  });
  const isSeen = ({ from, to }: Span): boolean => to > from;
  const rows = picture.models
    .map(({ id, phase }) => ({
      label: id,
      bars: staysOf({ id, phase }, events, { from: start, to: end }).flatMap((stay) => {
        const { kind } = stay;
        const bar = seconds(stay);
        return isBar(kind) && isSeen(bar) ? [{ kind, ...bar }] : [];
      }),
    }))
    .filter(({ bars }) => bars.length > 0);
  const stalls = stallsOf({ picture, events }, { from: start, to: end }).map(seconds).filter(isSeen);
  return { rows, stalls };
}

/** What is not known to have been lost: since the first event that is kept, or since the pool was opened. */
function startOf({ picture, events }: TimelineOf["record"]): number {
  return Math.min(events[0]?.atMs ?? picture.startedMs, picture.atMs);
}

function isBar(phase: ModelPhase): phase is BarKind {
  return phase !== "cold";
}

/** Where a model was, one phase after the other; milliseconds. */
function staysOf(
  { id, phase }: { readonly id: string; readonly phase: ModelPhase },
  events: readonly TimedEvent[],
  { from, to }: Span,
): readonly Stay[] {
  const stays: Stay[] = [];
  let since = from;
  let last = phase;
  for (const { atMs, event } of events) {
    if (event.kind !== "phase" || event.model !== id) continue;
    stays.push({ kind: event.from, from: since, to: atMs });
    since = atMs;
    last = event.to;
  }
  stays.push({ kind: last, from: since, to });
  return stays;
}

/** As the picture counts them. */
function stallsOf({ picture, events }: TimelineOf["record"], { from, to }: Span): readonly Span[] {
  const phases = new Map<string, ModelPhase>(picture.models.map(({ id, phase }) => [id, phase]));
  // The first that is heard of a model tells where it was until then.
  for (const { event } of events.toReversed())
    if (event.kind === "phase") phases.set(event.model, event.from);
  const stalls: Span[] = [];
  let waitsFor: Wait["until"] | undefined;
  let since: number | undefined;
  const look = (atMs: number): void => {
    const isNow = isStalled(phases.values(), waitsFor);
    if (isNow) since ??= atMs;
    else if (since !== undefined) {
      if (atMs > since) stalls.push({ from: since, to: atMs });
      since = undefined;
    }
  };
  for (const { atMs, event } of events) {
    if (event.kind === "phase") phases.set(event.model, event.to);
    else if (event.kind === "waiting") waitsFor = event.until;
    else continue;
    look(Math.max(atMs, from));
  }
  if (since !== undefined && to > since) stalls.push({ from: since, to });
  return stalls;
}

function stalledSeconds(stalls: readonly Span[]): number {
  return stalls.reduce((sum, { from, to }) => sum + to - from, 0);
}
