import { SEVERITIES, type SeverityName } from "./old-photo.ts";
import { gainOf, pick, type Score } from "./quality-page.ts";

const frame = { width: 640, height: 320, left: 48, right: 210, top: 16, bottom: 34 } as const;
const lines = [
  { id: "exact tone", title: "fading undone exactly", colour: "#aaa" },
  { id: "faithful", title: "faithful", colour: "#27c" },
  { id: "balanced", title: "balanced", colour: "#2a7" },
  { id: "enhanced", title: "enhanced", colour: "#a3c" },
  { id: "npm faithful", title: "faithful, npm weights", colour: "#e80" },
  { id: "lanczos3", title: "the input, Lanczos 3", colour: "#c33" },
] as const;

/**
 * docs/quality-severity.svg: what the presets gain over the input enlarged by bicubic, each on its own pictures, over the
 * severities. Readable on light and dark pages.
 */
export function qualityPlot(scores: readonly Score[]): string {
  const { width, height, left, right, top, bottom } = frame;
  const severities = Object.keys(SEVERITIES) as SeverityName[];
  const drawn = lines.map((line) => ({
    ...line,
    points: severities.flatMap((severity, step) => {
      const isMeasured = pick(scores, line.id, severity).length > 0;
      return isMeasured ? [{ step, gain: gainOf(scores, line.id, severity) }] : [];
    }),
  }));
  const all = drawn.flatMap(({ points }) => points.map(({ gain }) => gain));
  const low = Math.floor(Math.min(...all));
  const high = Math.ceil(Math.max(...all));
  const x = (step: number): number =>
    Math.round(left + ((step + 0.15) / (severities.length - 0.7)) * (width - left - right));
  const y = (gain: number): number =>
    Math.round(height - bottom - ((gain - low) / (high - low)) * (height - top - bottom));
  const text = (at: { x: number; y: number; anchor: string; fill?: string }, words: string): string =>
    `<text x="${at.x}" y="${at.y}" text-anchor="${at.anchor}"${at.fill === undefined ? "" : ` fill="${at.fill}"`}>${words}</text>`;
  const levels = Array.from({ length: high - low + 1 }, (_, i) => low + i);
  const curves = drawn
    .filter(({ points }) => points.length > 0)
    .map(({ points, title, colour }, row) => {
      const dots = points.map(
        ({ step, gain }) => `<circle cx="${x(step)}" cy="${y(gain)}" r="4" fill="${colour}"/>`,
      );
      const path = points.map(({ step, gain }) => `${x(step)},${y(gain)}`).join(" ");
      const values = points.map(({ gain }) => gain.toFixed(1)).join(" · ");
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
${text({ x: left, y: 11, anchor: "start" }, "gain over bicubic, dB PSNR")}
${curves.join("\n")}
</svg>
`;
}
