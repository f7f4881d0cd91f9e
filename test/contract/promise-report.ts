import type { Reporter, TestModule } from "vitest/node";

/** What a promise's test tells the report. */
export interface PromiseNote {
  /** The engine, then the port: `sqlite queue`. */
  readonly name: string;
  readonly sentence: string;
  /** False where the engine is not there. */
  readonly isHere: boolean;
  /** Why this engine cannot keep it. */
  readonly fault?: string;
}

declare module "vitest" {
  interface TaskMeta {
    promise?: PromiseNote;
  }
}

export interface PromiseResult extends PromiseNote {
  readonly outcome: "passed" | "failed" | "skipped";
}

/** Prints, behind a run that checked promises of the ports, how each engine keeps them. */
export function promiseReport(print: (text: string) => void): Reporter {
  return {
    onTestRunEnd(modules) {
      const results = modules.flatMap(resultsOf);
      if (results.length > 0) print(`\n${promiseText(results)}\n`);
    },
  };
}

function resultsOf(module: TestModule): PromiseResult[] {
  return [...module.children.allTests()].flatMap((test) => {
    const { promise } = test.meta();
    const { state } = test.result();
    // A run cut short leaves some pending: not kept, as far as anyone knows.
    return promise === undefined ? [] : [{ ...promise, outcome: state === "pending" ? "skipped" : state }];
  });
}

/** A table of engines, and every promise that some engine was not asked for, with the reason. */
export function promiseText(results: readonly PromiseResult[]): string {
  const names = [...new Set(results.map(({ name }) => name))].toSorted(byPort);
  const rows = names.map((name) => {
    const own = results.filter((each) => each.name === name);
    const count = (outcome: PromiseResult["outcome"]): number =>
      own.filter((each) => each.outcome === outcome).length;
    return { name, own, passed: count("passed"), failed: count("failed"), skipped: count("skipped") };
  });
  const promises = new Set(results.map(({ name, sentence }) => `${portOf(name)}: ${sentence}`));
  const width = Math.max(...names.map((name) => name.length));
  const table = rows.map(({ name, passed, failed, skipped }) => {
    const others = [failed > 0 && `${failed} broken`, skipped > 0 && `${skipped} not asked`].filter(Boolean);
    return `  ${name.padEnd(width)}  ${[`${`${passed}`.padStart(3)} kept`, ...others].join(", ")}`;
  });
  const ports = [...new Set(names.map(portOf))].map((port) => `${port} ${countOf(promises, port)}`);
  const head = `Promises of the ports: ${promises.size} (${ports.join(", ")})`;
  return [head, ...table, ...rows.flatMap(reasons)].join("\n");
}

/** One line where a whole engine is not there; otherwise one per promise. */
function reasons({
  name,
  own,
  skipped,
}: {
  name: string;
  own: readonly PromiseResult[];
  skipped: number;
}): string[] {
  if (own.every(({ isHere }) => !isHere))
    return [`  not asked: ${name}, all ${skipped}: the engine is not here (npm run emulators -- start)`];
  return own
    .filter(({ outcome }) => outcome === "skipped")
    .map(({ sentence, fault = "not run" }) => `  not asked: ${name}: ${sentence}: ${fault}`);
}

const countOf = (promises: ReadonlySet<string>, port: string): number =>
  [...promises].filter((promise) => promise.startsWith(`${port}: `)).length;

/** `queue` of `sqlite queue`. */
const portOf = (name: string): string => /\b(?:store|queue|blobs)\b/.exec(name)?.[0] ?? name;

const byPort = (a: string, b: string): number => portOf(a).localeCompare(portOf(b)) || a.localeCompare(b);
