import type { PeerKey } from "./contenders.ts";
import { median } from "../bench-stack.ts";
import { ratiosOf, type PeerPeak, type PeerSpeed } from "./peer-measure.ts";
import type { PeerRun } from "./peer.ts";
import type { Weights } from "./peer-protocol.ts";

/** A whole run of the benchmark. */
export interface PeersReport {
  readonly threads: number;
  /** Of the photograph that was timed. */
  readonly side: number;
  readonly tiles: number;
  /** PhotoKeep first. */
  readonly speeds: ReadonlyMap<PeerKey, PeerSpeed>;
  readonly peaks: ReadonlyMap<PeerKey, PeerPeak>;
  /** What ran where memory was measured. */
  readonly weights: Weights;
  /** The least of all, in dB. */
  readonly likeness: number;
}

/** docs/peers.md. */
export function peersPage({ threads, side, tiles, speeds, peaks, weights, likeness }: PeersReport): string {
  const own = speeds.get("photokeep");
  const rows = [...speeds].map(([key, speed]) => {
    const { name, wall, cpu, turns } = speed;
    const peak = peaks.get(key);
    const ratio = (of: keyof PeerRun): string => median(ratiosOf(speed, own, of)).toFixed(2);
    return [
      name,
      wall.toFixed(1),
      ratio("seconds"),
      cpu.toFixed(1),
      ratio("cpuSeconds"),
      String(turns.size),
      ...(peak === undefined ? ["", ""] : [`**${(peak.bytes / 1e6).toFixed(0)}**`, endOf(peak)]),
    ];
  });
  const head = ["", "wall, s/MP", "ratio", "CPU, s/MP", "ratio", "turns", "peak, MB", "seconds of that run"];
  const turnsAgainst = (of: keyof PeerRun): string =>
    ratiosOf(own, speeds.get("python"), of)
      .map((ratio) => ratio.toFixed(2))
      .join(", ");
  const shares = [...speeds].map(([key, { turns }]) => {
    const had = [...turns.values()].map((run) => run.cpuSeconds / run.seconds);
    return `${key} ${median(had).toFixed(2)}`;
  });
  const whichWeights =
    weights === "esrgan-slim"
      ? `
  The weights are those of npm \`@upscalerjs/esrgan-slim\`, about 30 times lighter than esrgan-thick, so that UpscalerJS
  gets through 4 megapixels in minutes (\`--thick\` takes esrgan-thick). In PhotoKeep they stand in for esrgan-thick, in
  tiles of the same size. Their last layers, an enlargement by repetition and a convolution, are one convolution and a
  shuffle of channels in the ONNX file that PhotoKeep and Python run: the same sums, fewer of them. What is measured is
  what each holds beside a model; [memory.md](memory.md) has PhotoKeep with what esrgan-thick takes.`
      : " The weights are those of esrgan-thick.";
  return `# The same weights elsewhere

Written by \`npm run bench:peers\`; do not edit.

${markdownTable([head, ...rows])}

- **Time**: one photograph (examples/portrait.original.png, ${side}×${side} pixels) ×4 by esrgan-thick of npm
  \`@upscalerjs/esrgan-thick\`, file to PNG, in turns on one machine, models loaded and warm; medians over
  the turns, of the ratios too (each within its turn). Megapixels are those of the photograph. The goal is to be 3 times
  as fast as UpscalerJS and to take no more than 1.05 times the time of Python.
- Turn by turn PhotoKeep took ${turnsAgainst("seconds")} times the time of Python, CPU ${turnsAgainst("cpuSeconds")}.
  Wall clock depends on what else the machine does; CPU time (user and system, the whole process tree) depends on it less. Of
  the processors each had, by the median: ${shares.join(", ")}.
- **PhotoKeep** is the whole local stack: from accepted to succeeded by the server's clock, with its intake in a
  quarantine, analysis, hashed files and previews, which the others do not have; the memory is that of all its processes
  and of the client. ${threads} threads.
- **UpscalerJS** runs the package's own weights on the backend that is named: the fastest of TensorFlow.js that could be
  installed (tfjs-node comes first; its library is no part of the npm package). The WebAssembly backend has no threads in
  Node: the ratio of CPU time is what would be left if it had and they came for free. Its patches are the cheapest within
  the tile size of PhotoKeep, with the same padding.
- **Python** runs the very ONNX file that PhotoKeep converted, on the same version of the runtime, ${threads} threads, in the
  same ${tiles} tiles, blended linearly, arrays changed in place, the result held whole.
- The results are the same picture: at least ${likeness.toFixed(0)} dB PSNR between any two, without the border.
- **Peak**: anonymous and shared memory over the process tree while a JPEG of 4 megapixels is enlarged ×4 to 64, once,
  each contender alone and fresh, warmed by the photograph above, sampled every 5 ms. The goal is less than both.${whichWeights}

Not measured: tfjs-node where it does not install, GPUs, browsers, UpscalerJS on 4 megapixels with esrgan-thick (the
better part of an hour), and more than one photograph at a time.
`;
}

const endOf = (peak: PeerPeak): string =>
  "seconds" in peak ? peak.seconds.toFixed(1) : `did not get through: ${peak.failure}`;

function markdownTable([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, n) => (n === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}
