import { expect, test } from "vitest";
import { BLIND_AFTER_MS, READINGS_APART_MS } from "#shared/domain/limits.ts";
import { meterClosesAt } from "#shared/domain/money/outbox.ts";
import {
  differenceSent,
  needsReading,
  newWindow,
  nextWindow,
  type Window,
  type WindowFacts,
} from "#shared/domain/money/window.ts";

const NOON = Date.UTC(2026, 10, 20, 12);
const fresh = newWindow(
  { month: "2026-11", rateClass: "standard", acceptedAt: NOON },
  { org: "org_1", window: "2026-11-20:standard:sub_1", funding: "sub_1" },
);
const rest: WindowFacts = { open: 0, pending: 0, units: 8 };
const LATER = NOON + 24 * 3_600_000;

/** Led on by looks, each when the window is due. */
function led(looks: readonly Partial<WindowFacts>[], from: Window = fresh): Window {
  return looks.reduce<Window>(
    (window, facts) => nextWindow(window, { ...rest, ...facts }, window.dueAt),
    from,
  );
}
const owing = (): Window => led([{}, { reading: 5 }, { reading: 5 }]);

test("a window waits while jobs are open or events pending, and starts over when some come late", () => {
  expect(led([{ open: 1 }]).state).toBe("open");
  expect(led([{ pending: 1 }]).state).toBe("open");
  expect(led([{}]).state).toBe("quiet");
  expect(led([{}, { reading: 8 }])).toMatchObject({ state: "read", reading: 8 });
  const over = led([{}, { reading: 8 }, { pending: 1, reading: 8 }]);
  expect(over.state).toBe("open");
  expect(over).not.toHaveProperty("reading");
});

test("it is compared once two readings an hour apart agree", () => {
  expect(led([{}, { reading: 3 }, { reading: 8 }])).toMatchObject({ state: "read", reading: 8 });
  expect(led([{}, { reading: 3 }, { reading: 8 }, { reading: 8 }]).state).toBe("settled");
  expect(led([{}, { reading: 9 }, { reading: 9 }]).state).toBe("disputed");
  expect(owing()).toMatchObject({ state: "owing", difference: { units: 3, before: 5, late: false } });
});

test("without a reading it waits for one", () => {
  const quiet = led([{}]);
  expect(led([{}], quiet)).toMatchObject({ state: "quiet", dueAt: quiet.dueAt + READINGS_APART_MS });
  expect([quiet, owing()].map(needsReading)).toEqual([true, false]);
});

test("a difference is sent as it was stored while its identifier is known, and doubted after that", () => {
  const window = owing();
  const at = window.difference?.owedAt ?? 0;
  expect(nextWindow(window, rest, at + BLIND_AFTER_MS - 1)).toBe(window);
  const doubted = nextWindow(window, rest, at + BLIND_AFTER_MS);
  expect(doubted.state).toBe("doubted");
  expect(nextWindow(window, rest, meterClosesAt("2026-11")).state).toBe("doubted");
  expect(differenceSent(window).state).toBe("settled");
});

test("a doubted difference is decided by two readings that agree: arrived, not arrived, or beyond both", () => {
  const window = owing();
  const doubted = nextWindow(window, rest, (window.difference?.owedAt ?? 0) + BLIND_AFTER_MS);
  expect(led([{}], doubted).state).toBe("doubted");
  expect(led([{ reading: 8 }], doubted)).toMatchObject({ state: "doubted", reading: 8 });
  expect(led([{ reading: 8 }, { reading: 8 }], doubted).state).toBe("settled");
  expect(led([{ reading: 5 }, { reading: 5 }], doubted)).toMatchObject({
    state: "owing",
    difference: { units: 3, before: 5 },
  });
  expect(led([{ reading: 7 }, { reading: 7 }], doubted).state).toBe("disputed");
});

test("a difference found after its invoice has closed is late, and never doubted: its item is found again by its name", () => {
  const read = led([{}, { reading: 5 }]);
  const late = nextWindow(read, { ...rest, reading: 5 }, meterClosesAt("2026-11"));
  expect(late).toMatchObject({ state: "owing", difference: { late: true } });
  expect(nextWindow(late, rest, LATER + 90 * 24 * 3_600_000)).toBe(late);
});

test("what was compared is compared no more", () => {
  for (const end of [led([{}, { reading: 8 }, { reading: 8 }]), led([{}, { reading: 9 }, { reading: 9 }])])
    expect(nextWindow(end, { ...rest, reading: 0 }, LATER)).toBe(end);
});
