import type { MemorySample } from "./memory-sampler.ts";

/** A job that is measured. */
export interface MemoryJob {
  /** `peak_mb_<key>` is its figure; jobs of one key share it, and the largest counts. */
  readonly key: string;
  /** Of the photograph. */
  readonly megapixels: number;
  /** Enlargement of each side. */
  readonly scale: 1 | 2 | 4;
  /** How the upload is coded, where it is told apart; baseline otherwise. */
  readonly jpeg?: "baseline" | "progressive" | "progressive 4:4:4";
}

/** What a job took. */
export interface MemoryRow {
  readonly job: MemoryJob;
  /** From accepted to succeeded. */
  readonly seconds: number;
  readonly peak: MemorySample;
  /** The peak of each part of the job, in their order. */
  readonly stages: ReadonlyMap<string, MemorySample>;
  /** Some seconds after the job. */
  readonly idle: MemorySample;
}

const GOAL_MB = 1_000;
const mb = (bytes: number): string => (bytes / 1e6).toFixed(0);

/** A job in words. */
export const jobName = ({ megapixels, scale, jpeg }: MemoryJob): string =>
  `${megapixels} MP ×${scale}${jpeg === undefined ? "" : ` ${jpeg}`}`;
const resultMegapixels = ({ megapixels, scale }: MemoryJob): number => megapixels * scale ** 2;

/** docs/memory.md. @param bound bytes that no job exceeded, by the kernel's marks. */
export function memoryPage(rows: readonly MemoryRow[], bound: number): string {
  const stages = [...new Set(rows.flatMap((row) => [...row.stages.keys()]))];
  const table = [
    ["photograph", "result, MP", "peak, MB", "mapped files, MB", "idle afterwards, MB", "seconds"],
    ...rows.map((row) => [
      jobName(row.job),
      String(resultMegapixels(row.job)),
      `**${mb(row.peak.own)}**`,
      mb(row.peak.mapped),
      mb(row.idle.own),
      row.seconds.toFixed(1),
    ]),
  ];
  const byStage = [
    ["photograph", ...stages],
    ...rows.map((row) => [
      jobName(row.job),
      ...stages.map((stage) => (row.stages.has(stage) ? mb(row.stages.get(stage)?.own ?? 0) : "–")),
    ]),
  ];
  return `# Memory of a job

Written by \`npm run bench:memory\`; do not edit.

![Peak memory by the size of the photograph](memory.svg)

${markdownTable(table)}

- A JPEG of so many megapixels, each side enlarged so many times, to a PNG: from the upload to the downloaded result,
  through the real processes: control plane, quarantine, supervisor, worker. One stack does all jobs, in this order, so
  that what an earlier job has left behind counts as well.
- **peak**: anonymous and shared memory summed over all processes of the system (\`RssAnon\` + \`RssShmem\` of
  \`/proc/<pid>/status\`), the largest of samples taken every 5 ms where the machine has the time. **mapped files** are
  programs, libraries and weights, at the same moment; pages that several processes map are counted in each. The system's
  file cache is in neither. MB are 10⁶ bytes. The goal is ${GOAL_MB} MB for every job.
- What a sample may have missed is bounded: the kernel's high-water marks of the processes that lived through all jobs
  (decoders do not), summed as if each had reached its own at the same moment, came to ${mb(bound)} MB.
- The model is a stand-in of the shape of esrgan-thick (×4, halved to ×2) that takes as much memory for a tile as the
  real one was measured to take, and computes almost nothing: memory is as with the real one, time is not. The seconds
  say nothing absolute either way: they come from whatever machine ran this.
- The size of a photograph counts little because nowhere is a whole picture held. What grows is as wide as the picture
  and as high as a tile: the rows read for a row of tiles and the rows it finishes. The exceptions are uploads whose
  first row is known only with their last byte (progressive JPEG, interlaced PNG) or that lie on their side: the decoder
  holds them whole while it decodes. A progressive JPEG takes two bytes for each coefficient: 3 bytes a pixel with chroma
  halved (4:2:0), as nearly all are. With full chroma (4:4:4) it would take 6: beyond 50 megapixels such a file is taken
  apart, without decoding a coefficient, into its three components, and those are decoded one after another, 2 bytes a
  pixel each. The samples are the same to the bit.

Peak in each part of a job, MB (told apart to about 30 ms):

${markdownTable(byStage)}
`;
}

function markdownTable([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---:")), ...rows.map(line)].join("\n");
}

const STEP_MB = 250;
const PLOT = { width: 640, height: 300, left: 60, right: 20, top: 20, bottom: 44 } as const;

/**
 * docs/memory.svg: peak over the photograph's side (the root of its megapixels); a line through the enlargements ×2, the others as points
 * of their own. Readable on light and dark pages.
 */
export function memoryPlot(rows: readonly MemoryRow[]): string {
  const { width, height, left, right, top, bottom } = PLOT;
  const megapixelsMax = Math.max(...rows.map(({ job }) => job.megapixels));
  const peakMax = Math.max(...rows.map(({ peak }) => peak.own)) / 1e6;
  const mbMax = Math.ceil((Math.max(GOAL_MB, peakMax) * 1.1) / STEP_MB) * STEP_MB;
  const x = (megapixels: number): number =>
    Math.round(left + Math.sqrt(megapixels / megapixelsMax) * (width - left - right));
  const y = (megabytes: number): number =>
    Math.round(height - bottom - (megabytes / mbMax) * (height - top - bottom));
  const text = (at: { x: number; y: number; anchor: string }, words: string): string =>
    `<text x="${at.x}" y="${at.y}" text-anchor="${at.anchor}">${words}</text>`;
  const steps = Array.from({ length: mbMax / STEP_MB + 1 }, (_, n) => n * STEP_MB);
  const points = rows.map(({ job, peak }) => ({ x: x(job.megapixels), y: y(peak.own / 1e6), job, peak }));
  const line = points.filter(({ job }) => job.scale === 2);
  const dots = points.map((point) => {
    const { job } = point;
    const dot = `<circle cx="${point.x}" cy="${point.y}" r="4" fill="${job.scale === 2 ? "#27c" : "#e80"}"/>`;
    const name = `${job.jpeg ?? ""} ×${job.scale}: ${mb(point.peak.own)}`;
    const label =
      job.scale === 2
        ? text({ x: point.x, y: point.y + 18, anchor: "middle" }, mb(point.peak.own))
        : job.scale === 4
          ? text({ x: point.x, y: point.y - 10, anchor: "middle" }, name)
          : text({ x: point.x - 8, y: point.y + 4, anchor: "end" }, name);
    return `${dot}\n${label}`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#888">
<g stroke="#888" stroke-opacity="0.3">
${steps.map((step) => `<line x1="${left}" x2="${width - right}" y1="${y(step)}" y2="${y(step)}"/>`).join("\n")}
</g>
${steps.map((step) => text({ x: left - 8, y: y(step) + 4, anchor: "end" }, String(step))).join("\n")}
${[...new Set(rows.map(({ job }) => job.megapixels))].map((megapixels) => text({ x: x(megapixels), y: height - bottom + 18, anchor: "middle" }, String(megapixels))).join("\n")}
${text({ x: width - right, y: height - 8, anchor: "end" }, "megapixels of the photograph (the line: ×2)")}
${text({ x: left, y: 13, anchor: "start" }, "peak, MB")}
<line x1="${left}" x2="${width - right}" y1="${y(GOAL_MB)}" y2="${y(GOAL_MB)}" stroke="#c33" stroke-dasharray="6 4"/>
${text({ x: left + 8, y: y(GOAL_MB) - 6, anchor: "start" }, "goal")}
<polyline points="${line.map((point) => `${point.x},${point.y}`).join(" ")}" fill="none" stroke="#27c" stroke-width="2"/>
${dots.join("\n")}
</svg>
`;
}
