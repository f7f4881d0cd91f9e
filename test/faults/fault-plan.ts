import { invariant } from "#shared/domain/fault.ts";
import { seededRandom } from "../chaos/seeded-random.ts";

/** Whose words a proxy speaks when it refuses, and which faults make sense there. */
export type Dialect = "dynamodb" | "sqs" | "s3" | "plain";

/** Happens to requests of any engine. */
type WireFault =
  /** The connection is destroyed; nothing reached the target. */
  | "drop-before"
  /** The target did it and answered in full; the connection is destroyed before the client hears of it. */
  | "drop-after"
  /** The answer ends somewhere in the middle, and the connection with it. */
  | "cut"
  /** The request waits before it is passed on. */
  | "delay"
  /** The engine's own 500; nothing reached the target. */
  | "server-error"
  /** The engine's own "too much at once"; nothing reached the target. */
  | "throttle"
  /** The request is taken and never answered; after a while the connection closes. Nothing reached the target. */
  | "half-open"
  /** The answer trickles. */
  | "slow"
  /** The target gets a request that changes something twice, one after the other; the first answer is returned. */
  | "duplicate";

/** One bit of a body. Only where a body is an object's bytes: everything else travels under TLS, unchecked by anyone. */
type BitFault = "flip-request" | "flip-response";

/** What AWS does and no emulator. */
type AwsFault =
  /** Another transaction is on one of the items; nothing is applied. */
  | "transaction-conflict"
  /** A transaction canceled for throughput: refused like a condition, not like a throttled call. Nothing is applied. */
  | "transaction-throttle"
  /** A secondary index answers as it was a moment ago, or does not know all of its items yet. */
  | "stale-index"
  /** A delivery goes out a second time, to whoever asks next, under the same receipt. */
  | "double-delivery"
  /** A message comes again after it was deleted. */
  | "late-redelivery";

export type FaultName = WireFault | BitFault | AwsFault;

/** The chance of each fault for a request it fits, 0 to 1; all together at most 1, for a request has one fault at most. */
export type FaultRates = Readonly<Partial<Record<FaultName, number>>>;

/** How long the faults of time take, milliseconds. */
export interface FaultTimes {
  readonly delayMsMin: number;
  readonly delayMsMax: number;
  readonly slowMsMax: number;
  readonly halfOpenMs: number;
}

export const FAULT_TIMES: FaultTimes = {
  delayMsMin: 50,
  delayMsMax: 500,
  slowMsMax: 2_000,
  halfOpenMs: 10_000,
};

const WIRE: readonly FaultName[] = [
  "drop-before",
  "drop-after",
  "cut",
  "delay",
  "server-error",
  "throttle",
  "half-open",
  "slow",
  "duplicate",
];
const BITS: readonly FaultName[] = ["flip-request", "flip-response"];
const KINDS: Readonly<Record<Dialect, readonly FaultName[]>> = {
  dynamodb: [...WIRE, "transaction-conflict", "transaction-throttle", "stale-index"],
  sqs: [...WIRE, "double-delivery", "late-redelivery"],
  s3: [...WIRE, ...BITS],
  plain: [...WIRE, ...BITS],
};

/** Every fault that a dialect knows (at most twelve), each with the same chance: `everyKind(0.05, "s3")`. */
export function everyKind(rate: number, dialect: Dialect): FaultRates {
  return Object.fromEntries(KINDS[dialect].map((kind) => [kind, rate]));
}

/** A request before its body. */
export interface RequestHead {
  readonly method: string;
  /** With its query, as it was sent. */
  readonly path: string;
  /** As the API names it, where the request tells: `TransactWriteItems`, `ReceiveMessage`, `PutObject`. */
  readonly operation: string | undefined;
}

/** A fault for a request to come. */
export interface Scripted {
  readonly kind: FaultName;
  /** The first requests that it holds for; any by default. */
  readonly when?: (request: RequestHead) => boolean;
  /** How many of them; one by default. */
  readonly times?: number;
}

/** What a request is up against. */
export interface Fate {
  /** Its number, from 1. */
  readonly n: number;
  readonly kind: FaultName | undefined;
  /** For all that the fault leaves to chance; the request's own, so that no other fault changes with it. */
  readonly random: () => number;
}

export interface FaultPlan {
  fateOf(request: RequestHead): Fate;
  next(scripted: Scripted): void;
  setRates(rates: FaultRates): void;
}

const SCRIPTED_MAX = 1_000;

/** The fate of the n-th request follows from the seed, the rates and n alone; what is scripted goes first. */
export function createFaultPlan(dialect: Dialect, seed: number, rates: FaultRates): FaultPlan {
  let chances = chancesOf(dialect, rates);
  let n = 0;
  const scripts: { readonly scripted: Scripted; left: number }[] = [];

  function script(request: RequestHead): FaultName | undefined {
    const index = scripts.findIndex(({ scripted }) => scripted.when?.(request) ?? true);
    const found = scripts[index];
    if (found === undefined) return undefined;
    found.left -= 1;
    if (found.left === 0) scripts.splice(index, 1);
    return found.scripted.kind;
  }

  return {
    fateOf(request) {
      n += 1;
      const random = seededRandom(seed ^ Math.imul(n, 0x9e3779b1));
      const draw = random();
      const kind = script(request) ?? chances.find(({ below }) => draw < below)?.kind;
      return { n, kind, random };
    },
    next(scripted) {
      invariant(scripts.length < SCRIPTED_MAX, "at most 1,000 faults are scripted");
      invariant(KINDS[dialect].includes(scripted.kind), `${dialect} has no fault ${scripted.kind}`);
      scripts.push({ scripted, left: scripted.times ?? 1 });
    },
    setRates(rates) {
      chances = chancesOf(dialect, rates);
    },
  };
}

/** The rates as one line from 0 to 1. */
function chancesOf(dialect: Dialect, rates: FaultRates) {
  let below = 0;
  const chances = Object.entries(rates).map(([name, rate]) => {
    const kind = KINDS[dialect].find((kind) => kind === name);
    invariant(kind !== undefined, `${dialect} has no fault ${name}`);
    invariant(rate >= 0, "a rate is not negative");
    below += rate;
    return { kind, below };
  });
  invariant(below <= 1 + Number.EPSILON * chances.length, "all rates together are at most 1");
  return chances;
}
