import type { SimulationResult } from "./simulation-result.ts";
import type { WorkModel } from "./workload.ts";

const PLOT = { width: 900, left: 96, right: 24, top: 34, row: 13, bottom: 26 } as const;
const TICK_SECONDS = 30;

export interface TimelineRun {
  readonly title: string;
  readonly result: SimulationResult;
}

export interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * Which models were in device memory when, one panel for each run, a row for each model; red is the time in which the
 * device had work and waited for a load. SVG, readable on light and dark pages.
 */
export function timelinePlot(runs: readonly TimelineRun[], models: readonly WorkModel[], span: Span): string {
  const { width, left, right, top, row, bottom } = PLOT;
  const panelHeight = top + models.length * row;
  const x = (seconds: number): number =>
    left +
    ((Math.min(Math.max(seconds, span.from), span.to) - span.from) / (span.to - span.from)) *
      (width - left - right);
  const bar = (
    { from, to }: Span,
    { y, height, fill }: { y: number; height: number; fill: string },
  ): string =>
    `<rect x="${x(from).toFixed(1)}" y="${y}" width="${Math.max(0.5, x(to) - x(from)).toFixed(1)}" height="${height}" fill="${fill}"/>`;
  const isSeen = ({ from, to }: Span): boolean => to > span.from && from < span.to;
  const panels = runs.map(({ title, result }, nth) => {
    const above = nth * panelHeight;
    const stalls = result.stalls.filter(isSeen);
    const stalled = stalls.reduce(
      (sum, { from, to }) => sum + Math.min(to, span.to) - Math.max(from, span.from),
      0,
    );
    return [
      `<text x="${left}" y="${above + 18}">${title}: ${stalled.toFixed(1)} of ${(span.to - span.from).toFixed(0)} s stalled</text>`,
      ...stalls.map((stall) =>
        bar(stall, { y: above + top - 8, height: models.length * row + 6, fill: "#c33" }).replace(
          "/>",
          ' fill-opacity="0.35"/>',
        ),
      ),
      ...models.map(
        ({ id }, place) =>
          `<text x="${left - 6}" y="${above + top + place * row + 9}" text-anchor="end">${id}</text>`,
      ),
      ...result.stays
        .filter(isSeen)
        .map((stay) => bar(stay, { y: above + top + stay.model * row, height: row - 3, fill: "#27c" })),
    ].join("\n");
  });
  const height = runs.length * panelHeight + bottom;
  const ticks = Array.from(
    { length: Math.floor((span.to - span.from) / TICK_SECONDS) + 1 },
    (_, nth) => nth * TICK_SECONDS,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="10" fill="#888">
${panels.join("\n")}
${ticks.map((tick) => `<text x="${x(span.from + tick).toFixed(1)}" y="${height - 8}" text-anchor="middle">${tick} s</text>`).join("\n")}
</svg>
`;
}
