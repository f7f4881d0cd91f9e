import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { DEFAULT_MODELS } from "#shared/domain/catalogue.ts";
import { Fault } from "#shared/domain/fault.ts";
import { defaultModelDirs } from "./model-dirs.ts";
import { trimModels } from "./disk-budget.ts";
import { knownModel } from "./model-faults.ts";
import { openModelStore } from "./model-store.ts";
import type { ModelStore } from "./model-store.ts";
import { formatBytes, formatRows, modelRows } from "./model-table.ts";
import type { PullProgress } from "./pull.ts";
import { readByteSize, trimLines } from "./trim-report.ts";

const HELP = `Models on this machine.

Usage: npm run models -- COMMAND [arguments] [options]

  list                 every known model: task, licence, size, whether it is here, how to get it
  pull [MODEL …]       convert, import or download models and check their SHA-256;
                       without names the ones that need no network: ${DEFAULT_MODELS.join(", ")}
  import FOLDER …      take over known files of a folder, recognised by SHA-256
                       (by file name where no digest is published)
  prepare [MODEL …]    optimise for this processor, so that loading takes milliseconds; without names all
  verify [MODEL …]     read the files again and compare them with their SHA-256; without names all
  trim [MODEL …]       bring the folder within --budget by removing what was not used for longest and can be had
                       again; nothing of the named models, nothing only a person can bring, nothing used just now

Options:
  --models DIR         folder of the models (default: .photokeep/models in the project)
  --budget SIZE        for trim: 2GB, 500MB, 1.5GiB or a number of bytes
  --dry-run            for trim: say what would be removed
  --json               machine-readable output
  --help               this text

Exit code: 0 done, 1 something failed (said on stderr), 2 wrong usage.
A proxy is used when NODE_USE_ENV_PROXY=1 and HTTPS_PROXY are set.
`;

/** What a command did, for a person and for a program. */
type Result = { readonly lines: string[]; readonly json: unknown; readonly failed: boolean };
type Options = { readonly signal: AbortSignal; readonly budget?: string; readonly isDryRun: boolean };
type Command = (store: ModelStore, names: readonly string[], options: Options) => Promise<Result>;

const COMMANDS: Readonly<Record<string, Command>> = {
  list: listModels,
  pull: pullModels,
  import: importModels,
  prepare: prepareModels,
  verify: verifyModels,
  trim: trimStore,
};

async function listModels(store: ModelStore): Promise<Result> {
  const rows = modelRows(await store.available());
  return { lines: [formatRows(rows)], json: rows, failed: false };
}

async function pullModels(store: ModelStore, names: readonly string[], { signal }: Options): Promise<Result> {
  return eachModel(names.length === 0 ? DEFAULT_MODELS : names, async (id) => {
    const { licence } = knownModel(id);
    await store.install(id, { signal, onProgress: progressOf(id) });
    const { bytes } = await store.verify(id);
    return `${id} is here (${formatBytes(bytes)}). Licence ${licence.name}, ${licence.class}. ${licence.notice}`;
  });
}

async function importModels(store: ModelStore, folders: readonly string[]): Promise<Result> {
  if (folders.length === 0) throw new UsageError("import needs a folder");
  const lines: string[] = [];
  const json: unknown[] = [];
  for (const folder of folders) {
    const report = await store.importFolder(resolve(folder), { byName: true });
    json.push({ folder, ...report });
    lines.push(...report.imported.map((id) => `${id} is here`));
    lines.push(...report.skipped.map(({ fileName, why }) => `left out ${fileName}: ${why}`));
  }
  if (lines.length === 0)
    lines.push("Nothing new was recognised: the known models of these folders are here already.");
  return { lines, json, failed: false };
}

async function prepareModels(
  store: ModelStore,
  names: readonly string[],
  { signal }: Options,
): Promise<Result> {
  return eachModel(await orAll(store, names), async (id) => {
    const since = performance.now();
    await store.prepare(id, signal);
    return `${id} is prepared (${Math.round(performance.now() - since)} ms)`;
  });
}

async function verifyModels(store: ModelStore, names: readonly string[]): Promise<Result> {
  return eachModel(await orAll(store, names), async (id) => {
    const { sha256, prepared } = await store.verify(id);
    return `${id} is sound${prepared ? ", also prepared" : ""} (${sha256})`;
  });
}

async function trimStore(
  store: ModelStore,
  names: readonly string[],
  { budget, isDryRun, signal }: Options,
): Promise<Result> {
  const bytesMax = budget === undefined ? undefined : readByteSize(budget);
  if (bytesMax === undefined) throw new UsageError("trim needs --budget, for example --budget 2GB");
  const asked = new Set(names.map((name) => knownModel(name).id));
  const keep = new Set(
    (await store.available()).filter(({ id }) => asked.has(id)).map(({ sha256 }) => sha256),
  );
  const report = await trimModels(store.dir, { bytesMax, keep, isDryRun }, signal);
  return { lines: trimLines(report), json: report, failed: !report.isMet };
}

async function orAll(store: ModelStore, names: readonly string[]): Promise<readonly string[]> {
  return names.length > 0 ? names : (await store.available()).map(({ id }) => id);
}

/** Does one thing to each model; what fails is said and does not stop the others. */
async function eachModel(ids: readonly string[], act: (id: string) => Promise<string>): Promise<Result> {
  const outcomes: { id: string; ok: boolean; code?: string; message: string }[] = [];
  for (const id of ids) {
    try {
      outcomes.push({ id, ok: true, message: await act(id) });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      outcomes.push({ id, ok: false, code: error.code, message: error.message });
    }
  }
  const lines = outcomes.filter(({ ok }) => ok).map(({ message }) => message);
  for (const { ok, message } of outcomes) if (!ok) console.error(message);
  return { lines, json: outcomes, failed: outcomes.some(({ ok }) => !ok) };
}

/** A line on stderr per tenth of a download. */
function progressOf(id: string): (progress: PullProgress) => void {
  let tenths = -1;
  return ({ bytes, bytesTotal }) => {
    if (bytesTotal === undefined) return;
    const now = Math.floor((bytes / bytesTotal) * 10);
    if (now !== tenths) console.error(`${id}: ${formatBytes(bytes)} of ${formatBytes(bytesTotal)}`);
    tenths = now;
  };
}

class UsageError extends Error {}

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parse(args);
  const [name, ...names] = positionals;
  if (values.help || name === "help") {
    console.log(HELP);
    return 0;
  }
  const command = Object.hasOwn(COMMANDS, name ?? "") ? COMMANDS[name ?? ""] : undefined;
  if (command === undefined)
    throw new UsageError(name === undefined ? "a command is missing" : `unknown command ${name}`);

  const dirs = defaultModelDirs();
  const store = openModelStore({ ...dirs, ...(values.models === undefined ? {} : { dir: values.models }) });
  const interrupt = new AbortController();
  process.once("SIGINT", () => interrupt.abort(new Fault("busy", "command_interrupted", "Interrupted.")));
  const { lines, json, failed } = await command(store, names, {
    signal: interrupt.signal,
    isDryRun: values["dry-run"] ?? false,
    ...(values.budget === undefined ? {} : { budget: values.budget }),
  });
  if (values.json) console.log(JSON.stringify(json, null, 2));
  else for (const line of lines) console.log(line);
  return failed ? 1 : 0;
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        models: { type: "string" },
        budget: { type: "string" },
        "dry-run": { type: "boolean" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  const isUsage = error instanceof UsageError;
  console.error(isUsage ? `${message}\n\n${HELP}` : message);
  process.exitCode = isUsage ? 2 : 1;
}
