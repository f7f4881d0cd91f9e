/** The plots of docs/reliability.md. SVG, readable on light and dark pages. */
export interface Waste {
  /** Times as many faults as the swarm draws. */
  readonly harshness: number;
  /** Work done more than once, of all work. */
  readonly ratio: number;
  readonly lost: number;
}

const FRAME = { width: 640, height: 300, left: 52, right: 16, top: 40, bottom: 44 } as const;
const BLUE = "#27c";
const ORANGE = "#e80";
const RED = "#c33";
const WASTE_GOAL = 0.015;
const BIN_S = 5;
const GOALS_S = { p50: 25, p99: 60 } as const;

/** Work done twice against the rate of faults. */
export function wastePlot(wastes: readonly Waste[]): string {
  const { width, height, left, right, top, bottom } = FRAME;
  const most = Math.max(WASTE_GOAL, ...wastes.map(({ ratio }) => ratio)) * 1.15;
  const x = (i: number): number => Math.round(left + ((i + 0.5) / wastes.length) * (width - left - right));
  const y = (ratio: number): number => Math.round(height - bottom - (ratio / most) * (height - top - bottom));
  const points = wastes.map(({ ratio }, i) => `${x(i)},${y(ratio)}`).join(" ");
  return svg([
    text(left, 24, "start", "work done twice, % of all"),
    ...goal(y(WASTE_GOAL), `goal: ${percent(WASTE_GOAL)}`),
    `<polyline points="${points}" fill="none" stroke="${BLUE}" stroke-width="2"/>`,
    ...wastes.flatMap(({ harshness, ratio }, i) => [
      `<circle cx="${x(i)}" cy="${y(ratio)}" r="4" fill="${BLUE}"/>`,
      text(x(i), y(ratio) - 10, "middle", percent(ratio)),
      text(x(i), height - bottom + 18, "middle", `×${harshness}`),
    ]),
    text((left + width - right) / 2, height - 8, "middle", "faults, in those that the swarm draws"),
  ]);
}

/** Failover times as a histogram: of simulations, and of real processes where there are any. */
export function failoverPlot(of: { readonly simulated: number[]; readonly real: number[] }): string {
  const { width, height, left, right, top, bottom } = FRAME;
  const series = [
    { name: `simulated (${of.simulated.length})`, colour: BLUE, seconds: of.simulated },
    { name: `real processes (${of.real.length})`, colour: ORANGE, seconds: of.real },
  ].filter(({ seconds }) => seconds.length > 0);
  // Not spread into arguments: there may be hundreds of thousands.
  const longest = series.reduce<number>(
    (most, { seconds }) => seconds.reduce((a, b) => Math.max(a, b), most),
    GOALS_S.p99,
  );
  const bins = Math.floor(longest / BIN_S) + 1;
  const shares = series.map(({ seconds }) => {
    const counts = Array.from({ length: bins }, () => 0);
    for (const each of seconds) counts[Math.floor(each / BIN_S)]! += 1;
    return counts.map((count) => count / seconds.length);
  });
  const most = Math.max(...shares.flat()) * 1.1;
  const x = (seconds: number): number => left + (seconds / (bins * BIN_S)) * (width - left - right);
  const y = (share: number): number => height - bottom - (share / most) * (height - top - bottom);
  const barWidth = (x(BIN_S) - x(0) - 2) / series.length;
  const bars = shares.flatMap((counts, nth) =>
    counts.map((share, bin) => {
      const at = x(bin * BIN_S) + 1 + nth * barWidth;
      const tall = height - bottom - y(share);
      return `<rect x="${at.toFixed(1)}" y="${y(share).toFixed(1)}" width="${barWidth.toFixed(1)}" height="${tall.toFixed(1)}" fill="${series[nth]?.colour}"/>`;
    }),
  );
  const step = BIN_S * Math.max(2, Math.ceil(bins / 12));
  const ticks = Array.from({ length: Math.floor((bins * BIN_S) / step) + 1 }, (_, i) => i * step);
  return svg([
    ...series.map(({ name, colour }, i) => text(left + i * 200, 20, "start", name, colour)),
    text(width - right, 20, "end", `share of failovers, by ${BIN_S} s`),
    ...bars,
    ...Object.entries(GOALS_S).flatMap(([name, seconds]) => [
      `<line x1="${x(seconds).toFixed(1)}" x2="${x(seconds).toFixed(1)}" y1="${top}" y2="${height - bottom}" stroke="${RED}" stroke-dasharray="4 4"/>`,
      text(Math.round(x(seconds)) + 4, top + 10, "start", `goal ${name}`, RED),
    ]),
    ...ticks.map((seconds) => text(Math.round(x(seconds)), height - bottom + 18, "middle", `${seconds}`)),
    text(
      (left + width - right) / 2,
      height - 8,
      "middle",
      "seconds from the agent's death to the next lease of its stage",
    ),
  ]);
}

function goal(at: number, words: string): string[] {
  const { width, left, right } = FRAME;
  return [
    `<line x1="${left}" x2="${width - right}" y1="${at}" y2="${at}" stroke="${RED}" stroke-dasharray="4 4"/>`,
    text(left + 4, at - 6, "start", words, RED),
  ];
}

function text(x: number, y: number, anchor: string, words: string, fill?: string): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}"${fill === undefined ? "" : ` fill="${fill}"`}>${words}</text>`;
}

function percent(ratio: number): string {
  return `${(100 * ratio).toFixed(2)} %`;
}

function svg(parts: readonly string[]): string {
  const { width, height } = FRAME;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#888">
${parts.join("\n")}
</svg>
`;
}
