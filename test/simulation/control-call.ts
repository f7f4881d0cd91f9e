/** Calls to the control plane, as HTTP makes them: to any instance, with a time-out, perhaps twice, perhaps unheard. */
import * as agents from "#functions/agents/agents.ts";
import { putAside } from "#functions/unreadable.ts";
import {
  Capabilities,
  PROTOCOL_VERSION,
  type BeatAsk,
  type ClaimAsk,
  type CompleteAsk,
  type FailAsk,
  type ReleaseAsk,
} from "#shared/domain/message.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { ControlApi } from "#agent/control-client.ts";
import { FLEET_SECRET, type ControlInstance } from "./control-instance.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { World } from "./world.ts";

const AGENT_TIMEOUT_MS = 4_000;
const REFUSED_MS = 30;
const DETACHED_EVERY = 5;
/** What waits is told as advice, which no simulated worker takes: one reading in a few shows that it harms nothing. */
const AHEAD_EVERY = 10;

export interface ControlCall {
  readonly caller: SimulatedProcess;
  readonly op: string;
  readonly timeoutMs: number;
}

/** @throws what the instance threw; Fault busy `control_unreachable` without an answer in time. */
export function callControl<T>(
  world: World,
  ask: ControlCall,
  act: (instance: ControlInstance) => Promise<T>,
): Promise<T> {
  const { loop, network, trace } = world;
  const { caller, op } = ask;
  const askedAt = loop.now();
  return new Promise((resolve, reject) => {
    if (!caller.isAlive) return;
    const fault = network.plan.next(caller, "control", op);
    if (fault !== undefined) {
      caller.faultAt = loop.now();
      trace.note(`${caller.name} ${op}: ${fault}`);
    }
    if (fault === "crash-before") return network.crash(caller);
    const timer = loop.after(ask.timeoutMs, () =>
      caller.wake(() => {
        caller.faultAt = loop.now();
        reject(unreachable(op));
      }),
    );
    const answer = (settle: () => void): void => {
      if (fault === "crash-after") return network.crash(caller);
      if (fault === "fail-after") return;
      loop.after(network.latencyMs(), () => {
        if (caller.cutOffUntil > loop.now()) return;
        timer.cancel();
        world.took(op, loop.now() - askedAt);
        caller.wake(settle);
      });
    };
    const arrive = (): void => {
      const instance = world.anyControl();
      if (instance === undefined) {
        loop.after(REFUSED_MS, () => {
          timer.cancel();
          caller.wake(() => reject(unreachable(op)));
        });
        return;
      }
      act(instance).then(
        (value) => {
          world.answered(op, value, fault === "fail-after");
          return answer(() => resolve(value));
        },
        (error: unknown) => {
          if (!(error instanceof Fault)) world.bug(`${op} threw ${String(error)}`, error);
          answer(() => reject(error instanceof Fault ? error : unreachable(op)));
        },
      );
    };
    if (fault === "fail-before" || caller.cutOffUntil > loop.now()) return;
    loop.after(network.latencyMs() + (fault === "delay" ? network.plan.delayMs() : 0), arrive);
    if (fault === "double") loop.after(network.latencyMs() + network.plan.delayMs(), arrive);
  });
}

/** The production routes' answers, by the production client's rules. */
export function simulatedControlApi(world: World, caller: SimulatedProcess): ControlApi {
  let messages = 0;
  /** Copying costs as much as the call; one in a few shows whoever changes what he was sent. */
  function detached<T>(message: T): T {
    messages += 1;
    if (message === undefined || messages % DETACHED_EVERY !== 0) return message;
    return JSON.parse(JSON.stringify(message)) as T;
  }
  async function call<T>(op: string, act: (instance: ControlInstance) => Promise<T>): Promise<T> {
    try {
      return detached(await callControl(world, { caller, op, timeoutMs: AGENT_TIMEOUT_MS }, act));
    } catch (error) {
      if (!(error instanceof Fault) || error.kind === "busy") throw unreachable(op);
      if (error.kind === "auth" || error.kind === "missing")
        throw new Fault("auth", "agent_unknown", "The control plane does not know this agent.");
      throw new Fault("input", "request_refused", "The control plane and this agent disagree.", {
        cause: error,
      });
    }
  }
  const asAgent = <Ask, Answer>(
    op: string,
    act: (
      doors: ControlInstance,
      agent: Awaited<ReturnType<typeof agents.authenticate>>,
      ask: Ask,
    ) => Promise<Answer>,
  ) => {
    return (token: string, ask: Ask): Promise<Answer> => {
      const sent = detached(ask);
      return call(op, async (instance) => act(instance, await agents.authenticate(instance, token), sent));
    };
  };
  function isGranted({ job, nextClaimId }: CompleteAsk): boolean {
    const stages = nextClaimId === undefined ? undefined : world.checker.jobs.get(job)?.stages;
    return stages?.some(({ status, claimId }) => status === "leased" && claimId === nextClaimId) === true;
  }
  return {
    register: (ask) =>
      call("register", async (instance) => {
        if ((ask.protocol as number) !== PROTOCOL_VERSION)
          throw new Fault("conflict", "protocol_unsupported", "Another version of the protocol.");
        agents.demandSecret(instance, FLEET_SECRET);
        return agents.register(instance, Capabilities.parse(ask));
      }),
    beat: asAgent("beat", (instance, agent, ask: BeatAsk) => {
      const ahead = ask.ahead && ask.seq % AHEAD_EVERY === 0;
      return agents.beat(instance, agent, { ...ask, ahead });
    }),
    claim: asAgent("claim", async (instance, agent, ask: ClaimAsk) => {
      const answer = await agents.claim(instance, agent, ask);
      if (ask.job === undefined && answer.verdict === "found") world.sometimes.count("found by asking");
      return answer;
    }),
    complete: asAgent("complete", async (instance, agent, ask: CompleteAsk) => {
      const answer = await agents.complete(instance, agent, ask);
      world.worked(ask, answer.verdict === "accepted");
      if (isGranted(ask) && !("next" in answer))
        world.checker.breach(2, `${agent.id} is not told of the stage of ${ask.job} it was granted`);
      return answer;
    }),
    fail: asAgent("fail", async (instance, agent, ask: FailAsk) => {
      const answer = await agents.fail(instance, agent, ask);
      if (answer.verdict === "accepted") world.reported(ask);
      return answer;
    }),
    release: asAgent("release", async (instance, agent, ask: ReleaseAsk) => {
      const answer = await agents.release(instance, agent, ask);
      if (answer.verdict === "accepted") world.reported(ask);
      return answer;
    }),
    putAside: asAgent("put-aside", async (instance, _agent, ask) => {
      await putAside(instance, { queue: "doorbells", ...ask });
    }),
    goodbye: (token) =>
      call("goodbye", async (instance) => {
        const agent = await agents.authenticate(instance, token);
        await agents.gone(instance, agent.id);
      }),
  };
}

function unreachable(op: string): Fault {
  return new Fault("busy", "control_unreachable", `The control plane did not answer (${op}).`);
}
