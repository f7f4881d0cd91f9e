import { setTimeout as sleep } from "node:timers/promises";
import type { Restoration } from "#functions/api/restoration-schema.ts";
import type { Customer } from "./customer.ts";

const LOOK_MS = 1_000;

/** Jobs that are sent, waited for and fetched, some at once. */
export interface JobFlow {
  readonly ended: Promise<void>;
  /** Jobs that ended, or were given up. */
  count(): number;
  /** Those that did not succeed, or whose result cannot be fetched. */
  lost(): number;
  /** Those that look otherwise now than at their end. */
  changed(): Promise<number>;
}

/** @param ask.more asked before each job, with how many were sent. What throws at the customer's deadline is lost. */
export function runJobs(
  customer: Customer,
  ask: { open: number; more: (sent: number) => boolean; say: (line: string) => void },
): JobFlow {
  const states = new Map<string, string>();
  let given = 0;
  let lost = 0;
  let sent = 0;

  async function oneJob(n: number): Promise<void> {
    try {
      const id = await customer.submit(n);
      const restoration = await ended(customer, id);
      const { status, error } = restoration;
      states.set(id, status);
      const isWhole = status === "succeeded" && (await customer.hasResult(restoration));
      if (isWhole) return;
      lost += 1;
      ask.say(`LOST: ${id} ${status} ${error?.code ?? ""}`);
    } catch (error) {
      lost += 1;
      given += 1;
      ask.say(`LOST: photograph ${n}, ${String(error)}`);
    }
  }

  const customers = Array.from({ length: ask.open }, async () => {
    while (ask.more(sent)) await oneJob(sent++);
  });
  return {
    ended: Promise.all(customers).then(() => undefined),
    count: () => states.size + given,
    lost: () => lost,
    async changed() {
      let changed = 0;
      for (const [id, status] of states) if ((await customer.look(id)).status !== status) changed += 1;
      return changed;
    },
  };
}

/** @throws when the run's deadline passes before the job has ended. */
async function ended(customer: Customer, id: string): Promise<Restoration> {
  for (;;) {
    const restoration = await customer.look(id);
    if (["succeeded", "failed", "canceled", "expired"].includes(restoration.status)) return restoration;
    await sleep(LOOK_MS);
  }
}
