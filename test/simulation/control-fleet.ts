/** The processes of the control plane: instances that serve calls, sweepers, and the consumer of dead letters. */
import { deadLetter } from "#functions/dead-letters.ts";
import { sweep, SWEEP_LOOPS } from "#functions/sweep/sweep.ts";
import { SWEEP_MS } from "#shared/domain/limits.ts";
import { runConsumer } from "#shared/queue-consumer.ts";
import { startControl, type ControlInstance } from "./control-instance.ts";
import { queuePort } from "./engine-ports.ts";
import type { Settling } from "./settling.ts";
import { createProcess, type SimulatedProcess } from "./simulated-process.ts";
import type { World } from "./world.ts";

const CONTROLS = 3;
const SWEEPERS = 2;
const DEAD_LETTERS_AT_ONCE = 4;

export interface ControlFleet {
  readonly controls: readonly ControlInstance[];
  readonly sweepers: readonly SimulatedProcess[];
  /** The last moment at which a fault was done to any of them. */
  readonly faultAt: number;
  start(): void;
  /** Ends a process of the control plane; another follows. */
  kill(process: SimulatedProcess): void;
  /** As many sweepers as there should be. */
  heal(): void;
  /** Leaves one sweeper, which goes from timer to timer. */
  settle(): void;
}

export function createControlFleet(
  world: World,
  parts: {
    readonly settling: Settling;
    /** After the last timer: what the payment provider took last is counted by then. */
    readonly lagMs: number;
    readonly onSettled: () => void;
  },
): ControlFleet {
  const { loop, trace, network, sometimes } = world;
  const { queue, deadLetters } = world.engines;
  const { settling } = parts;
  const draws = world.draws("fleet");
  const controls: ControlInstance[] = [];
  const sweepers: SimulatedProcess[] = [];
  let consumer: SimulatedProcess | undefined;
  let killedAt = Number.NEGATIVE_INFINITY;
  let isSettled = false;
  let made = 0;

  function newProcess(kind: SimulatedProcess["kind"]): SimulatedProcess {
    const { controlSkewMs, oneControlSkewMs } = world.rates();
    const isOne = kind === "control" && controls.every(({ process }) => process.skewMs !== oneControlSkewMs);
    const skewMs =
      oneControlSkewMs !== 0 && isOne ? oneControlSkewMs : draws.between(-controlSkewMs, controlSkewMs);
    return createProcess(loop, { name: `${kind}-${(made += 1)}`, kind, skewMs });
  }

  function addControl(): void {
    controls.push(startControl(world, newProcess("control")));
  }

  function addSweeper(): void {
    const process = newProcess("sweeper");
    sweepers.push(process);
    const doors = startControl(world, process);
    const view = { ...doors, store: settling.view(doors.store) };
    const rounds = async (classes: (typeof SWEEP_LOOPS)[number]): Promise<void> => {
      for (;;) {
        if (settling.isOn && classes !== SWEEP_LOOPS[0]) return;
        await sweep(view, settling.isOn ? {} : { classes });
        const pauseMs = settling.isOn ? settling.pauseMs() : SWEEP_MS * draws.between(0.9, 1.1);
        await process.clock.sleep(pauseMs ?? parts.lagMs);
        if (pauseMs === undefined) return parts.onSettled();
      }
    };
    for (const classes of SWEEP_LOOPS)
      rounds(classes).catch((error: unknown) => world.bug("the sweeper threw", error));
  }

  function addConsumer(): void {
    if (isSettled) return;
    const process = newProcess("consumer");
    consumer = process;
    const doors = startControl(world, process);
    const letters = queuePort(process, deadLetters, { network, loop });
    const handle = async (body: string): Promise<void> => {
      const { sent } = queue.counts;
      await deadLetter(doors, body);
      if (queue.counts.sent > sent) sometimes.count("dead letter rung again");
    };
    runConsumer(
      { queue: letters, clock: process.clock, entropy: world.draws("entropy").entropy, log: doors.log },
      { name: "dead_letters", atOnce: DEAD_LETTERS_AT_ONCE, handle: ({ body }) => handle(body) },
      new AbortController().signal,
    ).catch((error: unknown) => world.bug("the consumer threw", error));
  }

  function heal(): void {
    while (sweepers.length < SWEEPERS) addSweeper();
  }

  return {
    controls,
    sweepers,
    get faultAt() {
      return Math.max(
        killedAt,
        ...controls.map(({ process }) => process.faultAt),
        ...sweepers.map((process) => process.faultAt),
      );
    },
    start() {
      for (let i = 0; i < CONTROLS; i++) addControl();
      if (world.rates().sweeperOff === 0) heal();
      addConsumer();
    },
    kill(process) {
      process.kill();
      killedAt = loop.now();
      const control = controls.findIndex((each) => each.process === process);
      const sweeper = sweepers.indexOf(process);
      if (control >= 0 || sweeper >= 0) trace.note(`${process.name} is killed`);
      if (control >= 0) {
        controls.splice(control, 1);
        loop.after(draws.between(100, 3_000), addControl);
      } else if (sweeper >= 0) {
        sweepers.splice(sweeper, 1);
        loop.after(draws.between(1_000, 30_000), addSweeper);
      } else if (process === consumer) {
        consumer = undefined;
        loop.after(1_000, addConsumer);
      }
    },
    heal,
    settle() {
      settling.begin();
      // Two would do all twice, and dead letters are none any more.
      for (const process of sweepers.splice(1)) process.kill();
      isSettled = true;
      consumer?.kill();
    },
  };
}
