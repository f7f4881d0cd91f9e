import { mkdir, readdir, readFile, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createManualClock } from "#shared/adapters/manual-clock.ts";
import type { PoolEvent } from "#agent/vram/pool-event.ts";
import { openPoolLog } from "#agent/vram/pool-log.ts";
import { emptyPicture } from "#agent/vram/pool-picture.ts";
import {
  findPools,
  poolPath,
  readPoolRecord,
  RECORD_EVENTS_MAX,
  recordText,
} from "#agent/vram/pool-record.ts";
import type { PoolState } from "#agent/vram/pool-state.ts";
import { createUseHistory } from "#agent/vram/use-history.ts";
import { temporaryFolder } from "../../contract/temporary-folder.ts";

/** No process has it: the largest that Linux gives is below. */
const GONE = 0x7fff_fffe;
const OF = { device: "simulated", deviceBytes: 10, reserveBytes: 1 };

const EVENTS: readonly PoolEvent[] = [
  { kind: "phase", model: "a", from: "warm", to: "promoting", why: "next is stage s0 of j" },
  { kind: "phase", model: "a", from: "promoting", to: "hot", why: "loaded" },
  { kind: "measured", model: "a", what: "session", bytes: 5 },
  { kind: "granted", job: "j", stage: "s0", model: "a", waitedMs: 25, overtaken: 1 },
  { kind: "waiting", until: "leased" },
  { kind: "returned", job: "j", stage: "s0", model: "a" },
  { kind: "rejected", job: "k", stage: "s0", model: "a", reason: "barred", needBytes: 5, budgetBytes: -1 },
  { kind: "recycle", is: "started", why: "asked for" },
];

function stateOf(phase: PoolState["models"][number]["phase"] = "warm"): PoolState {
  const model = { id: "a", phase, bytes: 5, fileBytes: 5, reloadMs: 1, isPinned: false, isBarred: false };
  return {
    models: [model],
    deviceBytes: 10,
    reserveBytes: 1,
    activationBytes: 0,
    warmFreeBytes: 100,
    isIdle: true,
    history: createUseHistory(1),
  };
}

function opened(path: string, problems: string[] = []) {
  const clock = createManualClock();
  const onProblem = (problem: string): number => problems.push(problem);
  const log = openPoolLog({ ...OF, path, pid: process.pid, clock, onProblem });
  return { clock, log, problems };
}

test("all kinds of events come back from the file as they were, and its end is told", async () => {
  await using folder = await temporaryFolder();
  const path = poolPath(join(folder.path, "pools"), { pid: process.pid, slot: 3 });
  const { log, clock, problems } = opened(path);
  for (const event of EVENTS) {
    log.note(event, stateOf());
    await clock.advance(10);
  }
  const { picture } = log;
  await log[Symbol.asyncDispose]();
  const record = await readPoolRecord(path);
  expect(record.events.map(({ event }) => event)).toEqual(EVENTS);
  expect(record.events.map(({ atMs }) => atMs - record.picture.startedMs)).toEqual(
    EVENTS.map((_, nth) => nth * 10),
  );
  expect(record).toMatchObject({ pid: process.pid, hasEnded: true, picture: picture() });
  expect(record.picture.counters).toMatchObject({ loads: 1, loadMs: 10, grants: 1, hits: 0, rejected: 1 });
  expect(problems).toEqual([]);
  expect(await readdir(join(folder.path, "pools"))).toEqual([`agent-${process.pid}-slot-3.json`]);
});

test("the file is written at once, then once a second while something changes, and not where nothing does", async () => {
  await using folder = await temporaryFolder();
  const path = poolPath(folder.path, { pid: process.pid, slot: 0 });
  const { log, clock } = opened(path);
  const eventsThere = async (): Promise<number> => {
    await log.written();
    return (await readPoolRecord(path)).events.length;
  };
  const [event] = EVENTS;
  expect(await eventsThere()).toBe(0);
  log.note(event!, stateOf());
  log.note(event!, stateOf());
  await clock.advance(999);
  expect(await eventsThere()).toBe(0);
  await clock.advance(1);
  expect(await eventsThere()).toBe(2);
  await clock.advance(10_000);
  expect(clock.nextAt()).toBeUndefined();
  log.note(event!, stateOf());
  expect(await eventsThere()).toBe(3);
  log.note(event!, stateOf());
  await log[Symbol.asyncDispose]();
  expect(await eventsThere()).toBe(4);
});

test("no more events are kept than promised, nor longer words", async () => {
  await using folder = await temporaryFolder();
  const path = poolPath(folder.path, { pid: process.pid, slot: 0 });
  const { log } = opened(path);
  for (let nth = 0; nth < RECORD_EVENTS_MAX + 10; nth += 1)
    log.note({ kind: "recycle", is: "failed", why: `${nth} ${"x".repeat(5_000)}` }, stateOf());
  await log[Symbol.asyncDispose]();
  const { events } = await readPoolRecord(path);
  expect(events).toHaveLength(RECORD_EVENTS_MAX);
  expect(events[0]?.event).toMatchObject({ why: expect.stringMatching(/^10 x+…$/) as string });
});

test("a file that cannot be written is told once and stops nothing", async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, "pools"), "in the way");
  const { log, clock, problems } = opened(join(folder.path, "pools", "agent-1-slot-0.json"));
  for (const event of EVENTS) {
    log.note(event, stateOf());
    await log.written();
    await clock.advance(1_000);
  }
  expect(log.picture().counters.grants).toBe(1);
  await log[Symbol.asyncDispose]();
  expect(
    problems.filter((problem) => problem.startsWith("The picture of the pool is not written")),
  ).toHaveLength(1);
});

test("damaged files are named with what is wrong, and hide none of the others", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  const picture = emptyPicture({ ...OF, atMs: 1_000 });
  const good = recordText({ pid: process.pid, hasEnded: false, picture, events: [] });
  const bad = {
    "agent-1-slot-0.json": "",
    "agent-2-slot-0.json": good.slice(0, -20),
    "agent-3-slot-0.json": good.replace('"version":1', '"version":2'),
    "agent-4-slot-0.json": good.replace('"usedBytes":0', '"usedBytes":"all"'),
    "agent-5-slot-0.json": good.replace(/"pid":\d+/, '"pid":-1'),
    "agent-6-slot-0.json": " ".repeat(9 * 2 ** 20),
  };
  for (const [name, text] of Object.entries({ ...bad, "agent-7-slot-1.json": good, "notes.txt": "" }))
    await writeFile(join(path, name), text);
  await symlink(join(path, "agent-7-slot-1.json"), join(path, "agent-8-slot-0.json"));
  await mkdir(join(path, "agent-9-slot-0.json"));
  const { pools, damaged } = await findPools(path);
  expect(pools).toMatchObject([{ slot: 1, status: "running" }]);
  expect(Object.fromEntries(damaged.map(({ path, why }) => [path.at(-13), why]))).toEqual({
    ...Object.fromEntries(
      [1, 2, 3, 4, 5].map((nth) => [nth, "it is damaged, or was written by another version"]),
    ),
    6: "it is too large",
    8: "it is a symbolic link",
    9: "it is not a file",
  });
});

test("single events that cannot be understood are left out", async () => {
  await using folder = await temporaryFolder();
  const path = poolPath(folder.path, { pid: process.pid, slot: 0 });
  const picture = emptyPicture({ ...OF, atMs: 1_000 });
  const events = [{ atMs: 1, event: EVENTS[0]! }, { atMs: 2, event: { kind: "of tomorrow" } }, 7, null];
  await writeFile(path, JSON.stringify({ version: 1, pid: 1, hasEnded: true, picture, events }));
  expect((await readPoolRecord(path)).events).toEqual([{ atMs: 1, event: EVENTS[0] }]);
});

test("an agent that is gone without a word is told from one that has ended and one that runs", async () => {
  await using folder = await temporaryFolder();
  const write = async (pid: number, hasEnded: boolean): Promise<void> => {
    const picture = emptyPicture({ ...OF, atMs: pid });
    await writeFile(
      poolPath(folder.path, { pid, slot: 0 }),
      recordText({ pid, hasEnded, picture, events: [] }),
    );
  };
  await write(GONE, false);
  await write(GONE - 1, true);
  await write(process.pid, false);
  const { pools } = await findPools(folder.path);
  expect(pools.map(({ record, status }) => [record.pid, status])).toEqual([
    [process.pid, "running"],
    [GONE, "gone"],
    [GONE - 1, "ended"],
  ]);
});

test("where nothing was ever written, nothing is found", async () => {
  await using folder = await temporaryFolder();
  expect(await findPools(join(folder.path, "pools"))).toEqual({ pools: [], damaged: [] });
});

test("of agents that are no more a few files are kept, the latest", async () => {
  await using folder = await temporaryFolder();
  const picture = emptyPicture({ ...OF, atMs: 1_000 });
  for (let nth = 0; nth < 30; nth += 1) {
    const path = poolPath(folder.path, { pid: GONE, slot: nth });
    await writeFile(path, recordText({ pid: GONE, hasEnded: true, picture, events: [] }));
    await utimes(path, 1_000 + nth, 1_000 + nth);
  }
  const { log } = opened(poolPath(folder.path, { pid: process.pid, slot: 0 }));
  await log[Symbol.asyncDispose]();
  const { pools } = await findPools(folder.path);
  expect(pools.map(({ slot }) => slot).sort((a, b) => a - b)).toEqual([
    0,
    ...Array.from({ length: 16 }, (_, nth) => 14 + nth),
  ]);
  expect(await readFile(poolPath(folder.path, { pid: process.pid, slot: 0 }), "utf8")).toContain(
    '"hasEnded":true',
  );
});
