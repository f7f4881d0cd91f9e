import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { isAlive } from "../process-life.ts";
import { fileState } from "../models/file-digest.ts";
import type { PoolEvent } from "./pool-event.ts";
import { Count, Phase, PoolPicture, Text, WaitsFor } from "./pool-picture.ts";

/** Events that a record holds: of a busy device some minutes. */
export const RECORD_EVENTS_MAX = 2_000;
const FILE_BYTES_MAX = 8 * 2 ** 20;
/** Files that are looked at in one folder, and how many of agents that are no more are kept. */
const FILES_MAX = 256;
const ENDED_FILES_MAX = 16;
const NAME = /^agent-([0-9]{1,10})-slot-([0-9]{1,4})\.json$/;

/** An event and when it happened, milliseconds since the epoch. */
export interface TimedEvent {
  readonly atMs: number;
  readonly event: PoolEvent;
}

const stage = { job: Text, stage: Text, model: Text };
const Event: z.ZodType<PoolEvent> = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("phase"),
    model: Text,
    from: Phase,
    to: Phase,
    why: Text,
    isAhead: z.literal(true).optional(),
  }),
  z.object({ kind: z.literal("granted"), ...stage, waitedMs: Count, overtaken: Count }),
  z.object({ kind: z.literal("returned"), ...stage }),
  z.object({
    kind: z.literal("rejected"),
    ...stage,
    reason: z.enum(["too-large", "barred"]),
    needBytes: Count,
    budgetBytes: z.number(),
  }),
  z.object({ kind: z.literal("waiting"), until: WaitsFor }),
  z.object({ kind: z.literal("measured"), model: Text, what: z.enum(["session", "residue"]), bytes: Count }),
  z.object({ kind: z.literal("recycle"), is: z.enum(["started", "done", "failed"]), why: Text }),
]);
const Timed = z.object({ atMs: Count, event: Event });

const Contents = z.object({
  version: z.literal(1),
  pid: z.int().min(1).max(0x7fff_ffff),
  /** Said by the agent itself at its end. */
  hasEnded: z.boolean(),
  picture: PoolPicture,
  events: z.array(z.unknown()).max(RECORD_EVENTS_MAX),
});

/** What an agent has written down of one of its pools. */
export interface PoolRecord {
  readonly pid: number;
  readonly hasEnded: boolean;
  readonly picture: PoolPicture;
  /** The latest last. */
  readonly events: readonly TimedEvent[];
}

/** `gone`: it has not said that it ends, but its process is no more. */
type PoolStatus = "running" | "ended" | "gone";

/** A record where it lies. */
export interface FoundPool {
  readonly path: string;
  readonly slot: number;
  readonly status: PoolStatus;
  readonly record: PoolRecord;
}

/** A record that cannot be used. */
interface DamagedPool {
  readonly path: string;
  readonly why: string;
}

/** The file of one pool of an agent in the folder of all of them. */
export function poolPath(folder: string, of: { readonly pid: number; readonly slot: number }): string {
  return join(folder, `agent-${of.pid}-slot-${of.slot}.json`);
}

/** The text of a record's file. */
export function recordText(record: PoolRecord): string {
  return JSON.stringify({ version: 1, ...record });
}

/** @throws Error in words for a person, where the file cannot be used. Events that cannot be are left out. */
export async function readPoolRecord(path: string): Promise<PoolRecord> {
  const state = await fileState(path);
  if (state.kind === "absent") throw new Error("it is not there");
  if (state.kind === "odd") throw new Error(state.why);
  if (state.stats.size > FILE_BYTES_MAX) throw new Error("it is too large");
  const contents = Contents.safeParse(parsed(await readFile(path, "utf8")));
  if (!contents.success) throw new Error("it is damaged, or was written by another version");
  const { pid, hasEnded, picture, events } = contents.data;
  const sound = events.flatMap((event) => Timed.safeParse(event).data ?? []);
  return { pid, hasEnded, picture, events: sound };
}

/** What lies in the folder: running agents first, then the latest to have shown itself. */
export async function findPools(
  folder: string,
): Promise<{ readonly pools: readonly FoundPool[]; readonly damaged: readonly DamagedPool[] }> {
  const pools: FoundPool[] = [];
  const damaged: DamagedPool[] = [];
  for (const { name, slot } of await poolFiles(folder)) {
    const path = join(folder, name);
    try {
      const record = await readPoolRecord(path);
      pools.push({ path, slot, record, status: statusOf(record) });
    } catch (error) {
      damaged.push({ path, why: error instanceof Error ? error.message : String(error) });
    }
  }
  const isRunning = ({ status }: FoundPool): number => Number(status === "running");
  pools.sort(
    (a, b) => isRunning(b) - isRunning(a) || b.record.picture.atMs - a.record.picture.atMs || a.slot - b.slot,
  );
  return { pools, damaged };
}

/** Removes the oldest files of agents that are no more, when there are many. */
export async function prunePools(folder: string): Promise<void> {
  const ended: { readonly path: string; readonly writtenMs: number }[] = [];
  for (const { name, pid } of await poolFiles(folder)) {
    if (isAlive(pid)) continue;
    const path = join(folder, name);
    const state = await fileState(path);
    if (state.kind !== "absent")
      ended.push({ path, writtenMs: state.kind === "plain" ? state.stats.mtimeMs : 0 });
  }
  ended.sort((a, b) => b.writtenMs - a.writtenMs);
  for (const { path } of ended.slice(ENDED_FILES_MAX)) await rm(path, { force: true });
}

async function poolFiles(folder: string): Promise<{ name: string; pid: number; slot: number }[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  });
  return names
    .flatMap((name) => {
      const [, pid, slot] = NAME.exec(name) ?? [];
      return pid === undefined ? [] : [{ name, pid: Number(pid), slot: Number(slot) }];
    })
    .slice(0, FILES_MAX);
}

function statusOf({ pid, hasEnded }: PoolRecord): PoolStatus {
  if (hasEnded) return "ended";
  return isAlive(pid) ? "running" : "gone";
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
