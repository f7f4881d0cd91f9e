import { readAwsPlaces } from "#local/aws-places.ts";
import { everyKind, type Dialect } from "../faults/fault-plan.ts";
import { startFaultProxy, type FaultProxy } from "../faults/fault-proxy.ts";

/** The engines of the environment, reached over a way that is not to be relied on. */
export interface FaultyEngines extends AsyncDisposable {
  /** For the stack: it takes the proxies for the engines. */
  readonly environment: Readonly<Record<string, string>>;
  /** Faults done so far, by kind, and requests in all. */
  counts(): Record<string, number>;
  /** No more faults from here on. */
  quieten(): void;
}

const ENDPOINTS: readonly (readonly [Exclude<Dialect, "plain">, string])[] = [
  ["dynamodb", "AWS_ENDPOINT_URL_DYNAMODB"],
  ["sqs", "AWS_ENDPOINT_URL_SQS"],
  ["s3", "AWS_ENDPOINT_URL_S3"],
];
/** The SDK sends to a queue's own address, not to the endpoint. */
const QUEUES = ["PHOTOKEEP_DOORBELLS_URL", "PHOTOKEEP_DEAD_LETTERS_URL", "PHOTOKEEP_UPLOADS_URL"];

/**
 * Puts a proxy before each engine.
 * @param ask.rate the chance of each kind of fault for each request.
 * @throws Fault input `setting_missing` where the environment does not name local engines.
 */
export async function openFaultyEngines(ask: {
  variables: Readonly<Record<string, string | undefined>>;
  rate: number;
  seed: number;
}): Promise<FaultyEngines> {
  const places = readAwsPlaces(ask.variables);
  const environment: Record<string, string> = {};
  const proxies: FaultProxy[] = [];
  await using opening = new AsyncDisposableStack();
  for (const [dialect, name] of ENDPOINTS) {
    const endpoint = places.environment[name];
    if (endpoint === undefined)
      throw new Error(`${name} is not set: faults are made on the way to local engines only`);
    const rates = everyKind(ask.rate, dialect);
    const proxy = opening.use(
      await startFaultProxy({ target: new URL(endpoint), seed: ask.seed, rates, dialect }),
    );
    proxies.push(proxy);
    environment[name] = proxy.url;
    if (dialect === "sqs") {
      for (const queue of QUEUES)
        environment[queue] = new URL(new URL(ask.variables[queue] ?? "").pathname, proxy.url).href;
    }
  }
  const opened = opening.move();
  return {
    environment,
    counts() {
      const sums: Record<string, number> = { requests: 0 };
      for (const proxy of proxies) {
        sums["requests"] = (sums["requests"] ?? 0) + proxy.requests();
        for (const [kind, count] of Object.entries(proxy.counts())) sums[kind] = (sums[kind] ?? 0) + count;
      }
      return sums;
    },
    quieten() {
      for (const proxy of proxies) proxy.setRates({});
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
