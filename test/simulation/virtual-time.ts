/**
 * One event loop of virtual time. Everything that happens is an event of it; after each, the code that was woken runs
 * until nothing is left that does not wait, and only then does the next event come. Same events, same order, always.
 */
export interface Loop {
  /** Virtual milliseconds since the epoch; the truth that no process sees. */
  now(): number;
  /** Runs `act` after `ms`; events of one instant run in the order they were made. Answers how to call it off. */
  after(ms: number, act: () => void): Timer;
  /** Runs events until `isOver` answers true or nothing is left. @throws what an event throws; `endless` beyond `eventsMax`. */
  run(isOver: () => boolean, eventsMax?: number): Promise<void>;
  /** Events run so far. */
  events(): number;
}

export interface Timer {
  cancel(): void;
}

class Entry implements Timer {
  readonly at: number;
  readonly order: number;
  act: (() => void) | undefined;

  constructor(at: number, order: number, act: () => void) {
    this.at = at;
    this.order = order;
    this.act = act;
  }

  cancel(): void {
    this.act = undefined;
  }
}

/** How many events run before the real event loop has its turn, so that a long run can be watched and stopped. */
const EVENTS_PER_TURN = 2_048;
const EVENTS_MAX = 500_000_000;

export function createLoop(startMs = 1_750_000_000_000): Loop {
  const heap: Entry[] = [];
  let now = startMs;
  let made = 0;
  let count = 0;

  function push(entry: Entry): void {
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = entry;
  }

  function pop(): Entry | undefined {
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || top === last) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return top;
  }

  return {
    now: () => now,
    events: () => count,
    after(ms, act) {
      const entry = new Entry(now + Math.max(0, ms), (made += 1), act);
      push(entry);
      return entry;
    },
    run(isOver, eventsMax = EVENTS_MAX) {
      return new Promise<void>((resolve, reject) => {
        // A tick of Node's runs only when no microtask is left: whoever the last event woke has come to rest.
        const settled = Promise.resolve();
        const rest = (): void => process.nextTick(turn);
        const turn = (): void => {
          try {
            if (isOver()) return resolve();
            let entry = pop();
            while (entry !== undefined && entry.act === undefined) entry = pop();
            if (entry?.act === undefined) return resolve();
            now = entry.at;
            count += 1;
            if (count > eventsMax) throw new Error(`endless: more than ${eventsMax} events`);
            entry.act();
          } catch (error) {
            return reject(error);
          }
          if (count % EVENTS_PER_TURN === 0) setImmediate(turn);
          else void settled.then(rest);
        };
        setImmediate(turn);
      });
    },
  };
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
