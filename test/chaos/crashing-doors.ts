import type { CrashPoint, HeldLease } from "./crash-points.ts";
import type { ControlApi } from "#agent/control-client.ts";
import type { Queue } from "#shared/ports.ts";

/** Comes by the crash points. */
export interface Passer {
  readonly pass: (point: CrashPoint, held?: HeldLease) => void;
  /** For the deaths of the other side while it handles a call. */
  readonly passInFlight: (point: CrashPoint) => Promise<void>;
}

/** The agent's way to the control plane, with a crash point before and after what matters. */
export function crashingControl(
  control: ControlApi,
  { pass, passInFlight }: Passer,
  onRegistered: (agent: string) => void,
): ControlApi {
  return {
    ...control,
    async register(ask) {
      const answer = await control.register(ask);
      onRegistered(answer.agent);
      pass("registered");
      return answer;
    },
    async beat(token, ask) {
      const [answer] = await Promise.all([control.beat(token, ask), passInFlight("control-in-beat")]);
      pass("beat-unheard", ask.runs[0]);
      return answer;
    },
    async claim(token, ask) {
      const [answer] = await Promise.all([control.claim(token, ask), passInFlight("control-in-claim")]);
      if (answer.verdict === "granted") pass("claim-granted", answer.lease);
      return answer;
    },
    async complete(token, ask) {
      pass("outputs-stored", ask);
      const [answer] = await Promise.all([control.complete(token, ask), passInFlight("control-in-complete")]);
      pass("completed-unheard", answer.verdict === "accepted" ? answer.next : undefined);
      return answer;
    },
  };
}

/** The queue, with one before and one after a doorbell is deleted. */
export function crashingQueue(queue: Queue, { pass }: Passer): Queue {
  return {
    send: (messages) => queue.send(messages),
    receive: (ask, signal) => queue.receive(ask, signal),
    extend: (receipts, visibilityMs) => queue.extend(receipts, visibilityMs),
    async delete(receipts) {
      pass("bell-before-delete");
      await queue.delete(receipts);
      pass("bell-deleted");
    },
  };
}
