import { Fault, invariant } from "./domain/fault.ts";
import { QUEUE_BATCH_MAX, VISIBILITY_MS } from "./domain/limits.ts";
import { fullJitter } from "./jitter.ts";
import type { Log } from "./log.ts";
import type { Clock, Delivery, Entropy, Queue } from "./ports.ts";

const AT_ONCE_MAX = 64;
/** As long as SQS holds one poll open. */
const WAIT_MS = 20_000;
/** SQS counts in seconds: a wait below one would ask without pause, a half visibility below one would be too late. */
const WAIT_MS_MIN = 1_000;
const VISIBILITY_MS_MIN = 2_000;
const HANDLE_MS = 5 * 60_000;
const PAUSE_MS = 500;
const PAUSE_MS_MAX = 30_000;
/** The code of the Fault by which a handler says that no repetition will make a message readable. */
const UNREADABLE = "message_unreadable";

export interface ConsumerDoors {
  readonly queue: Queue;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Log;
}

export interface ConsumerAsk {
  /** For the log: `uploads`. */
  readonly name: string;
  /** Messages handled at the same time, 1 to 64. No more are taken from the queue than can begin. */
  readonly atOnce: number;
  /** At least 2 s, 30 s by default. */
  readonly visibilityMs?: number;
  /** How long one receive waits for a message: at least 1 s, 20 s by default. */
  readonly waitMs?: number;
  /** A handler that runs longer is aborted and its message no longer kept hidden; 5 min by default. */
  readonly handleMs?: number;
  /**
   * Does what the message asks for, which may happen more than once. Once it resolves the message is deleted. When it
   * throws, the message comes again by itself after its visibility, but for Fault `message_unreadable`.
   * @param signal aborted when the consumer stops or the handler has run too long.
   */
  readonly handle: (delivery: Delivery, signal: AbortSignal) => Promise<void>;
  /** Puts an unreadable message aside before it is deleted; when it throws, the message comes again. */
  readonly onUnreadable?: (delivery: Delivery, reason: string) => Promise<void>;
}

/**
 * Handles a queue's messages, each for itself: what one handler throws leaves the others alone. Messages are kept hidden
 * at half their visibility while their handlers run, and deleted in batches once these resolve. Receives that fail are
 * logged and repeated after pauses of up to 30 s with full jitter.
 *
 * Ends when aborted: receives no more, waits for the handlers under way, and returns to the queue at once what they did
 * not finish. Never rejects but for what its asker got wrong.
 */
export async function runConsumer(
  doors: ConsumerDoors,
  ask: ConsumerAsk,
  signal: AbortSignal,
): Promise<void> {
  const { queue, clock, entropy, log } = doors;
  const { name, atOnce, visibilityMs = VISIBILITY_MS, waitMs = WAIT_MS, handleMs = HANDLE_MS } = ask;
  invariant(atOnce >= 1 && atOnce <= AT_ONCE_MAX, "a consumer handles 1 to 64 messages at once");
  invariant(visibilityMs >= VISIBILITY_MS_MIN, "a consumer hides messages for at least 2 seconds");
  invariant(waitMs >= WAIT_MS_MIN, "a consumer waits at least a second for messages");

  const working = new Set<Promise<void>>();
  /** Receipts of the messages to keep hidden. */
  const held = new Set<string>();
  const over = new AbortController();
  const hiding = keepHidden();
  const acknowledge = inBatches((receipts) => queue.delete(receipts));
  let failures = 0;

  while (!signal.aborted) {
    if (working.size >= atOnce) {
      await Promise.race(working);
      continue;
    }
    const deliveries = await receive();
    if (signal.aborted) await giveBack(deliveries);
    else deliveries.forEach(start);
  }
  await Promise.all(working);
  over.abort();
  await hiding;

  async function receive(): Promise<readonly Delivery[]> {
    try {
      const max = Math.min(QUEUE_BATCH_MAX, atOnce - working.size);
      const deliveries = await queue.receive({ max, waitMs, visibilityMs }, signal);
      failures = 0;
      return deliveries;
    } catch (error) {
      if (signal.aborted) return [];
      failures += 1;
      const pauseMs = fullJitter(Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** failures), entropy);
      log[severity(error)](`${name}_receive_failed`, { error, failures, pauseMs });
      await clock.sleep(pauseMs, signal).catch(() => undefined);
      return [];
    }
  }

  function start(delivery: Delivery): void {
    held.add(delivery.receipt);
    const work = handleOne(delivery).finally(() => {
      held.delete(delivery.receipt);
      working.delete(work);
    });
    working.add(work);
  }

  /** From handing the message over to what became of it. Never rejects. */
  async function handleOne(delivery: Delivery): Promise<void> {
    if (await isDone(delivery)) await deleteDone(delivery);
    else if (signal.aborted) await giveBack([delivery]);
  }

  /** Handles a message. Answers whether it may be deleted: done with, or unreadable and put aside. */
  async function isDone(delivery: Delivery): Promise<boolean> {
    try {
      await handleInTime(delivery);
      return true;
    } catch (error) {
      if (error instanceof Fault && error.code === UNREADABLE) return await putAside(delivery, error.message);
      const { id, receives } = delivery;
      if (error !== signal.reason) log[severity(error)](`${name}_failed`, { id, receives, error });
      return false;
    }
  }

  async function handleInTime(delivery: Delivery): Promise<void> {
    const late = new AbortController();
    const ended = new AbortController();
    const timing = abortLate(delivery, late, ended.signal);
    try {
      await ask.handle(delivery, AbortSignal.any([signal, late.signal]));
    } finally {
      ended.abort();
      await timing;
    }
  }

  async function abortLate(delivery: Delivery, late: AbortController, ended: AbortSignal): Promise<void> {
    try {
      await clock.sleep(handleMs, ended);
    } catch {
      return;
    }
    held.delete(delivery.receipt);
    late.abort(new Error(`the handler ran for more than ${handleMs} ms`));
  }

  /** Answers whether the message may be deleted. */
  async function putAside(delivery: Delivery, reason: string): Promise<boolean> {
    const { id, receives, body } = delivery;
    log.warn(`${name}_unreadable`, { id, receives, characters: body.length, reason });
    try {
      await ask.onUnreadable?.(delivery, reason);
      return true;
    } catch (error) {
      log[severity(error)](`${name}_put_aside_failed`, { id, receives, error });
      return false;
    }
  }

  async function deleteDone({ id, receives, receipt }: Delivery): Promise<void> {
    try {
      await acknowledge(receipt);
    } catch (error) {
      // It comes once more, to a handler that has seen it.
      log[severity(error)](`${name}_delete_failed`, { id, receives, error });
    }
  }

  async function keepHidden(): Promise<void> {
    while (!over.signal.aborted) {
      await clock.sleep(visibilityMs / 2, over.signal).catch(() => undefined);
      if (held.size === 0 || over.signal.aborted) continue;
      await queue
        .extend([...held], visibilityMs)
        .catch((error: unknown) => log[severity(error)](`${name}_extend_failed`, { held: held.size, error }));
    }
  }

  async function giveBack(deliveries: readonly Delivery[]): Promise<void> {
    const receipts = deliveries.map(({ receipt }) => receipt);
    for (const receipt of receipts) held.delete(receipt);
    if (receipts.length === 0) return;
    await queue
      .extend(receipts, 0)
      .catch((error: unknown) =>
        log[severity(error)](`${name}_return_failed`, { count: receipts.length, error }),
      );
  }
}

/** What passes by itself is a warning; anything else is somebody's mistake. */
function severity(error: unknown): "warn" | "error" {
  return error instanceof Fault && error.retryable ? "warn" : "error";
}

/** One call at a time: what comes while it is under way goes along with the next one. */
function inBatches(send: (receipts: readonly string[]) => Promise<void>): (receipt: string) => Promise<void> {
  let next: { readonly receipts: string[]; readonly sent: Promise<void> } | undefined;
  let last: Promise<void> = Promise.resolve();

  return (receipt) => {
    if (next === undefined) {
      const receipts: string[] = [];
      const sent = last.then(() => {
        next = undefined;
        return send(receipts);
      });
      next = { receipts, sent };
      last = sent.catch(() => undefined);
    }
    next.receipts.push(receipt);
    return next.sent;
  };
}
