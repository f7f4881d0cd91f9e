import { constants } from "node:fs";
import { access, open, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { getuid } from "node:process";
import { z } from "zod";
import { invariant } from "#shared/domain/fault.ts";
import { toolRunner } from "../machine-tool.ts";
import type { RunTool, ToolAnswer } from "../machine-tool.ts";

/** Of one call: a prepared model has two files. */
const PATHS_MAX = 256;
const READ_BYTES = 1 << 20;

/** `fincore --json --bytes`; before util-linux 2.33 its numbers were strings. */
const Fincore = z.object({
  fincore: z.array(
    z.object({ res: z.coerce.number().int().min(0), size: z.coerce.number().int().min(0), file: z.string() }),
  ),
});

/**
 * The warm tier: which files lie in the system's page cache, measured, not assumed. Nothing is kept here: the pages
 * belong to the system, which may drop them at any time.
 */
export interface PageCache {
  /**
   * Resident bytes / bytes of all these files together, 0 to 1; undefined where it cannot be known: no `fincore`
   * (util-linux) on this machine, a file that is gone, or one of which the system would not tell.
   */
  residentRatio(paths: readonly string[], signal: AbortSignal): Promise<number | undefined>;
  /**
   * Reads the files once, so that their pages become resident, with one buffer of 1 MiB and without blocking the
   * thread. @throws what opening and reading throw.
   */
  readIn(paths: readonly string[], signal: AbortSignal): Promise<void>;
  /**
   * Asks the system to drop the files' pages (`posix_fadvise` DONTNEED, through coreutils' `dd`). False where that could
   * not be asked of all. True is no promise: pages that a process has mapped stay, and on tmpfs all do.
   */
  letGo(paths: readonly string[], signal: AbortSignal): Promise<boolean>;
}

export function createPageCache({ run = toolRunner() }: { readonly run?: RunTool } = {}): PageCache {
  const absent = new Set<string>();

  const ask = async (tool: string, args: readonly string[], signal: AbortSignal): Promise<ToolAnswer> => {
    if (absent.has(tool)) return { kind: "absent" };
    const answer = await run(tool, args, signal);
    if (answer.kind === "absent") absent.add(tool);
    return answer;
  };

  return {
    async residentRatio(paths, signal) {
      const files = absolute(paths);
      if (files.length === 0 || !(await areTold(files))) return undefined;
      const answer = await ask("fincore", ["--json", "--bytes", "--", ...files], signal);
      return answer.kind === "ended" && answer.code === 0 ? ratioOf(answer.out, files) : undefined;
    },

    async readIn(paths, signal) {
      const buffer = Buffer.allocUnsafe(READ_BYTES);
      for (const path of absolute(paths)) {
        await using file = await open(path, "r");
        do signal.throwIfAborted();
        while ((await file.read(buffer, 0, READ_BYTES, null)).bytesRead > 0);
      }
    },

    async letGo(paths, signal) {
      let isAsked = true;
      for (const path of absolute(paths)) {
        signal.throwIfAborted();
        isAsked = (await writeBack(path)) && isAsked;
        const answer = await ask("dd", [`if=${path}`, "iflag=nocache", "count=0"], signal);
        isAsked = answer.kind === "ended" && answer.code === 0 && isAsked;
      }
      return isAsked;
    },
  };
}

/** Absolute paths begin with a slash: a tool can take none of them for an option. */
function absolute(paths: readonly string[]): string[] {
  invariant(paths.length <= PATHS_MAX, `no more than ${PATHS_MAX} files at once`);
  return paths.map((path) => resolve(path));
}

/**
 * Whether the system tells this process about these files: since CVE-2019-5489, mincore(2) answers "all resident" about
 * files that are neither one's own nor writable.
 */
async function areTold(paths: readonly string[]): Promise<boolean> {
  const told = await Promise.all(
    paths.map(async (path) => {
      try {
        if ((await stat(path)).uid === getuid?.()) return true;
        await access(path, constants.W_OK);
        return true;
      } catch {
        return false;
      }
    }),
  );
  return !told.includes(false);
}

function ratioOf(out: string, paths: readonly string[]): number | undefined {
  let rows: z.infer<typeof Fincore>["fincore"];
  try {
    rows = Fincore.parse(JSON.parse(out)).fincore;
  } catch {
    return undefined;
  }
  const byPath = new Map(rows.map((row) => [row.file, row]));
  let resident = 0;
  let bytes = 0;
  for (const path of paths) {
    const row = byPath.get(path);
    if (row === undefined) return undefined;
    // Whole pages are counted: the last one reaches beyond the end.
    resident += Math.min(row.res, row.size);
    bytes += row.size;
  }
  return bytes === 0 ? 1 : resident / bytes;
}

/** Only pages that are on the disk can be dropped. */
async function writeBack(path: string): Promise<boolean> {
  try {
    await using file = await open(path, "r");
    await file.datasync();
    return true;
  } catch {
    return false;
  }
}
