/** What a bar of a row stands for. `poisoned` and `stall` are what nobody wants to see. */
export type BarKind = "warming" | "warm" | "promoting" | "hot" | "leased" | "draining" | "poisoned";

/** Seconds on an axis of the caller's. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

interface TimelineBar extends Span {
  readonly kind: BarKind;
}

interface TimelineRow {
  readonly label: string;
  readonly bars: readonly TimelineBar[];
}

/** One run: a row for each model, and the time in which nothing ran for want of one. */
export interface TimelinePanel {
  readonly title: string;
  readonly rows: readonly TimelineRow[];
  readonly stalls: readonly Span[];
}

const PLOT = { width: 900, right: 24, top: 30, row: 14, gap: 12, bottom: 26 } as const;
const LABEL = { widthMin: 96, widthMax: 260, letter: 5.6, lettersMax: 44 } as const;
const STALL = { colour: "#d33", strip: 4, above: 8 } as const;
/** Readable on light and dark pages alike. */
const TEXT_COLOUR = "#808080";
const TICKS_MAX = 9;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400];

/** Thin is what takes no device memory. */
const LOOKS: Readonly<
  Record<BarKind, { readonly fill: string; readonly height: number; readonly name: string }>
> = {
  warming: { fill: "#9bb", height: 2, name: "file being read" },
  warm: { fill: "#899", height: 3, name: "file in memory" },
  promoting: { fill: "#e69f00", height: 10, name: "being loaded" },
  hot: { fill: "#7db4e6", height: 10, name: "loaded, idle" },
  leased: { fill: "#2460b8", height: 10, name: "in use" },
  draining: { fill: "#a98bc9", height: 10, name: "being released" },
  poisoned: { fill: "#c2267e", height: 10, name: "lost with the worker" },
};

/**
 * Which models were where, and when: panels one above the other on one time axis, red where the device had work and
 * waited for a load. SVG without scripts or outside references; whatever text it is given is escaped.
 * @param ask.names what the kinds of bars are called in the legend, where the usual words do not fit.
 */
export function timelineSvg(ask: {
  readonly title: string;
  readonly panels: readonly TimelinePanel[];
  readonly span: Span;
  readonly names?: Partial<Readonly<Record<BarKind, string>>>;
}): string {
  const { panels, span } = ask;
  const left = labelWidth(panels);
  const seconds = Math.max(span.to - span.from, 1e-3);
  const ticks = ticksOf(seconds);
  const width = PLOT.width - left - PLOT.right;
  const x = (at: number): number =>
    left + ((Math.min(Math.max(at, span.from), span.to) - span.from) / seconds) * width;
  const isSeen = ({ from, to }: Span): boolean => to > span.from && from < span.to;
  const rect = ({ from, to }: Span, { y, height, look }: Box): string => {
    const wide = Math.max(0.5, x(to) - x(from));
    return `<rect x="${x(from).toFixed(1)}" y="${y}" width="${wide.toFixed(1)}" height="${height}" ${look}`;
  };

  function panel({ title, rows, stalls }: TimelinePanel, above: number): string {
    const top = above + PLOT.top;
    const height = rows.length * PLOT.row;
    const seen = stalls.filter(isSeen);
    // A band behind the bars, which keep their colours, and a strip on top that is never covered.
    const band = `fill="${STALL.colour}" fill-opacity="0.25"/>`;
    const strip = `fill="${STALL.colour}"/>`;
    const box = { y: top - STALL.above, height: height + STALL.above };
    return [
      ...ticks.map((tick) => {
        const at = x(span.from + tick).toFixed(1);
        return `<line x1="${at}" x2="${at}" y1="${box.y}" y2="${top + height}" stroke="${TEXT_COLOUR}" stroke-opacity="0.25"/>`;
      }),
      ...seen.map((stall) => rect(stall, { ...box, look: band })),
      `<text x="${left}" y="${above + 14}" font-weight="bold">${escaped(title)}</text>`,
      ...rows.map(
        ({ label }, nth) =>
          `<text x="${left - 6}" y="${top + nth * PLOT.row + 9}" text-anchor="end">${escaped(shortened(label))}</text>`,
      ),
      ...rows.flatMap(({ label, bars }, nth) =>
        bars.filter(isSeen).map((bar) => {
          const { fill, height, name } = LOOKS[bar.kind];
          const y = top + nth * PLOT.row + (10 - height) / 2;
          const words = `${label}: ${ask.names?.[bar.kind] ?? name}, ${shortSeconds(bar.to - bar.from)}`;
          return `${rect(bar, { y, height, look: `fill="${fill}">` })}<title>${escaped(words)}</title></rect>`;
        }),
      ),
      ...seen.map((stall) => rect(stall, { y: box.y, height: STALL.strip, look: strip })),
    ].join("\n");
  }

  let above = PLOT.row + PLOT.gap;
  const drawn = panels.map((each) => {
    const text = panel(each, above);
    above += PLOT.top + each.rows.length * PLOT.row + PLOT.gap;
    return text;
  });
  const scale = ticks.map((tick) => {
    const at = x(span.from + tick).toFixed(1);
    return `<text x="${at}" y="${above + 14}" text-anchor="middle">${shortSeconds(tick)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${PLOT.width} ${above + PLOT.bottom}" role="img" aria-label="${escaped(ask.title)}" font-family="sans-serif" font-size="10" fill="${TEXT_COLOUR}">
<title>${escaped(ask.title)}</title>
${legend(panels, ask.names ?? {})}
${drawn.join("\n")}
${scale.join("\n")}
</svg>
`;
}

interface Box {
  readonly y: number;
  readonly height: number;
  /** The rest of the tag. */
  readonly look: string;
}

/** Of what is there. */
function legend(panels: readonly TimelinePanel[], names: Partial<Readonly<Record<BarKind, string>>>): string {
  const there = new Set(
    panels.flatMap(({ rows }) => rows.flatMap(({ bars }) => bars.map(({ kind }) => kind))),
  );
  const entries = (Object.keys(LOOKS) as BarKind[])
    .filter((kind) => there.has(kind))
    .map((kind) => ({
      fill: LOOKS[kind].fill,
      height: LOOKS[kind].height,
      name: names[kind] ?? LOOKS[kind].name,
    }));
  if (panels.some(({ stalls }) => stalls.length > 0))
    entries.push({ fill: STALL.colour, height: 10, name: "stalled for a load" });
  let x = 12;
  return entries
    .map(({ fill, height, name }) => {
      const at = x;
      x += 24 + name.length * LABEL.letter;
      return (
        `<rect x="${at.toFixed(0)}" y="${6 + (10 - height) / 2}" width="10" height="${height}" fill="${fill}"/>` +
        `<text x="${(at + 14).toFixed(0)}" y="15">${escaped(name)}</text>`
      );
    })
    .join("\n");
}

function labelWidth(panels: readonly TimelinePanel[]): number {
  const letters = Math.max(
    0,
    ...panels.flatMap(({ rows }) => rows.map(({ label }) => shortened(label).length)),
  );
  return Math.min(LABEL.widthMax, Math.max(LABEL.widthMin, Math.ceil(letters * LABEL.letter) + 14));
}

function shortened(label: string): string {
  return label.length <= LABEL.lettersMax ? label : `${label.slice(0, LABEL.lettersMax - 1)}…`;
}

function ticksOf(seconds: number): readonly number[] {
  const fine = 10 ** Math.floor(Math.log10(seconds / TICKS_MAX));
  const steps = seconds < TICKS_MAX ? [fine, 2 * fine, 5 * fine, 10 * fine] : STEPS;
  const step = steps.find((each) => seconds / each <= TICKS_MAX) ?? Math.ceil(seconds / TICKS_MAX);
  return Array.from({ length: Math.floor(seconds / step + 1e-9) + 1 }, (_, nth) => nth * step);
}

function shortSeconds(seconds: number): string {
  return `${Number(seconds.toPrecision(seconds < 10 ? 2 : 6)).toLocaleString("en", { maximumFractionDigits: 4 })} s`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

/** For text and attributes; characters that no XML may hold are replaced. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "\uFFFD")
    .replace(/[&<>"]/g, (letter) => ENTITIES[letter]!);
}
