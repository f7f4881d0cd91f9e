import { PROTOCOL_VERSION, type Capabilities, type JobAhead } from "#shared/domain/message.ts";
import { Fault, invariant } from "#shared/domain/fault.ts";
import type { Log } from "#shared/log.ts";
import type { Queue } from "#shared/ports.ts";
import type { ActiveRuns } from "./active-run.ts";
import { createBreaker } from "./breaker.ts";
import type { ControlApi } from "./control-client.ts";
import { keepBeating } from "./heartbeat.ts";
import { createMembership, type Membership } from "./membership.ts";
import type { Patience } from "./repeat.ts";
import { runSlot } from "./slot.ts";
import type { Worker } from "./worker/protocol.ts";

export interface SupervisorDoors extends Patience {
  readonly control: ControlApi;
  readonly queue: Queue;
  /** One per slot, at most 16. They are the caller's to start and to end. */
  readonly workers: readonly Worker[];
  readonly log: Log;
  /** How long a run that is nearly done may go on once the agent drains; 0 by default. Milliseconds. */
  drainGraceMs?(): number;
  /** The workers are warm and the control plane knows this agent by this id; called again when it had to register anew. */
  onReady?(agent: string): void;
}

/**
 * The long-lived half of an agent. It registers, beats, and runs one loop per slot; it touches no pixel and no
 * session. When the signal asks it to drain, the slots stop listening, give back what they hold, and it says goodbye.
 * @throws Fault when the control plane refuses this agent (wrong secret, another protocol); busy `agent_unhealthy` when
 * it ruins whatever it touches (breaker.ts).
 */
export async function runSupervisor(doors: SupervisorDoors, signal: AbortSignal): Promise<void> {
  const { control, queue, workers, clock, entropy, log } = doors;
  invariant(workers.length >= 1 && workers.length <= 16, "an agent has 1 to 16 slots");
  const abilities = await unlessAborted(signal, Promise.all(workers.map((worker) => worker.ready(signal))));
  const [ability] = abilities ?? [];
  if (ability === undefined) return;

  // Equal slots: they run the same code on the same folder of models.
  const { device, stages, models } = ability;
  const capabilities: Capabilities = {
    protocol: PROTOCOL_VERSION,
    slots: workers.length,
    device,
    stages,
    models,
  };
  const membership = createMembership({ control, capabilities, clock, entropy });
  const member = await unlessAborted(signal, membership.join(signal));
  if (member === undefined) return;
  log.info("agent-registered", { agent: member.agent, ...capabilities });
  const onJoined = (agent: string): void => doors.onReady?.(agent);
  onJoined(member.agent);

  const runs: ActiveRuns = new Set();
  const hot = (): string[] => [...new Set(workers.flatMap((worker) => worker.hot()))];
  const onAhead = (jobs: readonly JobAhead[]): void => {
    for (const worker of workers) worker.foresee(jobs);
  };
  const refused = new AbortController();
  const stop = AbortSignal.any([signal, refused.signal]);
  // Beats go on while the slots drain: until then this agent still holds what it names.
  const drained = new AbortController();
  const beats = keepBeating(
    { control, membership, queue, runs, hot, onAhead, onRejoined: onJoined, clock, entropy, log },
    drained.signal,
  ).catch((error: unknown) => {
    if (!drained.signal.aborted) refused.abort(error);
  });
  const breaker = createBreaker();
  const drainGraceMs = (): number => doors.drainGraceMs?.() ?? 0;
  const slot = { control, membership, queue, runs, breaker, drainGraceMs, clock, entropy, log };
  await Promise.all(workers.map((worker) => runSlot({ ...slot, worker }, stop)));
  drained.abort();
  await beats;
  if (refused.signal.aborted) throw refused.signal.reason;
  await sayGoodbye({ control, membership, log });
  const why = breaker.tripped();
  if (why !== undefined)
    throw new Fault("busy", "agent_unhealthy", `This agent takes no more work: ${why}. Replace the machine.`);
}

async function sayGoodbye(doors: { control: ControlApi; membership: Membership; log: Log }): Promise<void> {
  if (doors.membership.current() === undefined) return;
  try {
    await doors.membership.call((token) => doors.control.goodbye(token));
  } catch (error) {
    // Its leases then end by themselves, 20 s later.
    doors.log.warn("goodbye-failed", { error });
  }
}

/** What the promise answers, or nothing when it was cut short by the signal. */
async function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}
