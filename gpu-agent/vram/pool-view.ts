import { formatBytes } from "../models/model-table.ts";
import { loadedCountOf, type ModelPicture, type PoolPicture } from "./pool-picture.ts";
import type { FoundPool } from "./pool-record.ts";

const BAR_LETTERS = 40;
const EVICTIONS_SHOWN = 8;
const RECYCLES_SHOWN = 4;

const WAITS: Readonly<Record<NonNullable<PoolPicture["waitsFor"]>, string>> = {
  leased: "what runs now",
  loading: "a load",
  draining: "memory to come back",
  poisoned: "another worker",
  demand: "work",
};

/** What a person sees of a pool: lines of plain text. @param nowMs milliseconds since the epoch. */
export function poolView(found: FoundPool, nowMs: number): readonly string[] {
  const { picture } = found.record;
  // What has ended is shown as it was then.
  const at = found.status === "running" ? Math.max(nowMs, picture.atMs) : picture.atMs;
  const lines = [
    poolHeadline(found, nowMs),
    budgetLine(picture),
    `  ${loadedCountOf(picture)} of ${picture.models.length} models loaded${waitWords(picture)}`,
    "",
    ...indented(table(modelCells(picture.models, at))),
    ...listed("Held", picture.leases, (lease) => [
      lease.model,
      `stage ${lease.stage} of ${lease.job}`,
      `for ${duration(at - lease.sinceMs)}`,
    ]),
    ...listed("Last evictions", picture.evictions.slice(-EVICTIONS_SHOWN).reverse(), (each) => [
      `${duration(at - each.atMs)} ago`,
      each.model,
      each.why,
    ]),
    ...listed("Replacements of the worker", picture.recycles.slice(-RECYCLES_SHOWN).reverse(), (each) => [
      `${duration(at - each.atMs)} ago`,
      each.is,
      each.why,
    ]),
    "",
    ...indented(counterLines(picture)),
  ];
  return lines.map(printable);
}

/** Which agent it is and how it is. */
export function poolHeadline({ record, slot, status }: FoundPool, nowMs: number): string {
  const { pid, picture } = record;
  const who = `Agent ${pid}, slot ${slot}, on ${picture.device}`;
  const age = duration(nowMs - (status === "running" ? picture.startedMs : picture.atMs));
  switch (status) {
    case "running":
      return printable(`${who}: running for ${age}`);
    case "ended":
      return printable(`${who}: ended ${age} ago`);
    case "gone":
      return printable(`${who}: its process is gone; last heard of ${age} ago`);
  }
}

function budgetLine({ deviceBytes, reserveBytes, usedBytes }: PoolPicture): string {
  const part = deviceBytes === 0 ? 0 : Math.min(1, usedBytes / deviceBytes);
  const kept = deviceBytes === 0 ? 0 : Math.min(1 - part, reserveBytes / deviceBytes);
  const used = Math.round(part * BAR_LETTERS);
  const reserved = Math.min(BAR_LETTERS - used, Math.round(kept * BAR_LETTERS));
  const bar = "█".repeat(used) + "·".repeat(BAR_LETTERS - used - reserved) + "░".repeat(reserved);
  const budget = formatSize(deviceBytes - reserveBytes);
  return `  [${bar}] ${formatSize(usedBytes)} of ${budget} used, ${formatSize(reserveBytes)} kept in reserve (░)`;
}

function waitWords({ waitsFor }: PoolPicture): string {
  return waitsFor === undefined ? "" : `; waits for ${WAITS[waitsFor]}`;
}

const HEAD = ["MODEL", "PHASE", "SINCE", "SIZE", "USES", "LOADS", "LAST LOAD", "LAST EVICTION"] as const;

function modelCells(models: readonly ModelPicture[], atMs: number): readonly (readonly string[])[] {
  const cells = models.map((model) => [
    model.id,
    model.phase + (model.isPinned ? ", pinned" : "") + (model.isBarred ? ", barred" : ""),
    duration(atMs - model.sinceMs),
    formatSize(model.bytes),
    String(model.uses),
    String(model.loads),
    model.loadMs === undefined ? "-" : `${(model.loadMs / 1_000).toFixed(1)} s`,
    model.evicted === undefined ? "-" : `${duration(atMs - model.evicted.atMs)} ago`,
  ]);
  return [HEAD, ...cells];
}

function counterLines({ counters, overtaken }: PoolPicture): readonly string[] {
  const hitWords = counters.grants === 0 ? "" : ` (${percent(counters.hits, counters.grants)})`;
  const loadWords = counters.loads === 0 ? "" : ` (${(counters.loadMs / 1_000).toFixed(1)} s)`;
  const past = Math.max(
    0,
    overtaken.findLastIndex((count) => count > 0),
  );
  return [
    `${counters.grants} stages started, ${counters.hits} without waiting for a load${hitWords}; past ${past} earlier jobs at most`,
    `${counters.loads} loads${loadWords}, ${counters.prefetches} begun ahead of need, ${counters.failedLoads} failed; ` +
      `${counters.readAheads} files read ahead; ${counters.evictions} evictions`,
    `${(counters.stallMs / 1_000).toFixed(1)} s stalled; ${counters.rejected} stages rejected; ${counters.recycles} workers replaced`,
  ];
}

function listed<T>(title: string, all: readonly T[], cells: (each: T) => readonly string[]): string[] {
  return all.length === 0 ? [] : ["", `  ${title}:`, ...indented(indented(table(all.map(cells))))];
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

/** Columns aligned. */
function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [column, cell] of row.entries())
      widths[column] = Math.max(widths[column] ?? 0, printable(cell).length);
  return rows.map((row) =>
    row
      .map((cell, column) => printable(cell).padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}

function formatSize(bytes: number): string {
  return bytes < 1e9 ? formatBytes(bytes) : `${(bytes / 1e9).toFixed(1)} GB`;
}

function percent(part: number, of: number): string {
  return `${Math.round((100 * part) / of)} %`;
}

const UNITS = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
] as const;

/** In the largest unit that it fills. */
function duration(ms: number): string {
  const seconds = Math.max(0, ms) / 1_000;
  for (const [unit, name] of UNITS) if (seconds >= unit) return `${Math.floor(seconds / unit)} ${name}`;
  return `${seconds < 10 ? seconds.toFixed(1) : Math.floor(seconds)} s`;
}

/** Whatever a file holds, it must not reach the terminal as a command. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
}
