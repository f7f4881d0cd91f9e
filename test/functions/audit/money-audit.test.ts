/** What the audit says of money: nothing of a sound store, and of each kind of damage its own finding. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { createTestTable } from "../../contract/dynamo-table-fixture.ts";
import { temporaryFolder } from "../../contract/temporary-folder.ts";
import { accept, DAY_MS, end, ORG, rate, sweepMoney } from "../billing/money-world.ts";
import { writeRaw } from "./broken-store.ts";
import { openDynamoStore } from "#shared/adapters/dynamo-store.ts";
import { openSqliteStore } from "#shared/adapters/sqlite-store.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";
import { systemEntropy as entropy } from "#shared/adapters/system-entropy.ts";
import { jobKey } from "#shared/domain/job.ts";
import {
  type World,
  DYNAMO,
  NOVEMBER,
  ACCOUNT,
  world,
  audited,
  kinds,
  damage,
  fields,
  counts,
  remove,
  unrated,
  ledger,
  lively,
  moving,
} from "./lively-account.ts";

test("a store with money is sound at every step, in the memory", async () => {
  const at = world();
  let steps = 0;
  await lively(at, async (step) => {
    const { findings, uncompared } = await audited(at);
    expect({ step, findings, uncompared }).toEqual({ step, findings: [], uncompared: [] });
    steps += 1;
  });
  expect(steps).toBeGreaterThan(10);
});

test("what is open over a month's end is compared with the month it was accepted in, and with the account", async () => {
  const at = world();
  const { living } = await lively(at);
  at.money.clock.at += 11 * DAY_MS;
  await accept(at.money);
  await sweepMoney(at.money);
  expect(await kinds(at)).toEqual([]);
  await end(at.money, living, "late");
  await rate(at.money);
  expect(await kinds(at)).toEqual([]);
});

test("a store with money is sound in SQLite, and a wrong counter is found there", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "jobs.db");
  await using store = await openSqliteStore({ path, clock: systemClock, entropy });
  const at = world(() => store);
  await lively(at);
  expect(await kinds(at)).toEqual([]);
  await damage(store, NOVEMBER, counts({ spent: 1 }));
  expect(await kinds(at)).toEqual(["month_unbalanced"]);
});

test.skipIf(!DYNAMO.isHere)(
  "a store with money is sound in DynamoDB, and a wrong counter is found there",
  { timeout: 60_000 },
  async () => {
    await using table = await createTestTable(DYNAMO.options);
    await using store = await openDynamoStore({ ...DYNAMO.options, table: table.name });
    const at = world(() => store);
    await lively(at);
    expect(await kinds(at)).toEqual([]);
    await damage(store, NOVEMBER, counts({ spent: 1 }));
    expect(await kinds(at)).toEqual(["month_unbalanced"]);
  },
);

test("a month's counter that is off by one is found, whichever it is", async () => {
  const names = ["left", "left:key_1", "open", "spent", "units:standard:prepaid", "units:flex:prepaid"];
  names.push("units:standard:sub_1", "open:2026-11-20:standard:sub_1", "metered:2026-11-20:standard:sub_1");
  for (const name of names) {
    const at = world();
    await lively(at);
    await damage(at.store, NOVEMBER, ({ counters }) => ({
      counters: { ...counters, [name]: (counters[name] ?? Number.NaN) + 1 },
    }));
    const { findings } = await audited(at);
    expect(findings.map(({ kind, what }) => `${kind} ${what.split(" ")[0]}`)).toEqual([
      `month_unbalanced ${name}`,
    ]);
  }
});

test("a cap that is not the account's is found", async () => {
  const at = world();
  await lively(at);
  await damage(at.store, NOVEMBER, ({ counters: { cap = 0, left = 0, ...others } }) => ({
    counters: { ...others, cap: cap + 5, left: left + 5 },
  }));
  expect(await kinds(at)).toEqual(["cap_differs"]);
});

test("a balance, and a sum of grants, that the rows do not explain are found", async () => {
  const at = world();
  await lively(at);
  await damage(at.store, ACCOUNT, ({ counters }) => ({
    counters: { ...counters, available: (counters["available"] ?? 0) + 1 },
  }));
  expect(await kinds(at)).toEqual(["account_unbalanced"]);
  await damage(at.store, ACCOUNT, ({ counters }) => ({
    counters: { granted: (counters["granted"] ?? 0) + 1, available: counters["available"] ?? 0 },
  }));
  expect(await kinds(at)).toEqual(["account_unbalanced"]);
});

test("a payment that is credited in two months is found", async () => {
  const at = world();
  await lively(at);
  const item = await at.store.get(ledger("pay_1"));
  const key = { pk: `ORG#${ORG}`, sk: "LEDGER#2026-12#pay_1" };
  await writeRaw(at.store, { ...key, body: { ...(item?.body as object), month: "2026-12" } });
  await damage(at.store, ACCOUNT, ({ counters: { granted = 0, available = 0 } }) => ({
    counters: { granted: granted + 60_000, available: available + 60_000 },
  }));
  expect(await kinds(at)).toEqual(["credit_doubled"]);
});

test("an ended job without a row, and a row that was lost from the ledger, are found", async () => {
  const at = world();
  const { waiting } = await lively(at);
  await remove(at.store, unrated(waiting));
  expect(await kinds(at)).toEqual(["account_unbalanced", "month_unbalanced", "row_missing"]);
  const other = world();
  const { charged } = await lively(other);
  await remove(other.store, ledger(charged));
  expect(await kinds(other)).toEqual(["account_unbalanced", "month_unbalanced", "row_missing"]);
});

test("a job that is rated twice, and one that is rated before its end, are found", async () => {
  const at = world();
  const { charged, waiting, living } = await lively(at);
  const row = await at.store.get(unrated(waiting));
  const item = await at.store.get(ledger(charged));
  await writeRaw(at.store, {
    ...ledger(waiting),
    body: { ...(row?.body as object), kind: "charge", amount: 1 },
  });
  expect(await kinds(at)).toContain("row_doubled");
  await remove(at.store, ledger(waiting));
  await writeRaw(at.store, { ...ledger(living), body: { ...(item?.body as object), row: living } });
  expect(await kinds(at)).toContain("row_early");
});

test("a row that says otherwise than its job is found", async () => {
  const changes = { outcome: "failed", units: 0 };
  const at = world();
  const { waiting } = await lively(at);
  await damage(at.store, unrated(waiting), fields(changes));
  expect(await kinds(at)).toEqual(["row_differs"]);
  await damage(at.store, unrated(waiting), fields({ outcome: "succeeded", units: 4, bound: 79 }));
  expect(await kinds(at)).toContain("row_differs");
});

test("units of a job that did not succeed, none of one that did, and more than agreed are found", async () => {
  const at = world();
  const { waiting } = await lively(at);
  await damage(at.store, unrated(waiting), fields({ units: 0 }));
  expect(await kinds(at)).toEqual(["units_wrong"]);
  await damage(at.store, unrated(waiting), fields({ units: 5 }));
  expect(await kinds(at)).toEqual(["units_wrong"]);
  await damage(at.store, unrated(waiting), fields({ units: 4, outcome: "canceled" }));
  expect(await kinds(at)).toEqual(["row_differs", "units_wrong"]);
});

test("an amount beyond its bound, and amounts that are not the price of their units, are found", async () => {
  const at = world();
  const { charged } = await lively(at);
  await damage(at.store, ledger(charged), fields({ amount: 100_000 }));
  expect(await kinds(at)).toContain("amount_wrong");
  const other = world();
  const { charged: row } = await lively(other);
  await damage(other.store, ledger(row), ({ body }) => ({
    body: { ...(body as object), amount: (body as { amount: number }).amount - 1 },
  }));
  await damage(other.store, NOVEMBER, ({ counters }) => ({
    counters: {
      ...counters,
      spent: (counters["spent"] ?? 0) - 1,
      left: (counters["left"] ?? 0) + 1,
      "left:key_1": (counters["left:key_1"] ?? 0) + 1,
    },
  }));
  await damage(other.store, ACCOUNT, ({ counters: { granted = 0, available = 0 } }) => ({
    counters: { granted, available: available + 1 },
  }));
  expect(await kinds(other)).toEqual(["amount_wrong"]);
});

test("a row of the rater whose job is not there is found", async () => {
  const at = world();
  const { waiting } = await lively(at);
  await remove(at.store, jobKey(waiting));
  expect(await kinds(at)).toEqual(["event_orphaned", "row_orphaned"]);
});

test("a month that is not there, or lacks a counter, is found at whatever is open in it", async () => {
  const at = world();
  await lively(at);
  await damage(at.store, NOVEMBER, ({ counters }) => {
    const { "left:key_1": _, ...others } = counters;
    return { counters: others };
  });
  expect(await kinds(at)).toEqual(["month_missing", "month_unbalanced"]);
  await remove(at.store, NOVEMBER);
  expect(await kinds(at)).toContain("month_missing");
});

test("a batch whose remainder, or whose counts, are wrong is found", async () => {
  const at = world();
  const { filling } = await lively(at);
  await damage(
    at.store,
    { pk: `BATCH#${filling.id}`, sk: "BATCH" },
    fields({ remainder: filling.remainder - 20 }),
  );
  expect(await kinds(at)).toEqual(["account_unbalanced", "batch_unbalanced", "month_unbalanced"]);
  const other = world();
  const { batch: rated } = await lively(other);
  await damage(other.store, { pk: `BATCH#${rated.id}`, sk: "BATCH" }, counts({ succeeded: 0, failed: 1 }));
  expect(await kinds(other)).toEqual(["batch_unbalanced"]);
  await damage(other.store, { pk: `BATCH#${rated.id}`, sk: "BATCH" }, counts({ succeeded: 2, failed: 0 }));
  expect(await kinds(other)).toEqual(["batch_unbalanced"]);
});

test("timers of money rows that are wrong or missing are found", async () => {
  const at = world();
  const { waiting, filling } = await lively(at);
  await damage(at.store, unrated(waiting), () => ({ indexes: {} }));
  expect(await kinds(at)).toEqual(["timer_wrong"]);
  // What an open batch holds is found by its timer: without it, the sums do not agree either.
  await damage(at.store, { pk: `BATCH#${filling.id}`, sk: "BATCH" }, () => ({ indexes: {} }));
  expect(await kinds(at)).toEqual(["account_unbalanced", "month_unbalanced", "timer_wrong"]);
  const other = world();
  await lively(other);
  const window = { pk: `WINDOW#${ORG}`, sk: "2026-11-20:standard:sub_1" };
  await damage(other.store, window, () => ({ indexes: {} }));
  expect(await kinds(other)).toEqual(["timer_wrong"]);
});

test("units owed to the meter that the ledger does not have, and events of what has not happened, are found", async () => {
  const at = world();
  const { metered, living } = await lively(at);
  const meter = { pk: `OUTBOX#meter#${ORG}`, sk: `2026-11-20:standard:sub_1#${metered}` };
  await damage(at.store, meter, fields({ units: 3 }));
  expect(await kinds(at)).toEqual(["event_orphaned"]);
  const other = world();
  const { charged } = await lively(other);
  const event = { pk: `OUTBOX#event#${ORG}`, sk: `evt_${charged}_restoration.succeeded` };
  await damage(other.store, event, fields({ subject: living }));
  expect(await kinds(other)).toEqual(["event_orphaned"]);
});

test("a window in which the meter has counted too much is found", async () => {
  const at = world();
  await lively(at);
  const window = { pk: `WINDOW#${ORG}`, sk: "2026-11-20:standard:sub_1" };
  await damage(at.store, window, (item) => ({ ...fields({ state: "disputed" })(item), indexes: {} }));
  expect(await kinds(at)).toEqual(["window_disputed"]);
});

test("rows that do not follow their schema, or lie under another's key, are found", async () => {
  const at = world();
  const { waiting, charged, metered, filling } = await lively(at);
  const keys = [
    unrated(waiting),
    ledger(charged),
    NOVEMBER,
    ACCOUNT,
    { pk: `BATCH#${filling.id}`, sk: "BATCH" },
    { pk: `OUTBOX#meter#${ORG}`, sk: `2026-11-20:standard:sub_1#${metered}` },
    { pk: `WINDOW#${ORG}`, sk: "2026-11-20:standard:sub_1" },
  ];
  for (const key of keys) {
    const broken = world();
    await lively(broken);
    await damage(broken.store, key, () => ({ body: { org: 5 } })).catch(() => undefined);
    const item = await at.store.get(key);
    await writeRaw(broken.store, { ...key, body: { org: 5 }, counters: item?.counters ?? {} });
    const { findings } = await audited(broken);
    expect(findings.filter(({ kind }) => kind === "item_damaged").map((each) => each.key)).toContainEqual(
      key,
    );
  }
  const copy = await at.store.get(unrated(waiting));
  await writeRaw(at.store, { ...unrated("job_other"), body: copy?.body });
  expect(await kinds(at)).toContain("item_misfiled");
});

test("a month that moves whenever it is read is not compared, and it is said", async () => {
  const at = world();
  await lively(at);
  await damage(at.store, NOVEMBER, counts({ spent: 1 }));
  const restless: World = { ...at, store: moving(at, async () => void (await accept(at.money))) };
  const { findings, uncompared, counts: counted } = await audited(restless);
  expect(findings).toEqual([]);
  expect(uncompared).toEqual([ACCOUNT, NOVEMBER]);
  expect(counted).toMatchObject({ uncompared: 2, findings: counted.findings });
});

test("a month that comes to rest is compared at a later try", async () => {
  const at = world();
  await lively(at);
  await damage(at.store, NOVEMBER, counts({ spent: 1 }));
  let accepts = 0;
  const restless: World = {
    ...at,
    store: moving(at, async () => {
      if (accepts++ < 2) await accept(at.money);
    }),
  };
  const { findings, uncompared } = await audited(restless);
  expect(findings.map(({ kind }) => kind)).toEqual(["month_unbalanced"]);
  expect(uncompared).toEqual([]);
});

test("a job that ends between two readings counts once", async () => {
  const at = world();
  const { living } = await lively(at);
  let isEnded = false;
  const ending: World = {
    ...at,
    store: moving(at, async () => {
      if (isEnded) return;
      isEnded = true;
      await end(at.money, living, "succeeded");
    }),
  };
  const { findings, uncompared } = await audited(ending);
  expect({ findings, uncompared, isEnded }).toEqual({ findings: [], uncompared: [], isEnded: true });
});

test("what looks unbalanced for an instant is not found", async () => {
  const at = world();
  await lively(at);
  const whole = await at.store.get(NOVEMBER);
  await damage(at.store, NOVEMBER, counts({ spent: 1 }));
  const { findings, uncompared } = await audited(at, () =>
    damage(at.store, NOVEMBER, () => ({ counters: whole?.counters ?? {} })),
  );
  expect({ findings, uncompared }).toEqual({ findings: [], uncompared: [] });
});
