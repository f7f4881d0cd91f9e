/** A Markdown table; the first row is its head, the first column text, the others numbers. */
export function markdownTable(rows: readonly (readonly (string | number)[])[]): string {
  const lines = rows.map((row) => `| ${row.join(" | ")} |`);
  const rule = `|---|${"---:|".repeat((rows[0]?.length ?? 1) - 1)}`;
  return [lines[0], rule, ...lines.slice(1)].join("\n");
}
