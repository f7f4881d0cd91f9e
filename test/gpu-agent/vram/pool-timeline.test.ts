import { expect, test } from "vitest";
import { poolTimelineSvg, timelinePanel } from "#agent/vram/pool-timeline.ts";
import { timelineSvg, type TimelinePanel } from "#agent/vram/timeline-svg.ts";
import { createPictureWorld, CROWDED, keepBusy } from "./picture-world.ts";

test("each model's bars follow one another without a gap and say what the events say; stalls are those counted", async () => {
  const world = createPictureWorld(CROWDED);
  await keepBusy(world);
  const picture = world.picture();
  const events = world.timed;
  const zero = picture.startedMs;
  const span = { from: 0, to: (picture.atMs - zero) / 1_000 };
  const { rows, stalls } = timelinePanel({ picture, events }, { zero, span });
  expect(rows.map(({ label }) => label)).toEqual(["a", "b", "c"]);
  for (const { label, bars } of rows) {
    for (const [nth, bar] of bars.entries()) if (nth > 0) expect(bar.from).toBe(bars[nth - 1]!.to);
    expect(bars.at(-1)?.to).toBe(span.to);
    const lasting = events.flatMap(({ atMs, event }) =>
      event.kind === "phase" && event.model === label && event.to === "promoting"
        ? [(atMs - zero) / 1_000]
        : [],
    );
    expect(bars.filter(({ kind }) => kind === "promoting").map(({ from }) => from)).toEqual(lasting);
  }
  const stalledMs = stalls.reduce((sum, { from, to }) => sum + (to - from) * 1_000, 0);
  expect(stalledMs).toBeCloseTo(picture.counters.stallMs, 6);
  expect(stalledMs).toBeGreaterThan(0);
  for (const stall of stalls)
    for (const { bars } of rows)
      for (const { kind, from, to } of bars)
        expect(kind === "leased" && from < stall.to && to > stall.from).toBe(false);
});

test("where older events are lost, a model is drawn in the phase that the first event finds it in", async () => {
  const world = createPictureWorld(CROWDED);
  await keepBusy(world);
  const picture = world.picture();
  const cut = world.timed.findIndex(({ event }) => event.kind === "phase" && event.to === "draining");
  const events = world.timed.slice(cut);
  const zero = events[0]!.atMs;
  const { rows } = timelinePanel(
    { picture, events },
    { zero, span: { from: 0, to: (picture.atMs - zero) / 1_000 } },
  );
  const next = events.slice(1).find(({ event }) => event.kind === "phase" && event.to === "promoting")!;
  const model = next.event.kind === "phase" ? next.event.model : "";
  expect(rows.find(({ label }) => label === model)?.bars[0]).toMatchObject({ kind: "warm", from: 0 });
});

test("only the last seconds are drawn where no more are asked for", async () => {
  const world = createPictureWorld(CROWDED);
  await keepBusy(world);
  const pool = { title: "pool", record: { picture: world.picture(), events: world.timed } };
  expect(poolTimelineSvg([pool], 4)).toMatch(/ of 4 s stalled/);
  expect(poolTimelineSvg([pool], 4).length).toBeLessThan(poolTimelineSvg([pool]).length);
});

const HOSTILE = `</text><script>alert("1")</script>&\u0000\u001b[31m\uD800 ]]>`;

test("the drawing is well-formed XML and names itself, whatever the models are called", () => {
  const panel: TimelinePanel = {
    title: HOSTILE,
    rows: [{ label: HOSTILE, bars: [{ kind: "leased", from: 1, to: 2 }] }],
    stalls: [{ from: 0, to: 1 }],
  };
  const svg = timelineSvg({
    title: HOSTILE,
    panels: [panel],
    span: { from: 0, to: 3 },
    names: { leased: HOSTILE },
  });
  expect(openTagsOf(svg)).toEqual([]);
  expect(svg).not.toContain("<script");
  expect(svg).toMatch(/<svg [^>]*role="img" aria-label="[^"<]+"/);
  expect(svg).toContain("<title>&lt;/text&gt;");
  expect(svg.isWellFormed()).toBe(true);
});

test("a bar stands where its seconds are, and what lies outside of the span is cut off", () => {
  const row = {
    label: "m",
    bars: [
      { kind: "hot", from: -5, to: 5 },
      { kind: "leased", from: 5, to: 7.5 },
      { kind: "hot", from: 20, to: 30 },
    ],
  } as const;
  const svg = timelineSvg({
    title: "t",
    panels: [{ title: "p", rows: [row], stalls: [] }],
    span: { from: 0, to: 10 },
  });
  const bars = [...svg.matchAll(/<rect x="([\d.]+)"[^>]* width="([\d.]+)"[^>]*><title>/g)].map(
    ([, x, width]) => [Number(x), Number(width)],
  );
  expect(bars).toHaveLength(2);
  const [[left, hot], [middle, leased]] = bars as [[number, number], [number, number]];
  expect(middle).toBeCloseTo(left + hot, 1);
  expect(leased).toBeCloseTo(hot / 2, 0);
  const seconds = [...svg.matchAll(/text-anchor="middle">([\d.]+) s</g)].map(([, tick]) => Number(tick));
  expect(seconds).toEqual([0, 2, 4, 6, 8, 10]);
});

test("nothing, and hardly anything, can be drawn as well", () => {
  for (const to of [0, 0.004, 1, 9, 100_000, 1e9]) {
    const svg = timelineSvg({
      title: "t",
      panels: [{ title: "p", rows: [], stalls: [] }],
      span: { from: 0, to },
    });
    expect(openTagsOf(svg)).toEqual([]);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    expect(svg.split(" s</text>").length).toBeLessThan(12);
  }
});

/** What is left open, after checking that everything else closes in order and holds nothing that must be escaped. */
function openTagsOf(xml: string): string[] {
  const open: string[] = [];
  const rest = xml.replace(
    /<(\/?)([a-z]+)((?: [a-z0-9-]+="[^"<]*"|:?)*)(\/?)>/gi,
    (_, end, name: string, _rest, alone) => {
      if (end === "/") expect(open.pop()).toBe(name);
      else if (alone !== "/") open.push(name);
      return "";
    },
  );
  expect(rest.replace(/&(amp|lt|gt|quot);|\n/g, "")).not.toMatch(/[<>&\p{Cc}]/u);
  return open;
}
