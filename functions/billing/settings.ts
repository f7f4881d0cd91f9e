import { accountItem, accountKey, readSettings, type Settings } from "#shared/domain/money/account.ts";
import { monthEnd, monthKey, monthOf, moveCaps, readMonth } from "#shared/domain/money/month.ts";
import { asRead } from "#shared/domain/money/row.ts";
import { Fault } from "#shared/domain/fault.ts";
import { CONFLICT_TRIES_MAX } from "#shared/domain/limits.ts";
import { fullJitter } from "#shared/jitter.ts";
import type { Clock, Entropy, Store, Write } from "#shared/ports.ts";

/**
 * Changes what an account accepts under. Caps of the month that runs move with it, in the same transaction; so do
 * those of the next, which a clock ahead of ours may have begun. @throws Fault busy `store_busy`.
 */
export async function changeSettings(
  { store, clock, entropy }: { readonly store: Store; readonly clock: Clock; readonly entropy: Entropy },
  org: string,
  change: Partial<Settings>,
): Promise<Settings> {
  for (let tries = 1; tries <= CONFLICT_TRIES_MAX; tries++) {
    const stored = await store.get(accountKey(org));
    const settings = { ...readSettings(stored), ...change };
    const month = monthOf(clock.now());
    const months = [month, monthOf(monthEnd(month))];
    const committed = await store.transact([
      { op: "put", item: accountItem(org, settings, stored), when: asRead(stored) },
      ...(await Promise.all(months.map((each) => capWrite(store, { org, month: each }, settings)))),
    ]);
    if (committed.ok) return settings;
    await clock.sleep(fullJitter(50, entropy));
  }
  throw new Fault("busy", "store_busy", "Too much is happening to this account; please repeat the call.");
}

/** A month that is there moves its caps; one that is not must still be absent, and will begin with the new ones. */
async function capWrite(
  store: Store,
  { org, month }: { readonly org: string; readonly month: string },
  settings: Settings,
): Promise<Write> {
  const stored = await store.get(monthKey(org, month));
  if (stored === undefined) return { op: "check", key: monthKey(org, month), when: "absent" };
  return moveCaps(readMonth(stored), settings);
}
