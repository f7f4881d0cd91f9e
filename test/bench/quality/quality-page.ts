import type { Measures } from "../../measures/measure.ts";
import type { Method } from "./methods.ts";
import { SEVERITIES, type Severity, type SeverityName } from "./old-photo.ts";

/** How near one method brought one picture to its truth. */
export interface Score {
  readonly method: Method;
  readonly severity: SeverityName;
  readonly picture: string;
  readonly measures: Measures;
  readonly chain: string;
}

/** A row of the classical tasks: means, the number of pictures, and what others published for the same. */
export interface ClassicalRow {
  readonly name: string;
  readonly cells: readonly string[];
}

export interface PageContent {
  readonly scores: readonly Score[];
  readonly enlargement: readonly ClassicalRow[];
  readonly denoising: readonly ClassicalRow[];
  readonly seed: number;
  readonly command: string;
}

const severityNames = Object.keys(SEVERITIES) as SeverityName[];

/** The mean of a measure over the scores; NaN for none. */
export function mean(scores: readonly Score[], of: (measures: Measures) => number): number {
  return scores.reduce((sum, { measures }) => sum + of(measures), 0) / scores.length;
}

export function pick(scores: readonly Score[], method: string, severity: SeverityName): Score[] {
  return scores.filter((score) => score.method.id === method && score.severity === severity);
}

/** Mean PSNR of a method less that of the input enlarged by bicubic, on the same pictures. */
export function gainOf(scores: readonly Score[], method: string, severity: SeverityName): number {
  const own = pick(scores, method, severity);
  return mean(own, ({ psnr }) => psnr) - mean(sameAs(scores, own, "bicubic"), ({ psnr }) => psnr);
}

/** The scores of another method on the pictures of these. */
function sameAs(scores: readonly Score[], own: readonly Score[], method: string): Score[] {
  return own.flatMap(({ picture, severity }) =>
    pick(scores, method, severity).filter((score) => score.picture === picture),
  );
}

/** docs/quality.md. */
export function qualityPage(content: PageContent): string {
  const { scores, seed, command } = content;
  return `# Quality of the restorations

Written by \`npm run bench:quality\`; do not edit. Command: \`${command}\`.

## Old photographs

![gain by severity](quality-severity.svg)

${severityNames.map((name) => severitySection(scores, name)).join("\n")}
### What each stage brings

The faithful preset with one stage changed, on the same pictures. "Without": a default stage switched off; a negative
change says that the result is worse by that much without it. "With repair": what runs on request only.

${severityNames.map((name) => ablationSection(scores, name)).join("\n")}

### How it looks

![before, faithful, balanced, truth at three severities](quality-sheet.jpg)

From left to right: the input enlarged by bicubic, faithful, balanced, the truth; from top to bottom: light, medium,
heavy. The portrait (NASA, public domain) is not among the pictures measured.

### Protocol

- Truths: the 24 Kodak photographs, 768 × 512; **N** is how many of them a row was measured on, spread evenly over the set.
  Rows with fewer pictures are compared with bicubic on the same ones.
- Each is made old by \`test/bench/quality/old-photo.ts\`, seed ${seed}: Gaussian blur → reduction ×2 by antialiased bicubic
  → grain (nine tenths shared by the channels) → stains, scratches, dust → fading with a cast → JPEG twice, all in coded
  sRGB. Every picture has its own damage; the same seed gives the same bytes.
- The result is compared with the truth in full size: PSNR over RGB, PSNR over Y (BT.601, 16…235), SSIM and MS-SSIM over Y
  (Wang 2004, 2003), mean CIEDE2000, and the same after a blur of σ 8 px ("low", casts and fading without detail).
  4 pixels at each edge are left out. Means over pictures of decibels, not decibels of means.
- A stage "denoise" tells its last model: below JPEG quality 80 the blocks go before the grain, by dncnn3-dejpeg-luma or,
  without weights, by cosine-deblock.
- No learned measure (LPIPS, DISTS): no package of a registry carries their weights under a permissive licence.
- Presets travel the real way: upload, intake, analysis, plan, stages, PNG. Single models run through the same tiled pass
  on the input as it is: enlargers to ×2 (a model of ×4 halved), restorers before a bicubic enlargement, at the noise
  level that the analysis measured.
- "Fading undone exactly" knows what no restorer knows: the levels that fading moved. It bounds what tone correction can bring.

${severityTable()}

## Enlargement ×4 of clean pictures

Set5 and Set14, reduced by MATLAB's antialiased bicubic, rounded to 8 bits; Y-PSNR in dB and SSIM, 4 pixels at each edge
left out; the one gray file is measured on its own levels.

${table(["method", "Set5 PSNR", "SSIM", "Set14 PSNR", "SSIM", "published"], content.enlargement)}

No figure on these sets was found published for any of the other weights: UpscalerJS and waifu2x give none, Real-ESRGAN
is not trained for clean input, and FSRCNN's are those of a training by somebody else than the paper's authors.

## Denoising, σ 25

Kodak24, white Gaussian noise of σ 25, neither clipped nor rounded, seeded; PSNR over RGB in dB.

${table(["model", "N", "PSNR", "published"], content.denoising)}
`;
}

function severitySection(scores: readonly Score[], severity: SeverityName): string {
  const here = scores.filter((score) => score.severity === severity && score.method.group !== "ablation");
  if (here.length === 0) return "";
  const methods = [...new Map(here.map(({ method }) => [method.id, method])).values()];
  const rows = methods.map((method): ClassicalRow => {
    const own = pick(scores, method.id, severity);
    const cell = (of: (measures: Measures) => number, digits: number): string =>
      mean(own, of).toFixed(digits);
    return {
      name: `${method.group === "alone" ? "alone: " : ""}${method.title}`,
      cells: [
        String(own.length),
        cell(({ psnr }) => psnr, 2),
        signed(gainOf(scores, method.id, severity)),
        cell(({ psnrY }) => psnrY, 2),
        cell(({ ssim }) => ssim, 3),
        cell(({ msSsim }) => msSsim ?? Number.NaN, 3),
        cell(({ deltaE }) => deltaE, 2),
        cell(({ lowDeltaE }) => lowDeltaE, 2),
      ],
    };
  });
  const chains = methods
    .filter(({ group }) => group === "preset")
    .map(({ id, title }) => `- ${title}: ${chainsOf(pick(scores, id, severity))}`);
  const head = ["method", "N", "PSNR", "gain", "PSNR-Y", "SSIM", "MS-SSIM", "ΔE", "low ΔE"];
  return `### ${severity[0]?.toUpperCase()}${severity.slice(1)}

${table(head, rows)}

What ran:

${chains.join("\n")}
`;
}

/** The chains of stages that ran, the most frequent first. */
function chainsOf(scores: readonly Score[]): string {
  const counts = new Map<string, number>();
  for (const { chain } of scores) counts.set(chain, (counts.get(chain) ?? 0) + 1);
  return [...counts]
    .toSorted((a, b) => b[1] - a[1])
    .map(([chain, count]) => `${chain} (${count})`)
    .join("; ");
}

function ablationSection(scores: readonly Score[], severity: SeverityName): string {
  const here = scores.filter((score) => score.severity === severity && score.method.group === "ablation");
  if (here.length === 0) return "";
  const rows = [...new Set(here.map(({ method }) => method.id))].map((id): ClassicalRow => {
    const own = pick(scores, id, severity);
    const whole = sameAs(scores, own, "faithful");
    const change = (of: (measures: Measures) => number, digits: number): string =>
      signed(mean(own, of) - mean(whole, of), digits);
    const worse = own.filter((score, i) => score.measures.psnr < (whole[i]?.measures.psnr ?? 0)).length;
    return {
      name: id,
      cells: [
        String(own.length),
        mean(own, ({ psnr }) => psnr).toFixed(2),
        change(({ psnr }) => psnr, 2),
        change(({ ssim }) => ssim, 3),
        change(({ lowDeltaE }) => lowDeltaE, 2),
        `${worse} of ${own.length}`,
      ],
    };
  });
  const head = [
    `faithful, ${severity}`,
    "N",
    "PSNR",
    "PSNR change",
    "SSIM change",
    "low ΔE change",
    "worse on",
  ];
  return `${table(head, rows)}\n`;
}

function severityTable(): string {
  const rows = severityNames.map((name): ClassicalRow => {
    const severity: Severity = SEVERITIES[name];
    return {
      name,
      cells: [
        `${severity.blurSigmaPixels} px`,
        `${Math.round(severity.grain * 255)} of 255`,
        `${severity.scratches}, ${severity.specks}, ${severity.stains}`,
        String(severity.fading),
        severity.jpegQualities.join(", "),
      ],
    };
  });
  const head = [
    "severity",
    "blur σ",
    "grain σ",
    "scratches, dust, stains",
    "fading (1: contrast .77)",
    "JPEG",
  ];
  return table(head, rows);
}

function table(head: readonly string[], rows: readonly ClassicalRow[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, column) => (column === 0 ? "---" : "---:"));
  return [line(head), line(rule), ...rows.map(({ name, cells }) => line([name, ...cells]))].join("\n");
}

function signed(value: number, digits = 2): string {
  const text = value.toFixed(digits);
  return value >= 0 && !text.startsWith("-") ? `+${text}` : text.replace("-", "−");
}
