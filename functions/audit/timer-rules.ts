import type { Breach } from "./finding.ts";
import { timeKey } from "#shared/domain/job.ts";
import type { Item } from "#shared/ports.ts";

/** Invariant 15 for money rows: the one entry that brings the item back. @param due undefined where nothing is due any more. */
export function timerBreaches(
  item: Item,
  due: { readonly id: string; readonly at: number } | undefined,
): Breach[] {
  const entry = item.indexes.due;
  const is = entry === undefined ? "absent" : entry.sk;
  const ought = due === undefined ? "absent" : `${timeKey(due.at)}#${due.id}`;
  const isMoney = entry === undefined || /^DUE#money#\d+$/.test(entry.pk);
  if (is === ought && isMoney) return [];
  return [["timer_wrong", `its timer is ${entry?.pk ?? ""} ${is} and should be ${ought}`]];
}
