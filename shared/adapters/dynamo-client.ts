import { type ConsumedCapacity, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
  operationOf,
  reportCall,
  type AwsCall,
  type AwsOptions,
  callAws,
  type CallLimits,
  clientSettings,
} from "./aws-client.ts";
import type { StoreClock } from "../store-clock.ts";

/** Claim and complete are given up after four seconds (docs/architecture.md), so nothing here takes longer. */
const LIMITS: CallLimits = { attemptMs: 1_500, deadlineMs: 4_000, attempts: 4 };

/** One table's client: built once, closed with its adapter. */
export interface DynamoDoor extends Disposable {
  readonly table: string;
  /** What the caller knows the engine as, and what is meant, for the sentences of faults. */
  readonly thing: "store";
  readonly target: string;
  readonly client: DynamoDBClient;
  /** The server's address where it is not AWS's own. */
  readonly endpoint: string | undefined;
  /**
   * Everything `send` asks, under one deadline; it hands the signal to each request.
   * @throws what `callAws` throws.
   */
  call<T>(send: (signal: AbortSignal) => Promise<T>): Promise<T>;
}

export interface DynamoOptions extends AwsOptions {
  /** Follows the time that the table's replies tell (shared/store-clock.ts). */
  readonly clock?: StoreClock;
}

export async function openDynamoDoor(options: DynamoOptions, table: string): Promise<DynamoDoor> {
  const client = new DynamoDBClient(clientSettings(options, LIMITS));
  if (options.clock !== undefined) observeDates(client, options.clock);
  if (options.onCall !== undefined) reportCalls(client, options.onCall);
  const named = { thing: "store", target: `the table ${table}` } as const;
  return {
    table,
    ...named,
    client,
    endpoint: await endpointOf(client),
    call: (send) => callAws({ ...named, limits: LIMITS }, send),
    [Symbol.dispose]: () => client.destroy(),
  };
}

async function endpointOf(client: DynamoDBClient): Promise<string | undefined> {
  const endpoint = await client.config.endpoint?.();
  if (endpoint === undefined) return undefined;
  const { protocol, hostname, port } = endpoint;
  return `${protocol}//${hostname}${port === undefined ? "" : `:${port}`}`;
}

/** Of each single reply: repeats and their pauses would say too little about now. */
function observeDates(client: DynamoDBClient, clock: StoreClock): void {
  client.middlewareStack.add(
    (next) => async (request) => {
      const askedAt = clock.now();
      const result = await next(request);
      const { headers = {} } = result.response as { readonly headers?: Readonly<Record<string, string>> };
      clock.observe(Date.parse(headers["date"] ?? ""), askedAt);
      return result;
    },
    { step: "deserialize", name: "observeDates", priority: "low" },
  );
}

function reportCalls(client: DynamoDBClient, onCall: (call: AwsCall) => void): void {
  client.middlewareStack.add(
    (next, { commandName }) =>
      (request) => {
        const operation = operationOf(commandName);
        const outputOf = ({ output }: { output: unknown }): unknown => output;
        const unitsIn = (output: unknown) => unitsOf(operation, output);
        const call = { service: "dynamodb", operation, onCall, outputOf, unitsOf: unitsIn } as const;
        return reportCall(call, () => next(request));
      },
    { step: "initialize", name: "reportCalls" },
  );
}

/** Capacity units as the answer tells them. Only transactions tell reads and writes apart; other calls do one alone. */
function unitsOf(operation: string, result: unknown): Pick<AwsCall, "readUnits" | "writeUnits"> {
  const consumed = (result as { ConsumedCapacity?: ConsumedCapacity | ConsumedCapacity[] }).ConsumedCapacity;
  if (consumed === undefined) return {};
  const tables = Array.isArray(consumed) ? consumed : [consumed];
  const sum = (of: (each: ConsumedCapacity) => number | undefined): number =>
    tables.reduce((total, each) => total + (of(each) ?? 0), 0);
  if (operation === "TransactWriteItems") {
    return {
      readUnits: sum((each) => each.ReadCapacityUnits),
      writeUnits: sum((each) => each.WriteCapacityUnits),
    };
  }
  const units = sum((each) => each.CapacityUnits);
  const isRead = operation === "GetItem" || operation === "Query" || operation === "Scan";
  return isRead ? { readUnits: units } : { writeUnits: units };
}
