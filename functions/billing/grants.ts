import { accountItem, accountKey, grant, readSettings } from "#shared/domain/money/account.ts";
import { grantItem, type Grant } from "#shared/domain/money/ledger.ts";
import { monthOf } from "#shared/domain/money/month.ts";
import { Fault } from "#shared/domain/fault.ts";
import { CONFLICT_TRIES_MAX } from "#shared/domain/limits.ts";
import type { Store } from "#shared/ports.ts";

/**
 * Money in advance: a payment, a refund of a charge or a credit (positive), a dispute (negative). Granted and available
 * move, caps and units never. Announced twice, in whatever month and under whatever event, it counts once.
 * @returns whether this very call granted it. @throws Fault busy `store_busy`.
 */
export async function grantMoney(
  { store }: { readonly store: Store },
  ask: Pick<Grant, "org" | "id" | "amount" | "reason"> & { readonly createdAt: number },
): Promise<boolean> {
  const { createdAt, ...rest } = ask;
  const item = grantItem({ kind: "grant", ...rest, month: monthOf(createdAt) });
  for (let tries = 1; tries <= CONFLICT_TRIES_MAX; tries++) {
    if ((await store.get(item)) !== undefined) return false;
    const account = await store.get(accountKey(ask.org));
    if (account === undefined) {
      const opened = accountItem(ask.org, readSettings(undefined), undefined);
      await store.transact([{ op: "put", item: opened, when: "absent" }]);
      continue;
    }
    const committed = await store.transact([{ op: "put", item, when: "absent" }, grant(ask.org, ask.amount)]);
    if (committed.ok) return true;
  }
  throw new Fault("busy", "store_busy", "Too much is happening to this account; please repeat the call.");
}
