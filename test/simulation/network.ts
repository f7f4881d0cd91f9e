/**
 * The way between processes and engines. A call takes time; it may be lost before or after it was done, be late or be
 * done twice, and its caller may die beside it. A caller that is dead or stands still hears nothing.
 */
import { Fault } from "#shared/domain/fault.ts";
import type { Draws } from "./draws.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { Trace } from "./trace.ts";
import type { Loop } from "./virtual-time.ts";

export const CALL_FAULTS = ["fail-before", "fail-after", "delay", "crash-before", "crash-after"] as const;
export type CallFault = (typeof CALL_FAULTS)[number] | "double";
export type Target = "store" | "queue" | "blobs" | "control" | "outside";

/** Decides what happens to each call. */
export interface FaultPlan {
  next(caller: SimulatedProcess, target: Target, op: string): CallFault | undefined;
  delayMs(): number;
}

export interface Network {
  /** A call to an engine: `run` is its whole effect, in one moment. @throws Fault busy when it did not get through. */
  call<T>(caller: SimulatedProcess, target: Target, op: string, run: () => T): Promise<T>;
  /** How long one way takes now. */
  latencyMs(): number;
  readonly plan: FaultPlan;
  /** An engine that answers nobody, or only some, until then. */
  outage(target: Target, ms: number): void;
  throttle(target: Target, share: number, ms: number): void;
  /** An engine of which some calls take seconds until then. */
  slow(target: Target, share: number, ms: number): void;
  isDown(target: Target): boolean;
  /** The last moment at which that engine answered nobody. */
  downAt(target: Target): number;
  /** The last moment at which it answered nobody, or only some, or late. */
  troubleAt(target: Target): number;
  refuses(caller: SimulatedProcess, target: Target): boolean;
  /** Whether nothing at all stands between the two just now. */
  isWell(caller: SimulatedProcess, target: Target): boolean;
  /** A process died by a call of its. */
  onCrash(act: (process: SimulatedProcess) => void): void;
  crash(process: SimulatedProcess): void;
  /** Whose call an engine is serving. */
  readonly acting: SimulatedProcess | undefined;
  /** Everything is well again. */
  heal(): void;
}

const REFUSED_MS = 120;
const SLOW_MS = [100, 3_000] as const;

/** A share of calls, for a while. */
interface Spell {
  readonly share: number;
  readonly until: number;
}

export function createNetwork(parts: {
  readonly loop: Loop;
  readonly draws: Draws;
  readonly plan: FaultPlan;
  readonly trace: Trace;
}): Network {
  const { loop, draws, plan, trace } = parts;
  const downUntil: Partial<Record<Target, number>> = {};
  const throttled: Partial<Record<Target, Spell>> = {};
  const slowed: Partial<Record<Target, Spell>> = {};
  /** When the last trouble of any kind ends. */
  const trouble: Partial<Record<Target, number>> = {};
  let acting: SimulatedProcess | undefined;
  let told: (process: SimulatedProcess) => void = () => undefined;

  const isMet = (spell: Spell | undefined): boolean =>
    spell !== undefined && spell.until > loop.now() && draws.chance(spell.share);

  const network: Network = {
    plan,
    get acting() {
      return acting;
    },
    heal() {
      for (const target of ["store", "queue", "blobs", "control"] as const) {
        downUntil[target] = network.downAt(target);
        trouble[target] = network.troubleAt(target);
        delete throttled[target];
        delete slowed[target];
      }
    },
    latencyMs: () => 1 + draws.unit() * 9,
    outage(target, ms) {
      downUntil[target] = Math.max(downUntil[target] ?? 0, loop.now() + ms);
      trouble[target] = Math.max(trouble[target] ?? 0, downUntil[target]);
    },
    throttle(target, share, ms) {
      throttled[target] = { share, until: loop.now() + ms };
      trouble[target] = Math.max(trouble[target] ?? 0, loop.now() + ms);
    },
    slow(target, share, ms) {
      slowed[target] = { share, until: loop.now() + ms };
      trouble[target] = Math.max(trouble[target] ?? 0, loop.now() + ms);
    },
    isDown: (target) => (downUntil[target] ?? 0) > loop.now(),
    downAt: (target) => Math.min(loop.now(), downUntil[target] ?? Number.NEGATIVE_INFINITY),
    troubleAt: (target) => Math.min(loop.now(), trouble[target] ?? Number.NEGATIVE_INFINITY),
    refuses(caller, target) {
      if (caller.cutOffUntil > loop.now()) return true;
      if (network.isDown(target)) return true;
      return isMet(throttled[target]);
    },
    isWell(caller, target) {
      const now = loop.now();
      return (
        caller.isAlive &&
        !caller.isPaused &&
        caller.cutOffUntil <= now &&
        (downUntil[target] ?? 0) <= now &&
        (throttled[target]?.until ?? 0) <= now
      );
    },
    onCrash: (act) => (told = act),
    crash(process) {
      process.kill();
      told(process);
    },
    call<T>(caller: SimulatedProcess, target: Target, op: string, run: () => T): Promise<T> {
      return new Promise((resolve, reject) => {
        if (!caller.isAlive) return;
        const fault = plan.next(caller, target, op);
        const refuse = (after: boolean): void => {
          trace.note(`${caller.name} ${op} ${after ? "answer lost" : "refused"}`);
          caller.wake(() => reject(busy(target)));
        };
        if (fault !== undefined) {
          caller.faultAt = loop.now();
          trace.note(`${caller.name} ${op}: ${fault}`);
        }
        if (fault === "crash-before") return network.crash(caller);
        if (fault === "fail-before") return void loop.after(REFUSED_MS, () => refuse(false));
        const isSlow = isMet(slowed[target]);
        if (isSlow) caller.faultAt = loop.now();
        const late = (isSlow ? draws.decades(...SLOW_MS) : 0) + (fault === "delay" ? plan.delayMs() : 0);
        loop.after(network.latencyMs() + late, () => {
          if (network.refuses(caller, target)) {
            caller.faultAt = loop.now();
            loop.after(REFUSED_MS, () => refuse(false));
            return;
          }
          let answer: T;
          acting = caller;
          try {
            answer = run();
          } catch (error) {
            caller.wake(() => reject(error));
            return;
          }
          if (fault === "crash-after") return network.crash(caller);
          if (fault === "fail-after") return void loop.after(REFUSED_MS, () => refuse(true));
          caller.wake(() => resolve(answer));
        });
      });
    },
  };
  return network;
}

function busy(target: Target): Fault {
  const code = target === "blobs" ? "blobs_busy" : target === "queue" ? "queue_busy" : "store_busy";
  return new Fault("busy", code, "It did not answer; try again in a moment.");
}
