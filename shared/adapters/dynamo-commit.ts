/** How a write is sent, what DynamoDB's refusals mean, and what is done about an answer that never came. */
import { randomInt } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import {
  type CancellationReason,
  ConditionalCheckFailedException,
  IdempotentParameterMismatchException,
  PutItemCommand,
  TransactionCanceledException,
  TransactionConflictException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { Fault, invariant } from "../domain/fault.ts";
import type { Committed } from "../ports.ts";
import { attemptsOf } from "./aws-client.ts";
import type { DynamoDoor } from "./dynamo-client.ts";
import { ATTRIBUTE, standingOf } from "./dynamo-item.ts";
import { permits, type Planned, tokenReused } from "./store-rules.ts";

/** Sendings at most while nothing but other writes on the same items, or throttling, stands in the way. */
const TRIES_MAX = 5;
/** The longest pause after the first; doubled after each. */
const PAUSE_MS = 25;

type Refusal = (Committed & { readonly ok: false })["refusals"][number];
type Verdict = Committed | { readonly again: Committed | Fault };
/** What came of one sending, and how often the SDK had to ask: after a lost answer more than once. */
type Sent = Committed | { readonly again: Committed | Fault; readonly attempts: number };

/**
 * A put that may be sent twice (`fencesItself`), as a request of its own: half a transaction's price. Where the SDK sent
 * it again after a lost reply, the item that refuses the repeat bears this put's own id, and that is success.
 */
export function commitPut(door: DynamoDoor, request: TransactWriteItem, writeId: string): Promise<Committed> {
  const settings = {
    ReturnConsumedCapacity: "TOTAL",
    ReturnValuesOnConditionCheckFailure: "ALL_OLD",
  } as const;
  const { Put: put, Update: update } = request;
  return untilSettled(door, async (abortSignal) => {
    try {
      if (put !== undefined) {
        await door.client.send(new PutItemCommand({ ...put, ...settings }), { abortSignal });
      } else {
        invariant(update !== undefined, "a put is one of DynamoDB's puts or updates");
        await door.client.send(new UpdateItemCommand({ ...update, ...settings }), { abortSignal });
      }
      return { ok: true };
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) {
        return error.Item?.[ATTRIBUTE.write]?.S === writeId
          ? { ok: true }
          : { ok: false, refusals: ["condition"] };
      }
      if (error instanceof TransactionConflictException) {
        return { again: { ok: false, refusals: ["conflict"] }, attempts: attemptsOf(error) };
      }
      throw error;
    }
  });
}

/**
 * Anything else goes as a transaction: DynamoDB remembers its token for ten minutes, so a repeat changes nothing.
 * @param token DynamoDB's, at most 36 characters.
 * @throws Fault conflict `token_reused`; busy `store_busy`.
 */
export function commitTransaction(
  door: DynamoDoor,
  {
    planned,
    requests,
    token,
  }: {
    readonly planned: readonly Planned[];
    readonly requests: readonly TransactWriteItem[];
    readonly token: string;
  },
): Promise<Committed> {
  const command = new TransactWriteItemsCommand({
    TransactItems: [...requests],
    ClientRequestToken: token,
    ReturnConsumedCapacity: "TOTAL",
  });
  return untilSettled(door, async (abortSignal) => {
    try {
      await door.client.send(command, { abortSignal });
      return { ok: true };
    } catch (error) {
      if (error instanceof IdempotentParameterMismatchException) throw tokenReused();
      if (!(error instanceof TransactionCanceledException)) throw error;
      const reasons = error.CancellationReasons ?? [];
      checkSums(planned, reasons);
      const verdict = verdictOn(reasons);
      if (verdict === undefined) throw error;
      return "ok" in verdict ? verdict : { ...verdict, attempts: attemptsOf(error) };
    }
  });
}

/**
 * What the reasons of a canceled transaction, one per write, come to. A condition that does not hold decides at once;
 * conflicts with other transactions and throttling pass, so they are worth another try.
 * @returns undefined for what only a bug brings about, such as a request that DynamoDB finds invalid.
 */
export function verdictOn(reasons: readonly CancellationReason[]): Verdict | undefined {
  const codes = reasons.map(({ Code }) => Code ?? "None");
  if (codes.some((code) => meaningOf(code) === "bug") || codes.every((code) => code === "None"))
    return undefined;
  const refused: Committed = { ok: false, refusals: codes.map(refusalOf) };
  if (codes.includes("ConditionalCheckFailed")) return refused;
  return { again: codes.some((code) => meaningOf(code) === "throttled") ? busy() : refused };
}

function meaningOf(code: string): "passed" | "refused" | "throttled" | "bug" {
  switch (code) {
    case "None":
      return "passed";
    case "ConditionalCheckFailed":
    case "TransactionConflict":
      return "refused";
    case "ProvisionedThroughputExceeded":
    case "RequestLimitExceeded":
    case "ThrottlingError":
      return "throttled";
    default:
      return "bug";
  }
}

function refusalOf(code: string): Refusal {
  if (code === "ConditionalCheckFailed") return "condition";
  return code === "TransactionConflict" ? "conflict" : undefined;
}

function busy(): Fault {
  return new Fault("busy", "store_busy", "DynamoDB takes no more writes at the moment; try again shortly.");
}

/** An addition refused because its sum would be unsafe is the caller's bug, as on every other engine. */
function checkSums(planned: readonly Planned[], reasons: readonly CancellationReason[]): void {
  for (const [i, { write }] of planned.entries()) {
    const stored = reasons[i]?.Item;
    if (write.op === "add" && stored !== undefined) permits(write, standingOf(stored));
  }
}

/**
 * Repeats with full jitter what may pass the next time, within one deadline. Conflicts at the end of it are told as such
 * only if no answer was lost on the way: that sending may have been the one that succeeded.
 */
function untilSettled(door: DynamoDoor, send: (signal: AbortSignal) => Promise<Sent>): Promise<Committed> {
  return door.call(async (signal) => {
    let isDoubtful = false;
    for (let tries = 1; ; tries++) {
      const sent = await send(signal);
      if ("ok" in sent) return sent;
      isDoubtful ||= sent.attempts > 1;
      if (tries === TRIES_MAX) {
        if (sent.again instanceof Fault) throw sent.again;
        if (isDoubtful) throw busy();
        return sent.again;
      }
      await setTimeout(randomInt(PAUSE_MS * 2 ** (tries - 1)), undefined, { signal });
    }
  });
}
