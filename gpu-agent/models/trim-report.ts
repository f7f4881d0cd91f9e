import type { TrimReport, TrimmedItem } from "./disk-budget.ts";
import { formatBytes } from "./model-table.ts";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** Bytes of `2GB`, `1.5 GiB`, `500000`; undefined for what is no size. */
export function readByteSize(text: string): number | undefined {
  const [, digits = "", unit = ""] = /^(\d{1,15}(?:\.\d{1,3})?)\s*([kmgt]?i?b?)$/i.exec(text.trim()) ?? [];
  const factor = UNITS[unit.toLowerCase()];
  return digits === "" || factor === undefined ? undefined : Math.round(Number(digits) * factor);
}

/** What a trimming did, for a person. */
export function trimLines(report: TrimReport): string[] {
  const { bytesMax, bytesBefore, bytesAfter, isMet, isDryRun, removed, kept } = report;
  const verb = isDryRun ? "would remove" : "removed";
  const sizes = `${formatBytes(bytesBefore)} before, ${formatBytes(bytesAfter)} after, budget ${formatBytes(bytesMax)}`;
  return [
    ...removed.map((item) => `${verb} ${line(item)}`),
    ...kept.map((item) => `kept ${line(item)}`),
    isMet ? sizes : `${sizes}: the budget cannot be met`,
  ];
}

function line({ kind, name, id, bytes, usedMs, why }: TrimmedItem): string {
  const what = `${id ?? name}${kind === "prepared" ? ", prepared form" : ""}`;
  return `${what} (${formatBytes(bytes)}, last used ${new Date(usedMs).toISOString().slice(0, 10)}): ${why}`;
}
