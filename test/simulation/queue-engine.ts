/**
 * The queue of a simulation: at least once, unordered, groups served in turn. It loses, doubles and forgets as the seed
 * says, and gives up what was heard too often.
 */
import {
  checkAsk,
  checkMessages,
  checkVisibility,
  NO_GROUP,
  readReceipt,
  receiptOf,
  type Ask,
} from "#shared/adapters/queue-rules.ts";
import type { Delivery, Message } from "#shared/ports.ts";
import type { Loop, Timer } from "./virtual-time.ts";

interface Letter {
  readonly id: string;
  readonly body: string;
  readonly group: string;
  receives: number;
  timer?: Timer;
}

interface Receiver {
  readonly ask: Ask;
  readonly deliver: (deliveries: readonly Delivery[]) => void;
  readonly timer: Timer;
}

/** What may go wrong; asked at each occasion. */
export interface QueueMischief {
  /** A message that was sent is never seen. */
  loses(): boolean;
  /** A message stays visible though it was handed out. */
  doubles(): boolean;
  /** A delete under a stale receipt works all the same. */
  heedsStale(): boolean;
  /** Messages that were handed out come again. */
  redelivers(): boolean;
}

export const NO_MISCHIEF: QueueMischief = {
  loses: () => false,
  doubles: () => false,
  heedsStale: () => false,
  redelivers: () => true,
};

export interface QueueEngine {
  send(messages: readonly Message[]): void;
  /** Calls `deliver` once: with messages, or with none when the wait is over. Answers how to leave. */
  receive(ask: Ask, deliver: (deliveries: readonly Delivery[]) => void): () => void;
  extend(receipts: readonly string[], visibilityMs: number): void;
  delete(receipts: readonly string[]): void;
  adopt(letter: { readonly id: string; readonly body: string; readonly group: string }): void;
  readonly counts: { sent: number; delivered: number; dead: number };
}

export function createQueueEngine(parts: {
  readonly loop: Loop;
  readonly mischief: QueueMischief;
  /** Told of each message that is taken and kept. */
  readonly onSent?: (body: string) => void;
  readonly deadLetters?: { readonly queue: QueueEngine; readonly maxReceives: number };
}): QueueEngine {
  const { loop, mischief, deadLetters, onSent } = parts;
  const letters = new Map<string, Letter>();
  /** Visible letters by group, oldest first; the group served longest ago comes first. */
  const visible = new Map<string, Set<string>>();
  const receivers = new Set<Receiver>();
  const counts = { sent: 0, delivered: 0, dead: 0 };
  let serving = false;

  function hide(letter: Letter, ms: number): void {
    letter.timer?.cancel();
    const group = visible.get(letter.group);
    group?.delete(letter.id);
    if (group?.size === 0) visible.delete(letter.group);
    if (ms <= 0) show(letter);
    else letter.timer = loop.after(ms, () => show(letter));
  }

  function show(letter: Letter): void {
    const group = visible.get(letter.group) ?? new Set();
    visible.set(letter.group, group.add(letter.id));
    serveSoon();
  }

  function drop(letter: Letter): void {
    letter.timer?.cancel();
    letters.delete(letter.id);
    const group = visible.get(letter.group);
    group?.delete(letter.id);
    if (group?.size === 0) visible.delete(letter.group);
  }

  function next(): Letter | undefined {
    for (const [name, group] of visible) {
      for (const id of group) {
        visible.delete(name);
        visible.set(name, group);
        return letters.get(id);
      }
    }
    return undefined;
  }

  function take({ max, visibilityMs }: Ask): Delivery[] {
    const taken: Delivery[] = [];
    for (let letter = next(); letter !== undefined; letter = next()) {
      if (deadLetters !== undefined && letter.receives >= deadLetters.maxReceives) {
        drop(letter);
        counts.dead += 1;
        deadLetters.queue.adopt(letter);
        continue;
      }
      letter.receives += 1;
      counts.delivered += 1;
      const { id, body, group, receives } = letter;
      taken.push({
        id,
        body,
        receives,
        receipt: receiptOf(id, receives),
        ...(group !== NO_GROUP && { group }),
      });
      if (!mischief.redelivers()) drop(letter);
      else hide(letter, mischief.doubles() ? 1 : visibilityMs);
      if (taken.length >= max) break;
    }
    return taken;
  }

  function serveSoon(): void {
    if (serving || receivers.size === 0) return;
    serving = true;
    loop.after(0, () => {
      serving = false;
      for (const receiver of receivers) {
        if (visible.size === 0) return;
        const taken = take(receiver.ask);
        if (taken.length === 0) return;
        receivers.delete(receiver);
        receiver.timer.cancel();
        receiver.deliver(taken);
      }
    });
  }

  function held(receipt: string): Letter | undefined {
    const read = readReceipt(receipt);
    const letter = letters.get(read?.id ?? "");
    if (letter === undefined || read === undefined) return undefined;
    return letter.receives === read.receives || mischief.heedsStale() ? letter : undefined;
  }

  return {
    counts,
    send(messages) {
      checkMessages(messages);
      for (const { body, group = NO_GROUP, delayMs = 0 } of messages) {
        counts.sent += 1;
        if (mischief.loses()) continue;
        onSent?.(body);
        const letter: Letter = { id: counts.sent.toString(16).padStart(8, "0"), body, group, receives: 0 };
        letters.set(letter.id, letter);
        hide(letter, delayMs);
      }
    },
    receive(ask, deliver) {
      checkAsk(ask);
      const taken = take(ask);
      if (taken.length > 0) {
        deliver(taken);
        return () => undefined;
      }
      const receiver: Receiver = {
        ask,
        deliver,
        timer: loop.after(ask.waitMs, () => {
          receivers.delete(receiver);
          deliver([]);
        }),
      };
      receivers.add(receiver);
      return () => {
        receiver.timer.cancel();
        receivers.delete(receiver);
      };
    },
    extend(receipts, visibilityMs) {
      checkVisibility(visibilityMs);
      for (const receipt of receipts) {
        const letter = held(receipt);
        if (letter !== undefined) hide(letter, visibilityMs);
      }
    },
    delete(receipts) {
      for (const receipt of receipts) {
        const letter = held(receipt);
        if (letter !== undefined) drop(letter);
      }
    },
    adopt({ id, body, group }) {
      const letter: Letter = { id: `d${id}`.replace(/^d+/, "d"), body, group, receives: 0 };
      letters.set(letter.id, letter);
      show(letter);
    },
  };
}
