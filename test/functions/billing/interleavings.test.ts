/** The interleavings that broke earlier versions of the money rules, by their number in the protocol's list. */
import { expect, test } from "vitest";
import { apply, loadJob } from "#functions/apply.ts";
import { cancelBatch, runBatch } from "#functions/billing/batch-runner.ts";
import { grantMoney } from "#functions/billing/grants.ts";
import { changeSettings } from "#functions/billing/settings.ts";
import { Fault } from "#shared/domain/fault.ts";
import { jobKey, type Job } from "#shared/domain/job.ts";
import { RELEASED_MAX } from "#shared/domain/limits.ts";
import { jobIdOf } from "#shared/domain/money/batch.ts";
import type { Charge } from "#shared/domain/money/ledger.ts";
import { monthKey } from "#shared/domain/money/month.ts";
import type { MeterEvent } from "#shared/domain/money/outbox.ts";
import type { Committed, Item, Write } from "#shared/ports.ts";
import { moneyBreaches } from "../../simulation/money-checker.ts";
import {
  accept,
  acceptBatch,
  checked,
  DAY_MS,
  end,
  HOUR_MS,
  lease,
  moneyWorld,
  ORG,
  rate,
  START,
  type Money,
} from "./money-world.ts";

/** A world in which something happens right before the next transaction that is of the kind looked for. */
function world(options: Parameters<typeof moneyWorld>[0] = {}) {
  let pending:
    | { is: (writes: readonly Write[]) => boolean; what: () => Promise<Committed | undefined | void> }
    | undefined;
  const money = moneyWorld({
    ...options,
    gate: {
      async before(writes) {
        if (pending === undefined || writes === undefined || !pending.is(writes)) return undefined;
        const { what } = pending;
        pending = undefined;
        return (await what()) ?? undefined;
      },
    },
  });
  const meanwhile = (
    is: (writes: readonly Write[]) => boolean,
    what: () => Promise<Committed | undefined | void>,
  ): void => {
    pending = { is, what };
  };
  return { money, meanwhile };
}

const touches =
  (part: string) =>
  (writes: readonly Write[]): boolean =>
    writes.some((write) => {
      const { pk, sk } = write.op === "put" ? write.item : write.key;
      return `${pk} ${sk}`.includes(part);
    });
const isRating = touches("LEDGER#");
const isJob = touches(" JOB");

async function itemsOf(money: Money, part: string): Promise<Item[]> {
  return (await money.items()).filter(({ pk, sk }) => `${pk} ${sk}`.includes(part));
}
async function monthOf(money: Money, month = "2026-11"): Promise<Item["counters"]> {
  return (await money.store.get(monthKey(ORG, month)))?.counters ?? {};
}
async function charges(money: Money): Promise<Charge[]> {
  return (await itemsOf(money, "LEDGER#"))
    .map(({ body }) => body as Charge)
    .filter(({ kind }) => kind === "charge");
}
async function sound(money: Money, capsFell = false): Promise<void> {
  expect(moneyBreaches(await money.items(), { ...checked, capsFell })).toEqual([]);
}
const grant = (money: Money, id: string, amount = 1_000, createdAt = START) =>
  grantMoney(money.doors, { org: ORG, id, amount, reason: "payment", createdAt });

test("8: an accept between the rater's reading and its writing keeps what it took", async () => {
  const { money, meanwhile } = world();
  const { id } = await accept(money);
  await end(money, id, "succeeded");
  meanwhile(isRating, async () => void (await accept(money)));
  expect(await rate(money)).toBe(1);
  expect(await monthOf(money)).toMatchObject({ open: 1, spent: 80, left: 10 ** 15 - 80 - 80 });
  await sound(money);
});

test("9: a new month begins in the first tier, a refund gives back no units, classes count apart, a month keeps its prices", async () => {
  const { money } = world();
  for (let i = 0; i < 3; i++) await end(money, (await accept(money)).id, "succeeded");
  const bound = { std: (await accept(money)).terms?.bound, flex: 0 };
  expect(bound.std).toBe(80);
  await rate(money);
  expect((await accept(money)).terms?.bound).toBe(60);
  expect((await accept(money, { rateClass: "flex" })).terms?.bound).toBe(40);
  await grantMoney(money.doors, { org: ORG, id: "re_1", amount: 80, reason: "refund", createdAt: START });
  expect((await accept(money)).terms?.bound).toBe(60);
  money.setPrices("p2");
  const open = await accept(money);
  expect(open.terms).toMatchObject({ bound: 60, priceVersion: "p1" });
  money.clock.at += 12 * DAY_MS;
  expect((await accept(money)).terms).toMatchObject({ bound: 120, priceVersion: "p2", month: "2026-12" });
  await end(money, open.id, "succeeded");
  await rate(money);
  expect((await charges(money)).find(({ row }) => row === open.id)?.amount).toBe(2 * 15 + 2 * 10);
  await sound(money);
});

test("13: with a prepaid pack and a subscription a job is charged to the one it was accepted on, once", async () => {
  const { money } = world();
  await changeSettings(money.doors, ORG, { funding: "prepaid" });
  await grant(money, "pi_1");
  const { id } = await accept(money);
  await changeSettings(money.doors, ORG, { funding: "sub_1" });
  await end(money, id, "succeeded");
  await rate(money);
  expect(await itemsOf(money, "OUTBOX#meter")).toEqual([]);
  expect((await itemsOf(money, " ACCOUNT"))[0]?.counters).toEqual({ granted: 1_000, available: 920 });
  await end(money, (await accept(money)).id, "succeeded");
  await rate(money);
  expect(await itemsOf(money, "OUTBOX#meter")).toHaveLength(1);
  expect((await itemsOf(money, " ACCOUNT"))[0]?.counters).toEqual({ granted: 1_000, available: 920 });
  await sound(money);
});

test("14: a job accepted on the 30th that ends on the 2nd is of the month, and the instant, of its accept", async () => {
  const { money } = world();
  await changeSettings(money.doors, ORG, { funding: "sub_1" });
  money.clock.at = Date.UTC(2026, 10, 30, 23, 59, 59, 999);
  const at = money.clock.at;
  const { id } = await accept(money);
  money.clock.at += 2 * DAY_MS;
  await end(money, id, "succeeded");
  const [event] = await itemsOf(money, "OUTBOX#meter");
  expect(event?.body as MeterEvent).toMatchObject({ id, timestamp: at, month: "2026-11", units: 4 });
  expect(await rate(money, "2026-12")).toBe(0);
  expect(await rate(money, "2026-11")).toBe(1);
  await sound(money);
});

test("17: a batch's fan-out that dies goes on where it stood, and its jobs' ends never write the batch", async () => {
  const { money, meanwhile } = world({ isInvalid: (line) => line === 1 });
  const batch = await acceptBatch(money, { lines: 90 });
  const dies = async (): Promise<never> => {
    throw new Fault("busy", "store_busy", "gone");
  };
  meanwhile(
    (writes) => touches("BATCH#")(writes) && isJob(writes),
    async () => {
      meanwhile((writes) => touches("BATCH#")(writes) && isJob(writes), dies);
    },
  );
  await expect(runBatch(money.doors, batch.id)).rejects.toThrow("gone");
  expect(await itemsOf(money, " JOB")).toHaveLength(39);
  await sound(money);
  await runBatch(money.doors, batch.id);
  expect(await itemsOf(money, " JOB")).toHaveLength(89);
  const before = await itemsOf(money, "BATCH#");
  await end(money, jobIdOf(batch.id, 0), "canceled");
  expect(await itemsOf(money, "BATCH#")).toEqual(before);
  await sound(money);
});

test("17: a cancel that meets a chunk in flight: the chunk fails, what is left goes back once", async () => {
  const { money, meanwhile } = world();
  const batch = await acceptBatch(money, { lines: 90 });
  meanwhile(
    (writes) => touches("BATCH#")(writes) && isJob(writes),
    async () => {
      meanwhile(
        (writes) => touches("BATCH#")(writes) && isJob(writes),
        () => cancelBatch(money.doors, batch.id),
      );
    },
  );
  await runBatch(money.doors, batch.id);
  expect(await itemsOf(money, " JOB")).toHaveLength(40);
  expect((await itemsOf(money, " JOB")).map(({ body }) => (body as Job).status)).not.toContain("queued");
  await sound(money);
  expect(await rate(money)).toBe(41);
  expect(await monthOf(money)).toMatchObject({ open: 0, spent: 0, left: 10 ** 15 });
  expect((await itemsOf(money, "BATCH#"))[0]?.counters).toMatchObject({ pending: 0, canceled: 90 });
  await sound(money);
});

test("20: the retry of a create that took the cap's last unit is answered with its job, not with 402", async () => {
  const { money, meanwhile } = world();
  await changeSettings(money.doors, ORG, { cap: 100 });
  const first = await accept(money, { idempotencyKey: "a" });
  expect((await accept(money, { idempotencyKey: "a" })).id).toBe(first.id);
  await expect(accept(money, { idempotencyKey: "b" })).rejects.toMatchObject({ code: "cap_reached" });
  // The same, with the first call still on its way while the retry already reads.
  await changeSettings(money.doors, ORG, { cap: 180 });
  meanwhile(isJob, async () => void (await accept(money, { idempotencyKey: "c" })));
  const late = await accept(money, { idempotencyKey: "c" });
  expect(await itemsOf(money, late.id)).toHaveLength(1);
  expect(await itemsOf(money, " JOB")).toHaveLength(2);
  await sound(money);
});

test("23: a job that is claimed and released for ever ends, unbilled", async () => {
  const { money } = world();
  const { id } = await accept(money);
  const { job, rev } = await loadJob(money.store, id);
  for (const stage of job.stages) stage.tries = { released: RELEASED_MAX - 1 };
  await money.store.transact([{ op: "put", item: { ...jobKey(id), body: job }, when: { rev } }]);
  await apply(money.doors, id, { type: "released", stage: "finish", epoch: 1, agent: "agt_1" });
  await rate(money);
  expect(await charges(money)).toMatchObject([{ row: id, outcome: "failed", units: 0, amount: 0 }]);
  expect(await monthOf(money)).toMatchObject({ open: 0, left: 10 ** 15 });
  await sound(money);
});

test("28: two announcements of one payment credit once, side by side as well", async () => {
  const { money, meanwhile } = world();
  await grant(money, "pi_0");
  meanwhile(touches("LEDGER#"), async () => void (await grant(money, "pi_1")));
  expect(await grant(money, "pi_1")).toBe(false);
  expect((await itemsOf(money, " ACCOUNT"))[0]?.counters).toEqual({ granted: 2_000, available: 2_000 });
  await sound(money);
});

test("32: a top-up that is announced again in the next month credits once", async () => {
  const { money } = world();
  expect(await grant(money, "pi_1", 500, START)).toBe(true);
  money.clock.at += 20 * DAY_MS;
  expect(await grant(money, "pi_1", 500, START)).toBe(false);
  await sound(money);
});

test("33: a key's remainder comes back with the month's, and pages with many keys and batches stay within one transaction", async () => {
  const { money } = world();
  await changeSettings(money.doors, ORG, { keyCaps: { key_a: 80 } });
  const first = await accept(money, { key: "key_a" });
  await expect(accept(money, { key: "key_a" })).rejects.toMatchObject({ code: "cap_reached" });
  await end(money, first.id, "canceled");
  await rate(money);
  await end(money, (await accept(money, { key: "key_a" })).id, "canceled");
  for (let i = 0; i < 60; i++) {
    const batch = await acceptBatch(money, { lines: 1, key: `key_${i}` });
    await runBatch(money.doors, batch.id);
    await end(money, jobIdOf(batch.id, 0), "canceled");
  }
  expect(await rate(money)).toBe(61);
  expect(await monthOf(money)).toMatchObject({ open: 0, "left:key_a": 80, "left:key_59": 10 ** 15 });
  expect(await itemsOf(money, "OUTBOX#event#org_1 evt_bat_")).toHaveLength(60);
  await sound(money);
});

test("34: a chunk that runs in the next month makes jobs of the batch's month", async () => {
  const { money } = world();
  const batch = await acceptBatch(money, { lines: 2 });
  money.clock.at += 12 * DAY_MS;
  money.setPrices("p2");
  await runBatch(money.doors, batch.id);
  const { job } = await loadJob(money.store, jobIdOf(batch.id, 1));
  expect(job.terms).toMatchObject({
    month: "2026-11",
    priceVersion: "p1",
    acceptedAt: START,
    batch: batch.id,
  });
  await lease(money, job.id);
  await end(money, job.id, "succeeded");
  expect(await rate(money)).toBe(1);
  expect(await itemsOf(money, "MONTH#2026-12")).toEqual([]);
  await sound(money);
});

test("35: retention's end writes the job alone", async () => {
  const { money } = world();
  const { id } = await accept(money);
  await end(money, id, "succeeded");
  await rate(money);
  const before = (await money.items()).length;
  money.clock.at += 2 * HOUR_MS;
  expect((await apply(money.doors, id, { type: "due" })).job.status).toBe("expired");
  expect(await money.items()).toHaveLength(before);
  expect(await charges(money)).toMatchObject([{ row: id, units: 4, outcome: "succeeded" }]);
  await sound(money);
});

test("36: a cap that changes while the month's first accept creates it holds for that month", async () => {
  const { money, meanwhile } = world();
  meanwhile(touches("MONTH#"), async () => void (await changeSettings(money.doors, ORG, { cap: 70 })));
  await expect(accept(money)).rejects.toMatchObject({ code: "cap_reached" });
  expect(await monthOf(money)).toMatchObject({ cap: 70, left: 70 });
  // The other way round: the month comes into being while the cap is changed.
  const other = world();
  other.meanwhile(touches("ACCOUNT"), async () => void (await accept(other.money)));
  await changeSettings(other.money.doors, ORG, { cap: 100 });
  expect(await monthOf(other.money)).toMatchObject({ cap: 100, left: 20 });
  await sound(other.money);
});

test("36: a key's cap that changes while the key is first used in a month holds for it", async () => {
  const { money, meanwhile } = world();
  await accept(money);
  meanwhile(touches("ACCOUNT"), async () => void (await accept(money, { key: "key_a" })));
  await changeSettings(money.doors, ORG, { keyCaps: { key_a: 100 } });
  expect(await monthOf(money)).toMatchObject({ "cap:key_a": 100, "left:key_a": 20 });
  await sound(money);
});

test("36: prices that change between computing and accepting change nothing: the bound is of the month's prices", async () => {
  const { money, meanwhile } = world();
  meanwhile(isJob, async () => money.setPrices("p2"));
  expect((await accept(money)).terms).toMatchObject({ priceVersion: "p1", bound: 80 });
  expect((await accept(money)).terms).toMatchObject({ priceVersion: "p1", bound: 80 });
  await sound(money);
});

test("a cap lowered below what is taken only stops accepts", async () => {
  const { money } = world();
  const { id } = await accept(money);
  await changeSettings(money.doors, ORG, { cap: 10 });
  expect(await monthOf(money)).toMatchObject({ left: -70 });
  await expect(accept(money)).rejects.toMatchObject({ code: "cap_reached" });
  await end(money, id, "succeeded");
  expect(await rate(money)).toBe(1);
  await sound(money, true);
});

test("38: the rater does not yield to the accepts of a busy account", async () => {
  let conflicts = 15;
  const money = moneyWorld({
    gate: {
      async before(writes) {
        if (writes === undefined || !isRating(writes) || conflicts-- <= 0) return undefined;
        return { ok: false, refusals: writes.map((_, i) => (i === 0 ? "conflict" : undefined)) };
      },
    },
  });
  for (let i = 0; i < 60; i++) await end(money, (await accept(money)).id, "canceled");
  expect(await rate(money)).toBe(60);
  await sound(money);
});

test("39: of two raters that share a batch's last lines, the one that completes it tells so, once", async () => {
  const { money, meanwhile } = world();
  const batch = await acceptBatch(money, { lines: 2 });
  await runBatch(money.doors, batch.id);
  await end(money, jobIdOf(batch.id, 0), "canceled");
  meanwhile(isRating, async () => {
    await end(money, jobIdOf(batch.id, 1), "canceled");
    await rate(money);
  });
  await rate(money);
  expect((await itemsOf(money, "BATCH#"))[0]?.counters).toMatchObject({ pending: 0, canceled: 2 });
  expect(await itemsOf(money, `evt_${batch.id}`)).toHaveLength(1);
  await sound(money);
});

test("the first row of a class that came between the rater's reading of the month and of its rows is rated", async () => {
  const { money } = world();
  await end(money, (await accept(money)).id, "succeeded");
  const { store } = money.doors;
  let isFirst = true;
  const list: typeof store.list = async (pk, range) => {
    if (isFirst) {
      isFirst = false;
      await end(money, (await accept(money, { rateClass: "flex" })).id, "succeeded");
    }
    return store.list(pk, range);
  };
  expect(await rate({ ...money, doors: { ...money.doors, store: { ...store, list } } })).toBe(2);
  expect(money.lines.filter((line) => line.includes("row_unratable"))).toEqual([]);
  await sound(money);
});

test("a row that cannot be rated backs off alone and is logged; the others are rated", async () => {
  const { money } = world();
  const jobs = [await accept(money), await accept(money), await accept(money)];
  for (const { id } of jobs) await end(money, id, "succeeded");
  const [bad] = await itemsOf(money, `UNRATED#${ORG} 2026-11#${jobs[0]?.id}`);
  await money.store.transact([
    {
      op: "put",
      item: { pk: bad?.pk ?? "", sk: bad?.sk ?? "", body: { ...(bad?.body as object), bound: 1 } },
      when: "exists",
    },
  ]);
  expect(await rate(money)).toBe(2);
  expect(money.lines.filter((line) => line.includes("row_unratable"))).toHaveLength(1);
  expect(await rate(money)).toBe(0);
  expect(money.lines.filter((line) => line.includes("row_unratable"))).toHaveLength(1);
});

test("a job from before there were terms ends without money rows", async () => {
  const { money } = world();
  const { id } = await accept(money);
  const { job, rev } = await loadJob(money.store, id);
  const { terms: _, ...old } = job;
  await money.store.transact([{ op: "put", item: { ...jobKey(id), body: old }, when: { rev } }]);
  const before = (await money.items()).length;
  expect((await end(money, id, "succeeded")).status).toBe("succeeded");
  expect(await money.items()).toHaveLength(before);
});
