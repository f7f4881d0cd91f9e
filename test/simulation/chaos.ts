/** What happens to machines and engines by themselves, at the rates of the seed. */
import type { AgentPlace } from "./agent-place.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { World } from "./world.ts";

const HOUR_MS = 3_600_000;
const LEASE_MS = 23_000;

export interface Victims {
  readonly places: readonly AgentPlace[];
  controls(): readonly SimulatedProcess[];
  sweepers(): readonly SimulatedProcess[];
}

export interface Chaos {
  /** Jobs that were open when a long outage began. */
  readonly backlog: number;
}

/** Starts everything that comes by chance; it stops by itself once the rates are 0. */
export function startChaos(world: World, victims: Victims): Chaos {
  const { loop, network, trace } = world;
  const rates = world.rates();
  const draws = world.draws("chaos");
  let backlog = 0;

  function byChance(perHour: number, act: () => void): void {
    if (perHour <= 0) return;
    const next = (): void => {
      loop.after(draws.exponential(HOUR_MS / perHour), () => {
        if (!isOn()) return;
        act();
        next();
      });
    };
    next();
  }
  const isOn = (): boolean => world.rates() === rates;

  function onAgent(act: (place: AgentPlace, process: SimulatedProcess) => void): () => void {
    return () => {
      const place = draws.pick(victims.places);
      if (place.standing !== undefined) act(place, place.standing.process);
    };
  }

  byChance(
    rates.agentKills,
    onAgent((place) => place.kill()),
  );
  byChance(
    rates.spotNotices,
    onAgent((place) => place.notice()),
  );
  byChance(
    rates.agentPauses,
    onAgent((_place, process) => {
      if (process.isPaused) return;
      const ms = draws.decades(1_000, 110_000);
      trace.note(`${process.name} stands still for ${Math.round(ms / 1000)} s`);
      if (ms > LEASE_MS) world.sometimes.count("agent paused past its lease");
      process.pause();
      loop.after(ms, () => process.goOn());
    }),
  );
  byChance(
    rates.agentCuts,
    onAgent((_place, process) => {
      const ms = draws.decades(1_000, 90_000);
      trace.note(`${process.name} is cut off for ${Math.round(ms / 1000)} s`);
      process.cutOffUntil = loop.now() + ms;
      process.faultAt = loop.now();
    }),
  );
  byChance(rates.controlKills, () => {
    const controls = victims.controls();
    if (controls.length > 0) world.kill(draws.pick(controls));
  });
  byChance(rates.sweeperKills, () => {
    const sweepers = victims.sweepers();
    if (sweepers.length > 0) world.kill(draws.pick(sweepers));
  });
  byChance(rates.throttles, () => {
    const target = draws.pick(["store", "queue", "blobs"] as const);
    const share = draws.between(0.1, 0.6);
    trace.note(`${target} is throttled by ${Math.round(100 * share)} %`);
    network.throttle(target, share, draws.between(5_000, 40_000));
  });
  byChance(rates.slowings, () => {
    const target = draws.pick(["store", "store", "queue", "blobs"] as const);
    const share = draws.between(0.1, 0.5);
    trace.note(`${target} is slow for ${Math.round(100 * share)} %`);
    network.slow(target, share, draws.between(5_000, 40_000));
  });
  for (const [target, perHour] of [
    ["store", rates.storeOutages],
    ["queue", rates.queueOutages],
    ["blobs", rates.blobOutages],
  ] as const) {
    byChance(perHour, () => {
      const ms = draws.decades(2_000, target === "queue" ? 600_000 : 90_000);
      trace.note(`${target} is down for ${Math.round(ms / 1000)} s`);
      network.outage(target, ms);
    });
  }
  for (const [target, ms] of [
    ["store", rates.longStoreOutageMs],
    ["queue", rates.longQueueOutageMs],
    ["blobs", rates.longBlobOutageMs],
  ] as const) {
    if (ms <= 0) continue;
    loop.after(world.shape.longOutageAtMs, () => {
      trace.note(`${target} is down for ${Math.round(ms / 1000)} s`);
      network.outage(target, ms);
      backlog = world.checker.open.size;
    });
  }
  return {
    get backlog() {
      return backlog;
    },
  };
}
