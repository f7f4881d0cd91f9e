/** Bugs in what is taken at accept, owed at the end, rated and sent. */
import type { Mutant } from "./mutant.ts";

const month = "shared/domain/money/month.ts";
const rate = "shared/domain/money/rate.ts";
const batch = "shared/domain/money/batch.ts";
const accept = "functions/billing/accept.ts";
const endRows = "shared/domain/money/end-rows.ts";
const outbox = "shared/domain/money/outbox.ts";
const window = "shared/domain/money/window.ts";

export const MONEY_MUTANTS: readonly Mutant[] = [
  {
    name: "usage outside the transaction",
    file: "functions/apply.ts",
    find: '      ...owing.map((item) => ({ op: "put" as const, item, when: "absent" as const })),\n    ]);\n    if (committed.ok) {\n',
    replace:
      '    ]);\n    if (committed.ok) {\n      for (const item of owing) await doors.store.transact([{ op: "put", item, when: "absent" }]);\n',
    breaks: "a crash between the two gives a restoration away (3)",
    by: "books",
  },
  {
    name: "units of what did not succeed",
    file: endRows,
    find: 'const units = outcome === "succeeded" ? unitsDelivered(after, terms.units) : 0;',
    replace: 'const units = outcome === "succeeded" ? unitsDelivered(after, terms.units) : terms.units;',
    breaks: "a canceled job is billed (13)",
    by: "books",
  },
  {
    name: "the end is owed twice",
    file: endRows,
    find: "outcome === undefined || isTerminal(before.status)) return [];",
    replace: "outcome === undefined) return [];",
    breaks: "retention's end bills once more (3)",
    by: "books",
  },
  {
    name: "meter events under a random id",
    file: "functions/billing/outbox-sender.ts",
    find: "const { id: identifier, funding, rateClass, units, timestamp } = event;",
    replace:
      "const { funding, rateClass, units, timestamp } = event;\n  const identifier = `${event.id}-${event.tries}`;",
    breaks: "an answer that was lost bills twice (3)",
    by: "books",
  },
  {
    name: "sent blindly after a day",
    file: outbox,
    find: "return now - event.owedAt >= BLIND_AFTER_MS || now >= meterClosesAt(event.month);",
    replace: "return now >= meterClosesAt(event.month) && BLIND_AFTER_MS > 0;",
    breaks: "an identifier that was forgotten is counted twice (3)",
    by: "books",
  },
  {
    name: "compared while events are pending",
    file: window,
    find: 'if (facts.open > 0 || facts.pending > 0) return restarted(window, "open", now);',
    replace: 'if (facts.open > 0) return restarted(window, "open", now);',
    breaks: "what is still sent is billed as a difference, too (3)",
    by: "books",
  },
  {
    name: "compared while jobs are open",
    file: window,
    find: 'if (facts.open > 0 || facts.pending > 0) return restarted(window, "open", now);',
    replace: 'if (facts.pending > 0) return restarted(window, "open", now);',
    breaks: "units that come later are never compared (3)",
    by: "books",
  },
  {
    name: "compared with one reading",
    file: window,
    find: 'if (window.state === "quiet" || facts.reading !== window.reading)',
    replace: 'if (window.state === "open")',
    breaks: "a summary that lags is billed as a difference (3)",
    by: "books",
  },
  {
    name: "a difference sent blindly again",
    file: window,
    find: "  return now - difference.owedAt >= BLIND_AFTER_MS || now >= meterClosesAt(month);",
    replace: "  return now < 0 || month === String(BLIND_AFTER_MS);",
    breaks: "a difference that was counted and forgotten is counted twice (3)",
    by: "books",
  },
  {
    name: "the bound comes back twice",
    file: rate,
    find: "    left: back,\n    spent: amount,",
    replace: "    left: back + row.bound,\n    spent: amount,",
    breaks: "a cap grows with every job (11)",
    by: "books",
  },
  {
    name: "the bound never comes back",
    file: rate,
    find: "  const back = row.bound - amount;\n",
    replace: "  const back = 0;\n",
    breaks: "a cap shrinks with every job (11)",
    by: "books",
  },
  {
    name: "the key's bound never comes back",
    file: rate,
    find: "    ...(row.key === undefined ? {} : { [leftName(row.key)]: back }),",
    replace: "    ...(row.key === undefined ? {} : { [leftName(row.key)]: 0 }),",
    breaks: "a key's cap shrinks with every job (11)",
    by: "books",
  },
  {
    name: "the balance never comes back",
    file: rate,
    find: "    ...(sums.available === undefined ? [] : [giveBack(org, sums.available)]),\n",
    replace: "",
    breaks: "prepaid money is lost (11)",
    by: "books",
  },
  {
    name: "the rater ignores the other rater",
    file: rate,
    find: "      floor: { ratedSeq: seq },\n",
    replace: "",
    breaks: "two raters count the same tier twice (3)",
    by: "books",
  },
  {
    name: "the rater puts instead of adding",
    file: rate,
    find: "      add: { ...sums.month, ratedSeq: -1 },",
    replace:
      '      add: Object.fromEntries(Object.entries({ ...sums.month, ratedSeq: -1 }).map(([name, by]) => [name, name === "spent" ? by - (month.counters["spent"] ?? 0) : by])),',
    breaks: "the month knows its last page alone (11)",
    by: "books",
  },
  {
    name: "a ledger row may be overwritten",
    file: rate,
    find: '      { op: "put", item: chargeItem(row, priced.amount), when: "absent" },',
    replace: '      { op: "delete", key: chargeItem(row, priced.amount), when: "absent" },',
    breaks: "an ended job has no row (3)",
    by: "books",
  },
  {
    name: "the whole page in one tier",
    file: rate,
    find: "counterOf(month, ratedName(row)) + before, row.units)",
    replace: "counterOf(month, ratedName(row)) + before * 0, row.units)",
    breaks: "volume discounts come a page late (3)",
    by: "books",
  },
  {
    name: "the bound of the wrong month",
    file: accept,
    find: "const { settings, month } = await openedMonth(doors, { org, month: monthOf(at) }, account);",
    replace:
      "const { settings, month } = await openedMonth(doors, { org, month: monthOf(at + 15 * 86_400_000) }, account);",
    breaks: "a job is charged to a month it was not accepted in (11)",
    by: "books",
  },
  {
    name: "caps are not asked for",
    file: month,
    find: "    floor: { left: 0, ...(key === undefined ? {} : { [key]: 0 }) },",
    replace: '    ...(key === "" ? { floor: { left: 0 } } : {}),',
    breaks: "accepts side by side pass the cap (11)",
    by: "books",
  },
  {
    name: "the balance is not asked for",
    file: "shared/domain/money/account.ts",
    find: "add: { available: -micros }, floor: { available: 0 } };",
    replace: "add: { available: -micros } };",
    breaks: "accepts side by side spend the same money (11)",
    by: "books",
  },
  {
    name: "prepaid takes nothing",
    file: accept,
    find: 'const balance = terms.funding === "prepaid" ? [takeBalance(org, lines * bound)] : [];',
    replace:
      'const balance = terms.funding === "prepaid" && lines > 9 ? [takeBalance(org, lines * bound)] : [];',
    breaks: "a balance of nothing restores for ever (11)",
    by: "books",
  },
  {
    name: "a payment is granted at each announcement",
    file: "functions/billing/grants.ts",
    find: 'store.transact([{ op: "put", item, when: "absent" }, grant(ask.org, ask.amount)]);',
    replace: "store.transact([grant(ask.org, ask.amount)]);",
    breaks: "money out of nothing (16)",
    by: "books",
  },
  {
    name: "chunks without fence",
    file: batch,
    find: '    { op: "put", item: batchItem(moved), when: { rev } },\n    ...rows',
    replace: '    { op: "put", item: batchItem(moved), when: "exists" },\n    ...rows',
    breaks: "a chunk in flight undoes a cancel (11)",
    by: "books",
  },
  {
    name: "a canceled batch keeps what it held",
    file: batch,
    find: "  const left = batch.lines - batch.cursor;\n",
    replace: "  const left = 0;\n",
    breaks: "the bounds of lines that never ran are gone (11)",
    by: "books",
  },
  {
    name: "an invalid line is forgotten",
    file: batch,
    find: '    ...rows.map((item) => ({ op: "put", item, when: "absent" }) as const),',
    replace: '    ...rows.slice(1).map((item) => ({ op: "put", item, when: "absent" }) as const),',
    breaks: "a batch never completes, its bound stays taken (11)",
    by: "books",
  },
];
