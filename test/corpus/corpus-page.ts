import type { ClassTally } from "./corpus-run.ts";

/** The last line of the run. */
export interface CorpusFigures {
  readonly files: number;
  readonly classes: number;
  /** Errors that reached the process which runs the corpus. */
  readonly deaths: number;
  readonly hangs: number;
  readonly untyped: number;
  readonly gps_out: number;
  readonly peak_mb: number;
}

/** The table of the classes as Markdown. */
export function corpusTable(tallies: readonly ClassTally[]): string {
  const rows = tallies.map(({ name, files, decoded, refused, slowestMs }) => {
    const codes = [...refused].sort(([, a], [, b]) => b - a).map(([code, count]) => `${code} ${count}`);
    return `| ${name} | ${files} | ${decoded} | ${codes.join(", ")} | ${(slowestMs / 1_000).toFixed(1)} |`;
  });
  return [
    "| class | files | decoded | refused | slowest, s |",
    "| --- | ---: | ---: | --- | ---: |",
    ...rows,
  ].join("\n");
}

export function corpusPage(
  tallies: readonly ClassTally[],
  run: { figures: CorpusFigures; command: string; machine: string; minutes: number },
): string {
  const { figures, command, machine, minutes } = run;
  const crashed = tallies.reduce((sum, { refused }) => sum + (refused.get("decoder_crashed") ?? 0), 0);
  const sums = tallies.reduce((sum, { decoded }) => sum + decoded, 0);
  return `# Hostile files

What becomes of ${figures.files} files in ${figures.classes} classes that are cut, bent, bloated, mixed up or no photographs at all.
Each is made from small sound files by a seeded generator (\`test/corpus\`) and goes through the quarantine as it is in
production: one process a file, its memory, time, file size and loaders limited.

\`${command}\` on ${machine}, ${minutes.toFixed(0)} minutes:

| figure | bound | measured |
| --- | ---: | ---: |
| errors outside of the quarantine | 0 | ${figures.deaths} |
| files that took longer than 10 s | 0 | ${figures.hangs} |
| files without a picture and without a typed refusal | 0 | ${figures.untyped} |
| files of which a place, a camera or a thumbnail came out | 0 | ${figures.gps_out} |
| peak memory of all processes, MB (anonymous and shared) | 1,500 | ${figures.peak_mb} |

${sums} files were decoded, whole or as far as they go; ${figures.files - sums} refused. ${crashed} of the refused ended their decoder (\`decoder_crashed\`), and
nothing else. The peak includes the generator, which builds the files in the process that counts. Times are those of the
clock, with two decoders at work; a file that took longer than 10 s is tried once more by itself, and that time counts as
a hang or not.

${corpusTable(tallies)}
`;
}
