import { Fault } from "#shared/domain/fault.ts";
import type { Capabilities, RegisterAnswer } from "#shared/domain/message.ts";
import type { ControlApi } from "./control-client.ts";
import { createGate } from "./gate.ts";
import { repeatWhileBusy, type Patience } from "./repeat.ts";

/**
 * Who this process is to the control plane, and whether that can be reached.
 *
 *   stranger ─join─► online ◄─any answer── offline
 *       ▲              └──no answer──────────►┘
 *       └──── 401 or 404: the item is gone (another data folder, a long sleep) ────
 */
export interface Membership {
  /** Absent before the first `join`, and again once the control plane has forgotten this agent. */
  current(): RegisterAnswer | undefined;
  /**
   * Registers as a new agent; repeats for as long as nobody answers.
   * @throws Fault auth or input when the control plane will not have this agent: waiting does not help.
   */
  join(signal: AbortSignal): Promise<RegisterAnswer>;
  /** Makes a call under this agent's token, and learns from how it went. @throws what the call throws. */
  call<T>(send: (token: string) => Promise<T>): Promise<T>;
  /** Resolves while the control plane answers: only then may new work be taken. */
  online(signal: AbortSignal): Promise<void>;
}

export function createMembership(
  ask: Patience & { control: ControlApi; capabilities: Capabilities },
): Membership {
  const { control, capabilities, clock, entropy } = ask;
  const gate = createGate();
  let member: RegisterAnswer | undefined;

  return {
    current: () => member,
    online: (signal) => gate.opened(signal),
    async join(signal) {
      const patience = { clock, entropy, untilMs: Number.POSITIVE_INFINITY };
      member = await repeatWhileBusy(patience, () => control.register(capabilities), signal);
      gate.open();
      return member;
    },
    async call(send) {
      const asked = member;
      if (asked === undefined) throw new Fault("auth", "agent_unknown", "This agent is not registered.");
      try {
        const answer = await send(asked.token);
        if (member === asked) gate.open();
        return answer;
      } catch (error) {
        if (member === asked && error instanceof Fault) {
          if (error.retryable) gate.close();
          if (error.kind === "auth") {
            gate.close();
            member = undefined;
          }
        }
        throw error;
      }
    },
  };
}
