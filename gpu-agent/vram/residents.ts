import { invariant } from "#shared/domain/fault.ts";
import type { Clock } from "#shared/ports.ts";
import type { Device, OpenModel } from "./device.ts";
import { createFailedLoads, type FailedLoads } from "./failed-loads.ts";
import { isPoison, wordsOf } from "./device-failure.ts";
import { memoryBack } from "./memory-return.ts";
import type { PoolEvent } from "./pool-event.ts";
import { holdsMemory, type ModelPhase } from "./pool-state.ts";
import type { PoolTimes } from "./pool-times.ts";
import { inTime } from "./time-limit.ts";

/** One model of the pool, and where it is. Changed by `Residents` alone. */
interface Resident<Work, Answer> {
  readonly id: string;
  readonly phase: ModelPhase;
  readonly open: OpenModel<Work, Answer> | undefined;
  readonly failedLoads: FailedLoads;
}

/** What is done with the models of a device, one phase after the other. Nothing here decides. */
export interface Residents<Work, Answer> {
  readonly all: readonly Resident<Work, Answer>[];
  /** Begins; goes on by itself, as do reading ahead and evicting. `isAhead`: no stage waits for it yet. */
  load(model: number, why: string, isAhead?: boolean): void;
  readAhead(model: number, why: string): void;
  evict(model: number, why: string): void;
  /** Of one that is warm. */
  cool(model: number, why: string): void;
  /** What was found out about its file: whether it is in memory. Of one that is not loaded, or on its way. */
  noteFile(model: number, isInMemory: boolean): void;
  lease(model: number, why: string): void;
  giveBack(model: number): void;
  /** Of one that is leased. */
  poison(model: number, why: string): void;
  /** Replaces the worker; every session is lost. Nothing may be on its way in or out, or held. */
  recycle(why: string): Promise<void>;
}

export interface ResidentsOptions<Work, Answer> {
  readonly device: Device<Work, Answer>;
  readonly ids: readonly string[];
  readonly clock: Clock;
  readonly times: PoolTimes;
  readonly reserveBytes: number;
  /** Ends loads that are under way. */
  readonly signal: AbortSignal;
  bytesOf(id: string): number;
  /** Activations of the runs that are under way. */
  runningBytes(): number;
  onEvent(event: PoolEvent): void;
  /** Not where the worker was lost: its model may not be to blame, and is tried again until it is barred. */
  onLoadFailed(model: number, error: unknown): void;
  /** Something has ended by itself. */
  onChange(): void;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Phases in which a model takes and gives back nothing. */
const QUIET: ReadonlySet<ModelPhase> = new Set(["cold", "warming", "warm", "hot"]);
/** Between two tries to replace the worker. */
const RECYCLE_PAUSE_MS = 1_000;

export function createResidents<Work, Answer>(
  options: ResidentsOptions<Work, Answer>,
): Residents<Work, Answer> {
  const { device, clock, times, bytesOf, onEvent, onChange } = options;
  const all = options.ids.map((id): Mutable<Resident<Work, Answer>> => ({
    id,
    phase: "cold",
    open: undefined,
    failedLoads: createFailedLoads(),
  }));
  const hurried = { clock, signal: options.signal, graceMs: times.graceMs };
  type Mine = (typeof all)[number];

  /** Changes so far that may have moved memory. */
  let steps = 0;

  function enter(
    resident: Mine,
    to: ModelPhase,
    why: string,
    { from, isAhead = false }: { readonly from?: readonly ModelPhase[]; readonly isAhead?: boolean } = {},
  ): void {
    const { id, phase } = resident;
    invariant(from?.includes(phase) ?? true, `the model ${id} is ${phase} and cannot become ${to}`);
    resident.phase = to;
    if (holdsMemory(phase) || holdsMemory(to)) steps += 1;
    onEvent({ kind: "phase", model: id, from: phase, to, why, ...(isAhead ? { isAhead } : {}) });
  }

  async function load(model: number, why: string, isAhead = false): Promise<void> {
    const resident = all[model]!;
    const { id, failedLoads } = resident;
    enter(resident, "promoting", why, { from: ["cold", "warm"], isAhead });
    try {
      const limit = { ...hurried, ms: times.openMs, what: `The load of the model ${id}` };
      resident.open = await inTime(limit, (signal) => device.open(id, signal));
      failedLoads.forget();
      const { bytes } = resident.open;
      if (bytes !== undefined) onEvent({ kind: "measured", model: id, what: "session", bytes });
      enter(resident, "hot", "loaded");
    } catch (error) {
      if (isPoison(error)) enter(resident, "poisoned", wordsOf(error));
      else void drain(resident, `not loaded: ${wordsOf(error)}`);
      noteFailure(model, error);
    }
    onChange();
  }

  async function readAhead(model: number, why: string): Promise<void> {
    const resident = all[model]!;
    const { id } = resident;
    enter(resident, "warming", why, { from: ["cold"] });
    try {
      const limit = { ...hurried, ms: times.warmMs, what: `Reading the model ${id}` };
      await inTime(limit, (signal) => device.warm(id, signal));
      enter(resident, "warm", "read into memory");
    } catch (error) {
      enter(resident, "cold", wordsOf(error));
      noteFailure(model, error);
    }
    onChange();
  }

  function noteFailure(model: number, error: unknown): void {
    all[model]!.failedLoads.note(error, clock.now());
    if (!isPoison(error)) options.onLoadFailed(model, error);
  }

  async function drain(resident: Mine, why: string): Promise<void> {
    const { id, open } = resident;
    resident.open = undefined;
    enter(resident, "draining", why, { from: ["hot", "promoting"] });
    const isAlone = all.every((other) => other === resident || QUIET.has(other.phase));
    const step = steps;
    const back = { device, clock, pollMs: times.pollMs, mayHoldBytes: () => mayHoldWithout(resident) };
    try {
      const limit = { clock, ms: times.drainMs, what: `The release of the model ${id}` };
      await inTime(limit, async (signal) => {
        const before = await device.heldBytes(signal);
        await open?.release(signal);
        const after = await memoryBack(back, signal);
        if (before === undefined || after === undefined) return;
        if (open?.bytes === undefined || !isAlone || step !== steps) return;
        const bytes = Math.max(0, after - (before - open.bytes));
        onEvent({ kind: "measured", model: id, what: "residue", bytes });
      });
      enter(resident, "warm", "its memory is back");
    } catch (error) {
      enter(resident, "poisoned", wordsOf(error));
    }
    onChange();
  }

  /** What is on its way in is not counted: it may not have taken its memory yet. The reserve covers what stays for good. */
  function mayHoldWithout(resident: Mine): number {
    return all
      .filter((other) => other !== resident && other.phase !== "promoting" && holdsMemory(other.phase))
      .reduce((sum, { id }) => sum + bytesOf(id), options.reserveBytes + options.runningBytes());
  }

  async function recycle(why: string): Promise<void> {
    const lost = all.filter(({ phase }) => holdsMemory(phase));
    for (const resident of lost) {
      resident.open = undefined;
      if (resident.phase !== "poisoned")
        enter(resident, "draining", "the worker is replaced", { from: ["hot"] });
    }
    onEvent({ kind: "recycle", is: "started", why });
    // Whoever closes the pool ends the worker: no other one is waited for.
    while (!(await isReplaced()) && !options.signal.aborted)
      await clock.sleep(RECYCLE_PAUSE_MS, options.signal).catch(() => undefined);
    for (const resident of lost) enter(resident, "warm", "the worker was replaced");
    onEvent({ kind: "recycle", is: "done", why });
  }

  async function isReplaced(): Promise<boolean> {
    try {
      const { signal } = options;
      const limit = { clock, signal, ms: times.recycleMs, what: "The replacement of the worker" };
      await inTime(limit, (signal) => device.recycle(signal));
      return true;
    } catch (error) {
      onEvent({ kind: "recycle", is: "failed", why: wordsOf(error) });
      return false;
    }
  }

  return {
    all,
    load: (model, why, isAhead) => void load(model, why, isAhead),
    readAhead: (model, why) => void readAhead(model, why),
    evict: (model, why) => void drain(all[model]!, why),
    cool(model, why) {
      const resident = all[model]!;
      enter(resident, "cold", why, { from: ["warm"] });
      device.cool(resident.id);
    },
    noteFile(model, isInMemory) {
      const resident = all[model]!;
      if (resident.phase === "warm" && !isInMemory) enter(resident, "cold", "its file has left the memory");
      if (resident.phase === "cold" && isInMemory) enter(resident, "warm", "its file is in memory");
    },
    lease: (model, why) => enter(all[model]!, "leased", why, { from: ["hot", "leased"] }),
    giveBack: (model) => enter(all[model]!, "hot", "given back", { from: ["leased"] }),
    poison(model, why) {
      if (all[model]!.phase !== "poisoned") enter(all[model]!, "poisoned", why, { from: ["leased"] });
    },
    recycle,
  };
}
