/** Tries of an intake that came to nothing through its process or an engine, not through the image. */
import type { Network } from "./network.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { Sometimes } from "./sometimes.ts";
import type { Change } from "./store-engine.ts";

export interface IntakeExcuses {
  /** A job was stored. */
  note(change: Change): void;
  /** How many of its tries are excused. */
  of(jobId: string): number;
}

export function createIntakeExcuses({
  network,
  sometimes,
}: {
  readonly network: Network;
  readonly sometimes: Sometimes;
}): IntakeExcuses {
  const excuses = new Map<string, number>();
  const intakeBy = new Map<string, SimulatedProcess>();
  return {
    of: (jobId) => excuses.get(jobId) ?? 0,
    note({ key, before, after }) {
      const id = key.pk.slice("JOB#".length);
      const was = (before?.body as { intake?: { status: string } } | undefined)?.intake?.status;
      const is = (after?.body as { intake?: { status: string } } | undefined)?.intake?.status;
      if (was !== "running" && is === "running" && network.acting !== undefined)
        intakeBy.set(id, network.acting);
      if (was !== "running" || is === "running") return;
      const by = intakeBy.get(id);
      if (is === "ready" && network.acting !== by) sometimes.count("intake lost with its process");
      if (by !== undefined && by.faultAt > Number.NEGATIVE_INFINITY)
        excuses.set(id, (excuses.get(id) ?? 0) + 1);
    },
  };
}
