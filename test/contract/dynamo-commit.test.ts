import { expect, test } from "vitest";
import { verdictOn } from "#shared/adapters/dynamo-commit.ts";
import { openDynamoStore } from "#shared/adapters/dynamo-store.ts";
import { fencesItself } from "#shared/adapters/dynamo-write.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { Committed, Draft, Store, Write } from "#shared/ports.ts";
import { type FaultProxy, startFaultProxy } from "../faults/fault-proxy.ts";
import { awsEngine } from "./aws-engines.ts";
import { createTestTable } from "./dynamo-table-fixture.ts";
import { A, B, put } from "./store-fixture.ts";

const { isHere, isReal, options } = awsEngine("dynamodb");

function putAgain(
  rest: Partial<Draft>,
  more: Pick<Extract<Write, { op: "put" }>, "when" | "keepRev">,
): Write {
  return { op: "put", item: { ...A, body: "new", ...rest }, ...more };
}

test("the reasons of a canceled transaction decide whether it is tried again", () => {
  const verdict = (...codes: readonly string[]) => verdictOn(codes.map((Code) => ({ Code })));
  expect(verdict("None", "ConditionalCheckFailed", "TransactionConflict")).toEqual({
    ok: false,
    refusals: [undefined, "condition", "conflict"],
  });
  expect(verdict("ThrottlingError", "ConditionalCheckFailed")).toEqual({
    ok: false,
    refusals: [undefined, "condition"],
  });
  expect(verdict("None", "TransactionConflict")).toEqual({
    again: { ok: false, refusals: [undefined, "conflict"] },
  });
  for (const code of ["ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded"]) {
    expect(verdict("TransactionConflict", code)).toMatchObject({ again: { code: "store_busy" } });
  }
  for (const code of ["ValidationError", "ItemCollectionSizeLimitExceeded", "None"]) {
    expect(verdict("None", code)).toBeUndefined();
  }
  expect(verdictOn([])).toBeUndefined();
});

test("only a put whose effect ends its own condition may be sent twice", () => {
  const fenced: readonly Write[] = [
    put(A),
    putAgain({}, { when: { rev: 3 } }),
    putAgain({ counters: { n: 4 } }, { when: { below: "n", than: 4 } }),
  ];
  const open: readonly Write[] = [
    putAgain({}, { when: "exists" }),
    putAgain({}, { when: { rev: 3 }, keepRev: true }),
    putAgain({ counters: { n: 3 } }, { when: { below: "n", than: 4 } }),
    putAgain({}, { when: { below: "constructor", than: 4 } }),
    { op: "add", key: A, add: { n: 1 } },
    { op: "delete", key: A },
    { op: "delete", key: A, when: { rev: 1 } },
    { op: "check", key: A, when: "exists" },
  ];
  expect(fenced.map(fencesItself)).toEqual(fenced.map(() => true));
  expect(open.map(fencesItself)).toEqual(open.map(() => false));
});

interface Rig {
  /** Through the proxy. */
  readonly store: Store;
  /** Past it. */
  readonly direct: Store;
  readonly proxy: FaultProxy;
}

/** One promise about a store behind a network that does harm. */
function behindFaults(sentence: string, check: (rig: Rig) => Promise<void>): void {
  test.skipIf(!isHere || isReal)(sentence, async () => {
    await using table = await createTestTable(options);
    const target = new URL(options.endpoint ?? "");
    const times = { delayMsMax: 100 };
    await using proxy = await startFaultProxy({ target, seed: 7, dialect: "dynamodb", times });
    await using direct = await openDynamoStore({ ...options, table: table.name });
    await using store = await openDynamoStore({ ...options, endpoint: proxy.url, table: table.name });
    await check({ store, direct, proxy });
  });
}

behindFaults("what passes is tried again a few times and not for ever", async ({ store, direct, proxy }) => {
  await direct.transact([put(A, { counters: { n: 0 } })]);
  const requestsOf = async (work: () => Promise<unknown>): Promise<number> => {
    const before = proxy.requests();
    await work().catch(busyAsUndefined);
    return proxy.requests() - before;
  };
  const add = () => store.transact([{ op: "add", key: A, add: { n: 1 } }, put(B)]);
  const replace = () => store.transact([putAgain({}, { when: { rev: 1 } })]);
  proxy.setRates({ "transaction-conflict": 1 });
  expect(await requestsOf(add)).toBe(5);
  expect(await requestsOf(replace)).toBe(5);
  proxy.setRates({ "transaction-throttle": 1 });
  expect(await requestsOf(add)).toBe(5);
  for (const kind of ["drop-before", "server-error"] as const) {
    proxy.setRates({ [kind]: 1 });
    for (const work of [add, replace, () => store.get(A)]) expect(await requestsOf(work)).toBe(4);
  }
  expect(await direct.get(A)).toMatchObject({ rev: 1, counters: { n: 0 } });
});

behindFaults("of writers on one rev exactly one wins, whatever happens to their requests", async (rig) => {
  const { store, direct, proxy } = rig;
  await direct.transact([put(A, { body: "nobody" })]);
  proxy.setRates({
    "drop-before": 0.05,
    "drop-after": 0.1,
    cut: 0.1,
    delay: 0.05,
    "server-error": 0.05,
    duplicate: 0.1,
    "transaction-conflict": 0.05,
  });
  for (let rev = 1; rev <= 10; rev++) {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, writer) =>
        store.transact([putAgain({ body: `${rev}:${writer}` }, { when: { rev } })]).catch(busyAsUndefined),
      ),
    );
    const stored = await direct.get(A);
    const winners = answers.flatMap((answer, writer) => (answer?.ok === true ? [`${rev}:${writer}`] : []));
    const unknown = answers.flatMap((answer, writer) => (answer === undefined ? [`${rev}:${writer}`] : []));
    // The winner may have given up before it heard of it; nobody else may believe that it won.
    const won = unknown.filter((writer) => writer === stored?.body);
    expect([...winners, ...won]).toEqual([stored?.body]);
    expect(stored?.rev).toBe(rev + 1);
  }
});

function busyAsUndefined(error: unknown): Committed | undefined {
  if (error instanceof Fault && error.code === "store_busy") return undefined;
  throw error;
}
