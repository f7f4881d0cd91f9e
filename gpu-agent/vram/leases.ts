import { Fault } from "#shared/domain/fault.ts";
import type { Clock } from "#shared/ports.ts";
import type { RunAnswer } from "./device.ts";
import { isPoison, wordsOf } from "./device-failure.ts";
import type { PoolEvent } from "./pool-event.ts";
import type { StageAsk } from "./pool-queue.ts";
import type { PoolTimes } from "./pool-times.ts";
import type { Residents } from "./residents.ts";
import { inTime } from "./time-limit.ts";

/** The right to run one stage on a loaded model, which is not evicted before this is disposed of. */
export interface StageLease<Work, Answer> extends AsyncDisposable {
  readonly waitedMs: number;
  /**
   * @throws Fault busy `device_failed` when the run hangs or the worker is lost, now or earlier in this lease; what the
   * session throws; the signal's reason.
   */
  run(work: Work, signal: AbortSignal): Promise<RunAnswer<Answer>>;
}

/** Whoever may run now. */
export interface Leases<Work, Answer> {
  /** @param grant.overtaken how many earlier jobs it passed. */
  grant(
    ask: StageAsk,
    grant: { readonly place: number; readonly waitedMs: number; readonly overtaken: number },
  ): StageLease<Work, Answer>;
  /** Takes back the leases of a model whose session is lost; what still runs on it rejects. */
  revoke(place: number): void;
  asks(): readonly StageAsk[];
  /** Activations of all, and of those alone that run something at this moment. */
  reservedBytes(): number;
  runningBytes(): number;
}

interface LeasesOptions<Work, Answer> {
  readonly residents: Residents<Work, Answer>;
  readonly clock: Clock;
  readonly times: PoolTimes;
  onEvent(event: PoolEvent): void;
  onChange(): void;
}

/** A lease for as long as it is good. */
interface Held extends StageAsk {
  readonly place: number;
  readonly runs: Set<Promise<unknown>>;
}

export function createLeases<Work, Answer>(options: LeasesOptions<Work, Answer>): Leases<Work, Answer> {
  const { residents, clock, times, onEvent, onChange } = options;
  const held = new Set<Held>();

  function sumOf(leases: Iterable<Held>): number {
    let sum = 0;
    for (const { activationBytes } of leases) sum += activationBytes;
    return sum;
  }

  async function runOn(lease: Held, work: Work, signal: AbortSignal): Promise<RunAnswer<Answer>> {
    const { model, place, runs } = lease;
    const { open, phase } = residents.all[place]!;
    if (!held.has(lease) || open === undefined || phase !== "leased") throw sessionLost(model);
    const what = `A run of the model ${model}`;
    const limit = { clock, ms: times.runMs, graceMs: times.graceMs, signal, what };
    const run = inTime(limit, (signal) => open.run(work, signal));
    runs.add(run);
    try {
      return await run;
    } catch (error) {
      if (isPoison(error) && held.has(lease)) {
        residents.poison(place, `${what}: ${wordsOf(error)}`);
        onChange();
      }
      throw error;
    } finally {
      runs.delete(run);
    }
  }

  function giveBack(lease: Held): void {
    const { job, stage, model, place } = lease;
    if (!held.delete(lease)) return;
    onEvent({ kind: "returned", job, stage, model });
    const isShared = [...held].some((other) => other.place === place);
    if (!isShared && residents.all[place]!.phase === "leased") residents.giveBack(place);
    onChange();
  }

  return {
    grant(ask, { place, waitedMs, overtaken }) {
      const { job, stage, model } = ask;
      const lease: Held = { ...ask, place, runs: new Set() };
      held.add(lease);
      residents.lease(place, `stage ${stage} of ${job}`);
      onEvent({ kind: "granted", job, stage, model, waitedMs, overtaken });
      return {
        waitedMs,
        run: (work, signal) => runOn(lease, work, signal),
        async [Symbol.asyncDispose]() {
          await Promise.allSettled(lease.runs);
          giveBack(lease);
        },
      };
    },
    revoke(place) {
      for (const lease of held) if (lease.place === place) giveBack(lease);
    },
    asks: () => [...held],
    reservedBytes: () => sumOf(held),
    runningBytes: () => sumOf(held.values().filter(({ runs }) => runs.size > 0)),
  };
}

function sessionLost(model: string): Fault {
  return new Fault("busy", "device_failed", `The device was lost while it held the model ${model}.`);
}
