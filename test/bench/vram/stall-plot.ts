import type { MixComparison, Rival } from "./mix-comparison.ts";

const PLOT = { width: 640, height: 300, left: 48, right: 12, top: 44, bottom: 34 } as const;
const COLOURS: Readonly<Record<Rival, string>> = {
  lru: "#888",
  gdsf: "#c90",
  "lookahead, in order, on demand": "#7ab",
  "lookahead, in order": "#49c",
  lookahead: "#27c",
};

/** Stall seconds per job as bars, a group for each budget. SVG, readable on light and dark pages. */
export function stallPlot(comparisons: readonly MixComparison[]): string {
  const { width, height, left, right, top, bottom } = PLOT;
  const names = Object.keys(COLOURS) as Rival[];
  const stallMax = Math.max(...comparisons.map(({ rivals }) => rivals.lru.stall)) * 1.1;
  const groupWidth = (width - left - right) / comparisons.length;
  const barWidth = (groupWidth * 0.8) / names.length;
  const y = (stall: number): number => height - bottom - (stall / stallMax) * (height - top - bottom);
  const bars = comparisons.flatMap(({ budgetGigabytes, rivals }, group) => {
    const x = left + group * groupWidth;
    const middle = x + groupWidth * 0.4;
    const label = `<text x="${middle}" y="${height - bottom + 20}" text-anchor="middle">${budgetGigabytes} GB</text>`;
    const drawn = names.map((name, nth) => {
      const { stall } = rivals[name];
      const at = x + nth * barWidth;
      return (
        `<rect x="${at.toFixed(1)}" y="${y(stall).toFixed(1)}" width="${(barWidth - 3).toFixed(1)}" ` +
        `height="${(height - bottom - y(stall)).toFixed(1)}" fill="${COLOURS[name]}"/>\n` +
        `<text x="${(at + barWidth / 2).toFixed(1)}" y="${(y(stall) - 4).toFixed(1)}" text-anchor="middle">${stall.toFixed(2)}</text>`
      );
    });
    return [label, ...drawn];
  });
  const legend = names.map((name, nth) => {
    const x = left + [0, 50, 105, 315, 450][nth]!;
    return `<rect x="${x}" y="6" width="10" height="10" fill="${COLOURS[name]}"/><text x="${x + 14}" y="15">${name}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11" fill="#888">
${legend.join("\n")}
<text x="${left}" y="34">seconds a job waits for loads</text>
${bars.join("\n")}
</svg>
`;
}
