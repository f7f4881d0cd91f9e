/**
 * What may go wrong in a run, as numbers: each seed draws its own (swarm testing: Groce et al., "Swarm Testing", ISSTA
 * 2012). A rate of 0 switches a fault off, so a failing seed is shrunk by setting rates to 0 one by one.
 */
import type { Draws } from "./draws.ts";

export const PROFILES = ["calm", "swarm", "storm"] as const;
export type Profile = (typeof PROFILES)[number];

/** Each fault with its range when it is on; drawn evenly over the decades. Shares are of calls, jobs or runs of a stage. */
const FAULTS = {
  /** Of calls: refused or lost on the way, done but the answer lost, late by up to 20 s, sent twice. */
  callsLostBefore: [0.000_5, 0.03],
  callsLostAfter: [0.000_5, 0.03],
  callsDelayed: [0.000_2, 0.005],
  callsDoubled: [0.001, 0.05],
  /** Of calls: the caller dies before or after. */
  callsCrashBefore: [0.000_01, 0.000_2],
  callsCrashAfter: [0.000_01, 0.000_2],
  /** Of runs of a stage. */
  workerCrashes: [0.002, 0.05],
  workerHangs: [0.001, 0.01],
  workerOutOfMemory: [0.002, 0.05],
  workerTransient: [0.005, 0.1],
  workerBadModel: [0.002, 0.02],
  deviceFaults: [0.002, 0.02],
  /** Other bytes, or another object, are named than were written. */
  workerMisreports: [0.005, 0.05],
  /** Of jobs. */
  poison: [0.01, 0.1],
  agentKillers: [0.001, 0.01],
  tooLarge: [0.005, 0.05],
  badImages: [0.01, 0.1],
  unreadable: [0.000_5, 0.003],
  slowToRead: [0.001, 0.01],
  decoderKillers: [0.001, 0.01],
  decoderBusy: [0.01, 0.2],
  cancels: [0.01, 0.3],
  erasures: [0.01, 0.1],
  uploadsMissing: [0.005, 0.03],
  uploadEventsLost: [0.01, 0.3],
  uploadEventsLate: [0.01, 0.3],
  createsRepeated: [0.01, 0.5],
  /** Its customer wants it begun, or ended, within a time that may be too short. */
  startDeadlines: [0.01, 0.2],
  finishDeadlines: [0.01, 0.2],
  flood: [0.2, 0.8],
  /** An hour, over the whole fleet. */
  agentKills: [40, 480],
  agentPauses: [4, 60],
  agentCuts: [4, 120],
  spotNotices: [10, 240],
  controlKills: [4, 60],
  sweeperKills: [10, 240],
  throttles: [10, 60],
  slowings: [20, 120],
  storeOutages: [5, 40],
  queueOutages: [5, 40],
  blobOutages: [5, 40],
  /** Milliseconds. */
  agentSkewMs: [100, 3_600_000],
  controlSkewMs: [50, 2_000],
  indexLagMs: [50, 5_000],
  /** Of messages. */
  messagesLost: [0.005, 0.3],
  messagesDoubled: [0.005, 0.2],
  staleReceiptsHeeded: [0.1, 1],
  /** Receives after which a message is given up. */
  deadLetterAfter: [1, 8],
  /** Of first nodes: every stage fails on it at once, until somebody takes it out. */
  brokenNodes: [0.1, 1],
  /** 1: on. */
  foreignAgents: [1, 1],
  unequalAgents: [1, 1],
} as const satisfies Record<string, readonly [number, number]>;

const HOUR_MS = 3_600_000;

/** Of half an hour and more, once. */
export const LONG_OUTAGES = ["longStoreOutageMs", "longQueueOutageMs", "longBlobOutageMs"] as const;
type LongOutage = (typeof LONG_OUTAGES)[number];

export type FaultName =
  | keyof typeof FAULTS
  | "sweeperOff"
  | "redeliveryOff"
  | LongOutage
  /** Of one instance of the control plane; either way. */
  | "oneControlSkewMs";
export const FAULT_NAMES: readonly FaultName[] = [
  ...(Object.keys(FAULTS) as (keyof typeof FAULTS)[]),
  "sweeperOff",
  "redeliveryOff",
  ...LONG_OUTAGES,
  "oneControlSkewMs",
];
export type Rates = Readonly<Record<FaultName, number>>;

export interface Shape {
  readonly agents: number;
  readonly slotsMax: number;
  readonly orgs: number;
  readonly jobs: number;
  /** Between two jobs, on average. */
  readonly arrivalMs: number;
  /** The range of a stage's length. */
  readonly stageMs: readonly [number, number];
  /** The range of a reading of an upload. */
  readonly readMs: readonly [number, number];
  /** A long outage of an engine begins then, if there is one. */
  readonly longOutageAtMs: number;
  /** Faults happen for so long; at least until the last job was sent. */
  readonly faultsMs: number;
  /** How long it goes on after the last job has ended: not at all, until all money is settled, until all bytes are gone. */
  readonly settles: "never" | "money" | "retention";
  /** Accounts are drawn; otherwise the ledger bills all. */
  readonly drawsMoney: boolean;
}

export const NO_FAULTS: Rates = Object.fromEntries(FAULT_NAMES.map((name) => [name, 0])) as Rates;

/** @param without switched off. What is drawn for the others stays the same. */
export function drawRates(draws: Draws, profile: Profile, without: readonly FaultName[] = []): Rates {
  const rates: Record<string, number> = { ...NO_FAULTS };
  if (profile === "calm") return NO_FAULTS;
  for (const [name, [low, high]] of Object.entries(FAULTS)) {
    const isOn = profile === "storm" ? draws.chance(0.9) : draws.chance(0.4);
    const value = draws.decades(low, high);
    if (isOn) rates[name] = profile === "storm" ? Math.sqrt(value * high) : value;
  }
  // Either detector may be down, never both.
  const detector = draws.unit();
  if (detector < 0.1) {
    rates["sweeperOff"] = 1;
    // The queue gives up at once: of all detectors only the consumer of dead letters is left, and it has much to do.
    if (detector < 0.06) {
      rates["deadLetterAfter"] = 1;
      rates["agentKills"] = 240;
      rates["messagesLost"] = 0;
    }
  } else if (detector < 0.2) rates["redeliveryOff"] = 1;
  const isLong = draws.chance(0.005);
  const engine = draws.pick(LONG_OUTAGES);
  const longMs = draws.decades(30 * 60_000, 6 * HOUR_MS);
  if (isLong) rates[engine] = longMs;
  const skewed = draws.unit();
  const skewMs = draws.decades(5_000, 60_000);
  if (skewed < 0.1) rates["oneControlSkewMs"] = skewed < 0.05 ? skewMs : -skewMs;
  for (const name of without) rates[name] = 0;
  return rates as Rates;
}

/** What has nothing to do with how often something goes wrong: a photograph's own nature, clocks, and switches. */
const NO_RATES: ReadonlySet<FaultName> = new Set<FaultName>([
  "poison",
  "agentKillers",
  "tooLarge",
  "badImages",
  "unreadable",
  "slowToRead",
  "decoderKillers",
  "cancels",
  "erasures",
  "uploadsMissing",
  "createsRepeated",
  "startDeadlines",
  "finishDeadlines",
  "flood",
  "agentSkewMs",
  "controlSkewMs",
  "indexLagMs",
  "deadLetterAfter",
  "brokenNodes",
  "foreignAgents",
  "unequalAgents",
  "sweeperOff",
  "redeliveryOff",
  ...LONG_OUTAGES,
  "oneControlSkewMs",
]);

/** The same with everything that goes wrong by chance so many times as often. */
export function times(rates: Rates, harshness: number): Rates {
  const entries = Object.entries(rates) as [FaultName, number][];
  return Object.fromEntries(
    entries.map(([name, rate]) => [name, NO_RATES.has(name) ? rate : rate * harshness]),
  ) as Rates;
}

/** An agent's life, in longest stages, at the least. */
const LIFE_IN_STAGES = 3;

/**
 * The same with agents that mostly live to see the end of what they run: what no machine outlives, no protocol can
 * bring to its end.
 */
export function bearable(rates: Rates, { agents, stageMs }: Pick<Shape, "agents" | "stageMs">): Rates {
  const endsMax = (agents * HOUR_MS) / (LIFE_IN_STAGES * stageMs[1]);
  const { agentKills, agentPauses, agentCuts } = rates;
  const share = Math.min(1, endsMax / (agentKills + agentPauses + agentCuts || 1));
  return {
    ...rates,
    agentKills: agentKills * share,
    agentPauses: agentPauses * share,
    agentCuts: agentCuts * share,
  };
}

export function drawShape(draws: Draws, jobs: number): Shape {
  const agents = Math.floor(draws.between(3, 9));
  const slotsMax = Math.floor(draws.between(1, 4));
  // Most are over before the first look at their lease; some are looked at again and again.
  const shortMs = draws.chance(0.15) ? draws.decades(8_000, 40_000) : draws.decades(300, 5_000);
  const stageMs = [shortMs, shortMs * draws.between(1.5, 6)] as const;
  // Between an idle fleet and one that is asked for more than it can do.
  const workMs = ((stageMs[0] + stageMs[1]) / 2) * 3.5;
  const load = draws.between(0.4, 1.3);
  return {
    agents,
    slotsMax,
    orgs: Math.floor(draws.between(1, 6)),
    jobs,
    arrivalMs: workMs / (agents * ((1 + slotsMax) / 2)) / load,
    stageMs,
    readMs: [200, 2_000],
    longOutageAtMs: draws.between(5_000, 60_000),
    faultsMs: draws.between(40_000, 160_000),
    settles: draws.chance(0.2) ? "retention" : "money",
    drawsMoney: true,
  };
}
