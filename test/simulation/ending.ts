/** How a run comes to its end: the faults stop, every job ends, and what the seed waits for beyond that settles. */
import type { AgentPlace } from "./agent-place.ts";
import type { ControlFleet } from "./control-fleet.ts";
import { LONG_OUTAGES, type Rates } from "./profile.ts";
import type { World } from "./world.ts";

/** Whatever happened before the faults stopped has been detected by then. */
const DETECTED_MS = 240_000;
/** Faults go on for a while after a long outage. */
const CALM_AFTER_MS = 60_000;
/** Every accepted job has ended so long after the faults have stopped: whatever was put off has had its turn. */
const ENDED_WITHIN_MS = 8 * 3_600_000;
/** Longer than anything waits that began with a job: a month's invoice, and two days without its provider. */
const SETTLE_MS_MAX = 14 * 24 * 3_600_000;
const LOOK_MS = 5_000;

export interface Ending {
  readonly isOver: boolean;
  /** Nothing is left that the run is to wait for. */
  end(): void;
}

export function startEnding(
  world: World,
  parts: {
    readonly harm: Rates;
    readonly places: readonly AgentPlace[];
    readonly fleet: ControlFleet;
    /** When the last customer comes, after the start. Milliseconds. */
    readonly lastAt: number;
    /** From now on nothing goes wrong by chance. */
    readonly stopFaults: () => void;
    /** Whether this job's bytes are sent some time. */
    readonly comes: (jobId: string) => boolean;
    /** Whether customers are still at it. */
    readonly isAwaited: () => boolean;
    /** Called every few seconds until all jobs have ended. */
    readonly onLook: () => void;
  },
): Ending {
  const { loop, trace, network, shape, checker } = world;
  const { harm, places, fleet } = parts;
  const longOutageMs = Math.max(...LONG_OUTAGES.map((name) => harm[name]));
  const calmAt = Math.max(
    shape.faultsMs,
    parts.lastAt + 1_000,
    longOutageMs === 0 ? 0 : shape.longOutageAtMs + longOutageMs + CALM_AFTER_MS,
  );
  let isCalm = false;
  let isOver = false;

  function end(): void {
    isOver = true;
  }

  function heal(): void {
    trace.note("the faults stop");
    isCalm = true;
    parts.stopFaults();
    network.heal();
    for (const { standing } of places) {
      if (standing === undefined) continue;
      standing.process.cutOffUntil = 0;
      if (standing.process.isPaused) standing.process.goOn();
    }
    // A detector that is off stays off for long enough that the other one is proven.
    loop.after(harm.sweeperOff > 0 ? DETECTED_MS : 0, fleet.heal);
  }

  function settle(): void {
    trace.note(`all jobs have ended; ${shape.settles} is waited for`);
    for (const place of places) place.close();
    fleet.settle();
    loop.after(SETTLE_MS_MAX, end);
  }

  function haveAllEnded(): boolean {
    if (parts.isAwaited()) return false;
    for (const { id, status } of checker.open.values())
      if (status !== "awaiting_upload" || parts.comes(id)) return false;
    return true;
  }

  function look(): void {
    parts.onLook();
    const elapsed = loop.now() - world.startMs;
    if (elapsed > calmAt + ENDED_WITHIN_MS) return end();
    if (isCalm && elapsed > calmAt && haveAllEnded()) return shape.settles === "never" ? end() : settle();
    // What looks at all open jobs comes the more rarely the more there are.
    loop.after(Math.max(LOOK_MS, checker.open.size), look);
  }

  loop.after(calmAt, heal);
  loop.after(LOOK_MS, look);
  return {
    get isOver() {
      return isOver;
    },
    end,
  };
}
