import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "#shared/ports.ts";
import { pictureAfter, pictureAt } from "./picture-after.ts";
import type { PoolEvent } from "./pool-event.ts";
import { clipped, emptyPicture, type PoolPicture } from "./pool-picture.ts";
import { prunePools, RECORD_EVENTS_MAX, recordText, type TimedEvent } from "./pool-record.ts";
import type { PoolState } from "./pool-state.ts";

const WRITE_EVERY_MS = 1_000;

/** What one pool does, kept for operators: in memory, and in a file beside the agent. Its end is written down too. */
export interface PoolLog extends AsyncDisposable {
  /** Of every event of the pool, with what it is right after. Never throws. */
  note(event: PoolEvent, state: PoolState): void;
  /** As it is now. */
  picture(): PoolPicture;
  /** The last ones. */
  events(): readonly TimedEvent[];
  /** Resolves when the write that is under way, if any, has ended. */
  written(): Promise<void>;
}

interface PoolLogAsk {
  /** As `poolPath` names it. */
  readonly path: string;
  readonly pid: number;
  /** What the operators call the device. */
  readonly device: string;
  readonly deviceBytes: number;
  readonly reserveBytes: number;
  readonly clock: Clock;
  /** Told once when the file can no longer be written; that stops nothing. */
  onProblem(problem: string): void;
}

/** Old files of agents that are no more are removed. Writes its own at once, then at most once a second while something changes, and at the end. */
export function openPoolLog(ask: PoolLogAsk): PoolLog {
  const { path, pid, clock, onProblem } = ask;
  const temporary = `${path}.next`;
  const closing = new AbortController();
  const events: TimedEvent[] = [];
  let picture = emptyPicture({ ...ask, atMs: clock.now() });
  let isDirty = true;
  let isFailing = false;
  let writing: Promise<void> = Promise.resolve();

  async function write(hasEnded: boolean): Promise<void> {
    isDirty = false;
    const record = { pid, hasEnded, picture: pictureAt(picture, clock.now()), events };
    try {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(temporary, recordText(record));
      // Not forced to the disk, as results are: after a power cut nobody asks for the live picture.
      await rename(temporary, path);
      isFailing = false;
    } catch (error) {
      if (!isFailing) onProblem(`The picture of the pool is not written: ${String(error)}`);
      isFailing = true;
      await rm(temporary, { force: true }).catch(() => undefined);
    }
  }

  async function save(): Promise<void> {
    while (isDirty && !closing.signal.aborted) {
      await (writing = write(false));
      await clock.sleep(WRITE_EVERY_MS, closing.signal).catch(() => undefined);
    }
    saving = undefined;
  }

  let saving: Promise<void> | undefined = save();
  const pruning = prunePools(dirname(path)).catch((error: unknown) =>
    onProblem(`Old pictures of pools are not removed: ${String(error)}`),
  );

  return {
    note(event, state) {
      const atMs = clock.now();
      picture = pictureAfter(picture, event, { atMs, state });
      events.push({ atMs, event: clippedEvent(event) });
      if (events.length > RECORD_EVENTS_MAX) events.shift();
      isDirty = true;
      saving ??= save();
    },
    picture: () => pictureAt(picture, clock.now()),
    events: () => events,
    written: async () => await writing,
    async [Symbol.asyncDispose]() {
      closing.abort();
      await Promise.all([saving, pruning]);
      await write(true);
    },
  };
}

/** Names and messages may be long. */
function clippedEvent(event: PoolEvent): PoolEvent {
  const entries = Object.entries(event).map(([name, value]) => [
    name,
    typeof value === "string" ? clipped(value) : value,
  ]);
  return Object.fromEntries(entries) as PoolEvent;
}
