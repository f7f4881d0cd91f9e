import type { Clock, Delivery, Entropy, Queue } from "../ports.ts";
import { createBell } from "./bell.ts";
import {
  type Ask,
  checkAsk,
  checkMessages,
  checkVisibility,
  NO_GROUP,
  pollQueue,
  readReceipt,
  receiptOf,
} from "./queue-rules.ts";

interface Letter {
  readonly id: string;
  readonly body: string;
  readonly group: string;
  receives: number;
  visibleAt: number;
}

export interface MemoryQueue extends Queue {
  /** Takes over a letter that another queue gave up. */
  adopt(letter: Pick<Letter, "id" | "body" | "group">): void;
}

/** The Queue's twin for tests and simulations. */
export function createMemoryQueue(parts: {
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Where a message goes instead of being delivered more than `maxReceives` times. */
  readonly deadLetters?: { readonly queue: MemoryQueue; readonly maxReceives: number };
}): MemoryQueue {
  const { clock, entropy, deadLetters } = parts;
  const bell = createBell(clock);
  const letters = new Map<string, Letter>();
  /** The letters' ids by group. The group served longest ago comes first. */
  const groups = new Map<string, Set<string>>();

  function put(letter: Letter): void {
    letters.set(letter.id, letter);
    groups.set(letter.group, (groups.get(letter.group) ?? new Set()).add(letter.id));
  }

  function drop({ id, group }: Letter): void {
    letters.delete(id);
    groups.get(group)?.delete(id);
    if (groups.get(group)?.size === 0) groups.delete(group);
  }

  function lettersOf(group: string): Letter[] {
    return [...(groups.get(group) ?? [])].flatMap((id) => letters.get(id) ?? []);
  }

  /** The next letter to hand out: of the group served longest ago, the one visible for longest. */
  function pick(now: number): Letter | undefined {
    for (const group of groups.keys()) {
      const [first] = lettersOf(group)
        .filter(({ visibleAt }) => visibleAt <= now)
        .sort((a, b) => a.visibleAt - b.visibleAt);
      if (first !== undefined) return first;
    }
    return undefined;
  }

  function take({ max, visibilityMs }: Ask): Delivery[] {
    const now = clock.now();
    const taken: Delivery[] = [];
    for (let letter = pick(now); letter !== undefined; letter = pick(now)) {
      if (deadLetters !== undefined && letter.receives >= deadLetters.maxReceives) {
        drop(letter);
        deadLetters.queue.adopt(letter);
        continue;
      }
      letter.receives += 1;
      letter.visibleAt = now + visibilityMs;
      const served = groups.get(letter.group) ?? new Set();
      groups.delete(letter.group);
      groups.set(letter.group, served);
      taken.push(deliveryOf(letter));
      if (taken.length === max) break;
    }
    return taken;
  }

  function restMs(): number {
    return (
      letters.values().reduce((least, { visibleAt }) => Math.min(least, visibleAt), Infinity) - clock.now()
    );
  }

  function held(receipt: string): Letter | undefined {
    const read = readReceipt(receipt);
    const letter = letters.get(read?.id ?? "");
    return letter?.receives === read?.receives ? letter : undefined;
  }

  return {
    async send(messages) {
      checkMessages(messages);
      for (const { body, group = NO_GROUP, delayMs = 0 } of messages) {
        const id = Buffer.from(entropy(16)).toString("hex");
        put({ id, body, group, receives: 0, visibleAt: clock.now() + delayMs });
      }
      bell.ring();
    },

    async receive(ask, signal) {
      checkAsk(ask);
      return pollQueue({ clock, bell, take: async () => take(ask), restMs }, ask.waitMs, signal);
    },

    async extend(receipts, visibilityMs) {
      checkVisibility(visibilityMs);
      for (const receipt of receipts) {
        const letter = held(receipt);
        if (letter !== undefined) letter.visibleAt = clock.now() + visibilityMs;
      }
      bell.ring();
    },

    async delete(receipts) {
      for (const receipt of receipts) {
        const letter = held(receipt);
        if (letter !== undefined) drop(letter);
      }
    },

    adopt({ id, body, group }) {
      put({ id, body, group, receives: 0, visibleAt: clock.now() });
      bell.ring();
    },
  };
}

function deliveryOf({ id, body, group, receives }: Letter): Delivery {
  return { id, body, receives, receipt: receiptOf(id, receives), ...(group !== NO_GROUP && { group }) };
}
