import { SEVERITIES, type SeverityName } from "./old-photo.ts";
import { mean, pick, type Score } from "./quality-page.ts";

const frame = { width: 640, height: 320, left: 48, right: 210, top: 16, bottom: 34 } as const;
const lines = [
  { id: "exact tone", title: "fading undone exactly", colour: "#aaa" },
  { id: "faithful", title: "faithful", colour: "#27c" },
  { id: "balanced", title: "balanced", colour: "#2a7" },
  { id: "enhanced", title: "enhanced", colour: "#a3c" },
  { id: "npm faithful", title: "faithful, npm weights", colour: "#e80" },
  { id: "bicubic", title: "the input, bicubic", colour: "#c33" },
] as const;

/** docs/quality-severity.svg: mean PSNR of the presets over the severities. Readable on light and dark pages. */
export function qualityPlot(scores: readonly Score[]): string {
  const { width, height, left, right, top, bottom } = frame;
  const severities = Object.keys(SEVERITIES) as SeverityName[];
  const drawn = lines.map((line) => ({
    ...line,
    points: severities.flatMap((severity, step) => {
      const own = pick(scores, line.id, severity);
      return own.length === 0 ? [] : [{ step, psnr: mean(own, ({ psnr }) => psnr) }];
    }),
  }));
  const all = drawn.flatMap(({ points }) => points.map(({ psnr }) => psnr));
  const low = Math.floor(Math.min(...all));
  const high = Math.ceil(Math.max(...all));
  const x = (step: number): number =>
    Math.round(left + ((step + 0.15) / (severities.length - 0.7)) * (width - left - right));
  const y = (psnr: number): number =>
    Math.round(height - bottom - ((psnr - low) / (high - low)) * (height - top - bottom));
  const text = (at: { x: number; y: number; anchor: string; fill?: string }, words: string): string =>
    `<text x="${at.x}" y="${at.y}" text-anchor="${at.anchor}"${at.fill === undefined ? "" : ` fill="${at.fill}"`}>${words}</text>`;
  const levels = Array.from({ length: high - low + 1 }, (_, i) => low + i);
  const curves = drawn
    .filter(({ points }) => points.length > 0)
    .map(({ points, title, colour }, row) => {
      const dots = points.map(
        ({ step, psnr }) => `<circle cx="${x(step)}" cy="${y(psnr)}" r="4" fill="${colour}"/>`,
      );
      const path = points.map(({ step, psnr }) => `${x(step)},${y(psnr)}`).join(" ");
      const values = points.map(({ psnr }) => psnr.toFixed(1)).join(" · ");
      const legend = { x: width - right + 14, y: top + 20 + row * 40, anchor: "start" };
      return [
        `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
        ...dots,
        text({ ...legend, fill: colour }, title),
        text({ ...legend, y: legend.y + 15 }, `${values} dB`),
      ].join("\n");
    });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#888">
<g stroke="#888" stroke-opacity="0.3">
${levels.map((level) => `<line x1="${left}" x2="${width - right}" y1="${y(level)}" y2="${y(level)}"/>`).join("\n")}
</g>
${levels.map((level) => text({ x: left - 8, y: y(level) + 4, anchor: "end" }, String(level))).join("\n")}
${severities.map((name, step) => text({ x: x(step), y: height - bottom + 20, anchor: "middle" }, name)).join("\n")}
${text({ x: left, y: 11, anchor: "start" }, "PSNR, dB")}
${curves.join("\n")}
</svg>
`;
}
