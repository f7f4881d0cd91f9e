/** A place for an agent: the production supervisor over simulated workers. Whoever ends in it is followed by a new process. */
import { runSupervisor } from "#agent/supervisor.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { Capabilities } from "#shared/domain/message.ts";
import { simulatedControlApi } from "./control-call.ts";
import { blobsPort, queuePort } from "./engine-ports.ts";
import { createProcess, type SimulatedProcess } from "./simulated-process.ts";
import { createSimulatedWorker, type SimulatedWorker } from "./simulated-worker.ts";
import type { World } from "./world.ts";

/** One process that stands in the place, as the world knows it. */
export interface StandingAgent {
  readonly process: SimulatedProcess;
  readonly workers: readonly SimulatedWorker[];
  readonly can: Pick<Capabilities, "stages" | "models">;
  /** Once the control plane knows it. */
  id: string | undefined;
  /** Asked to end. */
  isDraining: boolean;
  /** Its machine ruins what it touches: it takes no more work. */
  isUnhealthy: boolean;
  readonly drain: AbortController;
}

export interface AgentPlace {
  readonly standing: StandingAgent | undefined;
  start(): void;
  /** Ends at once, as by SIGKILL; another follows. */
  kill(): void;
  /** A spot notice: SIGTERM now, SIGKILL two minutes later. */
  notice(): void;
  /** Drains, and nobody follows. */
  close(): void;
}

const STAGES = ["analyze", "repair", "denoise", "upscale", "finish"] as const;
const PLAIN_MODELS = ["esrgan-thick", "cosine-denoise", "cosine-deblock"];
const RICH_MODELS = [...PLAIN_MODELS, "realesr-general-x4v3"];
const NOTICE_MS = 120_000;

export function createAgentPlace(
  world: World,
  of: {
    readonly name: string;
    readonly slots: number;
    readonly isRich: boolean;
    readonly isForeign: boolean;
    /** The first node that stands here may be broken. */
    readonly mayBeBroken: boolean;
  },
): AgentPlace {
  const { loop, trace } = world;
  const draws = world.draws("fleet");
  let standing: StandingAgent | undefined;
  let closed = false;
  let generation = 0;

  function start(): void {
    generation += 1;
    const rates = world.rates();
    const process = createProcess(loop, {
      name: `${of.name}.${generation}`,
      kind: "agent",
      skewMs: draws.between(-rates.agentSkewMs, rates.agentSkewMs),
    });
    const { engines, network } = world;
    const queue = queuePort(process, engines.queue, { network, loop });
    const blobs = blobsPort(process, engines.blobs, network);
    const can = { stages: [...STAGES], models: of.isRich ? RICH_MODELS : PLAIN_MODELS };
    const ability = { device: "cpu", ...can, files: [] };
    const isBroken = of.mayBeBroken && generation === 1 && draws.chance(rates.brokenNodes);
    if (isBroken) trace.note(`${process.name} is broken`);
    const workers = Array.from({ length: of.slots }, () =>
      createSimulatedWorker(world, process, { blobs, ability, isBroken }),
    );
    const drain = new AbortController();
    const agent: StandingAgent = {
      process,
      workers,
      can,
      id: undefined,
      isDraining: false,
      isUnhealthy: false,
      drain,
    };
    standing = agent;
    trace.note(`${process.name} starts`);
    const control = simulatedControlApi(world, process);
    runSupervisor(
      {
        control: of.isForeign
          ? { ...control, register: (ask) => control.register(otherProtocol(ask)) }
          : control,
        queue,
        workers,
        clock: process.clock,
        entropy: world.draws("entropy").entropy,
        log: {
          ...world.logOf(process),
          warn(event) {
            if (event !== "agent-unhealthy") return;
            agent.isUnhealthy = true;
            if (isBroken) world.sometimes.count("broken node taken out");
          },
        },
        onReady: (id) => {
          agent.id = id;
          trace.note(`${process.name} is ${id}`);
        },
      },
      drain.signal,
    ).then(
      () => ended(agent, "ended"),
      (error: unknown) => {
        if (!(error instanceof Fault)) world.bug(`${process.name} threw`, error);
        ended(agent, `gave up: ${String(error)}`);
      },
    );
  }

  function ended(agent: StandingAgent, how: string): void {
    if (standing !== agent) return;
    trace.note(`${agent.process.name} ${how}`);
    if (agent.isDraining) world.sometimes.count("agent drained");
    if (of.isForeign && agent.id === undefined) world.sometimes.count("foreign agent refused");
    agent.process.kill();
    follow();
  }

  function follow(): void {
    standing = undefined;
    if (closed) return;
    // A foreign agent is refused again and again: it is started anew rarely.
    loop.after(of.isForeign ? 120_000 : draws.between(2_000, 30_000), () => {
      if (!closed) start();
    });
  }

  return {
    get standing() {
      return standing;
    },
    start,
    kill() {
      if (standing === undefined) return;
      const { process, id } = standing;
      trace.note(`${process.name} is killed`);
      process.kill();
      if (id !== undefined) world.failover.died(id);
      follow();
    },
    notice() {
      const agent = standing;
      if (agent === undefined || agent.isDraining) return;
      trace.note(`${agent.process.name} gets a spot notice`);
      agent.isDraining = true;
      world.drains.noticed(agent.id);
      agent.drain.abort();
      loop.after(NOTICE_MS, () => {
        if (standing === agent) this.kill();
      });
    },
    close() {
      closed = true;
      standing?.drain.abort();
    },
  };
}

function otherProtocol(ask: Capabilities): Capabilities {
  return { ...ask, protocol: 99 as Capabilities["protocol"] };
}
