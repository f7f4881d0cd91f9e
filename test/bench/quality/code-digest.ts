import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
/** `imports` of package.json. */
const ALIASES: readonly (readonly [string, string])[] = [
  ["#shared/", "shared/"],
  ["#functions/", "functions/"],
  ["#agent/", "gpu-agent/"],
  ["#local/", "infra/local/"],
];

/**
 * Digest of the program files given and of all they import from this project: while it stays the same, the same goes in
 * and the same comes out. Types count as well; packages do not.
 * @param entries relative to the root of the project.
 */
export async function codeDigest(entries: readonly string[]): Promise<string> {
  const seen = new Map<string, string>();
  const open = entries.map((entry) => join(ROOT, entry));
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (seen.has(path)) continue;
    const text = await readFile(path, "utf8");
    seen.set(path, text);
    for (const [, name = ""] of text.matchAll(/(?:from|import|URL\()\s*"([^"\n]+\.ts)"/g)) {
      open.push(resolveName(name, dirname(path)));
    }
  }
  const hash = createHash("sha256");
  for (const [path, text] of [...seen].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${relative(ROOT, path)}:${text.length}:`).update(text);
  }
  return hash.digest("hex");
}

function resolveName(name: string, folder: string): string {
  const alias = ALIASES.find(([from]) => name.startsWith(from));
  return alias === undefined ? resolve(folder, name) : join(ROOT, alias[1], name.slice(alias[0].length));
}
