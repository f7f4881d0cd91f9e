import { timelineSvg, type Span } from "#agent/vram/timeline-svg.ts";
import type { SimulationResult } from "./simulation-result.ts";
import type { WorkModel } from "./workload.ts";

export interface TimelineRun {
  readonly title: string;
  readonly result: SimulationResult;
}

/**
 * Which models were in device memory when, one panel for each run, a row for each model; red is the time in which the
 * device had work and waited for a load. SVG, readable on light and dark pages.
 */
export function timelinePlot(runs: readonly TimelineRun[], models: readonly WorkModel[], span: Span): string {
  const seconds = span.to - span.from;
  return timelineSvg({
    title: "Models in device memory over time",
    span,
    names: { hot: "in device memory" },
    panels: runs.map(({ title, result: { stalls, stays } }) => {
      const stalled = stalls.reduce(
        (sum, { from, to }) => sum + Math.max(0, Math.min(to, span.to) - Math.max(from, span.from)),
        0,
      );
      return {
        title: `${title}: ${stalled.toFixed(1)} of ${seconds.toFixed(0)} s stalled`,
        stalls,
        rows: models.map(({ id }, place) => ({
          label: id,
          bars: stays
            .filter(({ model }) => model === place)
            .map(({ from, to }) => ({ from, to, kind: "hot" as const })),
        })),
      };
    }),
  });
}
