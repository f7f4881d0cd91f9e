import type { HalfSpent, Spent } from "./pixels-job.ts";
import type { PartSpent } from "./pixels-parts.ts";

/** One size of job over all its runs. */
export interface PixelsRow {
  readonly scale: number;
  readonly resultMegapixels: number;
  /** Of the run whose ratio of processor time is the median. */
  readonly half: HalfSpent;
  readonly vips: Spent;
  /** Medians over the runs. */
  readonly ratio: Spent & { readonly withStart: number };
  readonly runs: number;
}

/** docs/pixels.md. */
export function pixelsPage(content: string, rows: readonly PixelsRow[], parts: readonly PartSpent[]): string {
  const spent = ({ wall, cpu }: Spent): string => `${cpu.toFixed(2)} (${wall.toFixed(2)})`;
  const halves = [
    [
      "job",
      "result, MP",
      "start",
      "decode",
      "tiles",
      "raster",
      "PNG",
      "all",
      "libvips",
      "ratio",
      "with start",
    ],
    ...rows.map(({ scale, resultMegapixels, half, vips, ratio }) => [
      `×${scale}`,
      resultMegapixels.toFixed(1),
      half.start.cpu.toFixed(2),
      ...[half.decode, half.tiles, half.raster, half.encode, half.total, vips].map(spent),
      `**${ratio.cpu.toFixed(2)}** (${ratio.wall.toFixed(2)})`,
      ratio.withStart.toFixed(2),
    ]),
  ];
  const loops = [
    ["loop", "ms a megapixel", "times a copy"],
    ...parts.map(({ name, msPerMegapixel, overCopy }) => [
      name,
      msPerMegapixel.toFixed(1),
      overCopy.toFixed(1),
    ]),
  ];
  return `# The half of a job that no model does

Written by \`npm run bench:pixels\`; do not edit.

A JPEG (${content})
through the product's own code, with a model whose time is not counted: quarantined decode, tiles packed and blended, a
raster of 16 bits, a PNG of 8 bits, every file hashed. Beside it libvips reads that same PNG and writes it at compression
level 6. Seconds of processor time over all threads and processes (elapsed seconds in brackets); job and libvips took
turns, ${rows[0]?.runs ?? 0} times each; ratios are medians. The goal is 2.

${markdownTable(halves)}

**start** is what the decoder's process takes to start: a fixed cost, spent in advance while nobody waits, in none of
the other columns but the last.

The loops on one thread, from memory to memory, each in turn with a copy between two typed arrays of 64 MiB that reads
and writes as many bytes:

${markdownTable(loops)}

A loop over samples does not reach the bandwidth of memory: samples are converted, scaled, rounded and clipped one at a
time, in one to two nanoseconds each. Deflate is the largest part and runs beside the loops, on the other threads.
`;
}

function markdownTable([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---:")), ...rows.map(line)].join("\n");
}
