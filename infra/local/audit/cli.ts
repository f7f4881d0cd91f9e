/** `npm run audit`: holds everything that is stored against the invariants, beside a running system or a stopped one. */
import { parseArgs } from "node:util";
import { openAwsAudit, openEmbeddedAudit, type AuditEngines } from "./audit-engines.ts";
import { readAwsPlaces } from "../aws-places.ts";
import { choosePlaces } from "../places.ts";
import { audit, type AuditCounts } from "#functions/audit/audit.ts";
import { FINDINGS, findingLine, type Finding } from "#functions/audit/finding.ts";
import { systemClock as clock } from "#shared/adapters/system-clock.ts";
import { systemEntropy as entropy } from "#shared/adapters/system-entropy.ts";
import { Fault } from "#shared/domain/fault.ts";

const HELP = `Checks what is stored against the invariants of docs/reliability.md. Writes nothing; a stack may be running.

  npm run audit -- [options]

  --data DIR     the data folder of a local stack (default .photokeep)
  --doors KIND   embedded (default), or aws: the table and the bucket that PHOTOKEEP_* and AWS_* name
  --blobs        also ask for every object that a job names: is it there, with its length and checksum
  --bytes        also read every byte of them
  --json         findings as JSON, one a line

Findings go to stdout, one a line with what to do; progress to stderr. The last line is
{"items","jobs","findings","not_compared"}: of the last, months and accounts that moved whenever they were read.
Exit code 0: nothing was found; 1: something was, or the audit could not be finished; 2: it was called wrongly.`;

const PROGRESS_MS = 2_000;

async function main(argv: readonly string[]): Promise<number> {
  const values = readArguments(argv);
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  if (values.help === true) {
    say(HELP);
    return 0;
  }
  await using engines = await open(values);
  const { store, blobs, parts } = engines;
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort(new Fault("busy", "audit_stopped", "The audit was stopped.")));
  const depth = values.bytes === true ? "bytes" : values.blobs === true ? "heads" : undefined;
  const { items, jobs, unknown, uncompared, findings } = await audit(
    { store, clock, ...(depth === undefined ? {} : { blobs: { blobs, depth } }) },
    {
      parts,
      onFinding: (finding) =>
        say(values.json === true ? JSON.stringify(shown(finding)) : findingLine(finding)),
      onUncompared: ({ pk, sk }) =>
        void process.stderr.write(
          `${pk}/${sk} was not compared with its rows: it kept moving, or is too large.\n`,
        ),
      onProgress: progress(),
    },
    stop.signal,
  );
  if (unknown > 0) process.stderr.write(`${unknown} items are of kinds that this version does not know.\n`);
  say(JSON.stringify({ items, jobs, findings, not_compared: uncompared }));
  return findings === 0 ? 0 : 1;
}

function open(values: { data?: string; doors?: string }): Promise<AuditEngines> {
  const doors = values.doors ?? "embedded";
  if (doors !== "aws" && doors !== "embedded") throw usage(`--doors takes embedded or aws, not "${doors}"`);
  if (doors === "aws") return openAwsAudit(readAwsPlaces(process.env), { clock, entropy });
  const cwd = process.env["INIT_CWD"] ?? process.cwd();
  const { dataDir } = choosePlaces({ data: values.data, models: "none", cwd });
  return openEmbeddedAudit(dataDir, { clock, entropy });
}

function shown(finding: Finding): unknown {
  return { ...finding, ...FINDINGS[finding.kind] };
}

/** A line every now and then, for whoever waits. */
function progress(): (counts: AuditCounts) => void {
  let saidAt = performance.now();
  return ({ items, jobs, findings }) => {
    if (performance.now() - saidAt < PROGRESS_MS) return;
    saidAt = performance.now();
    process.stderr.write(`${items} items, ${jobs} jobs, ${findings} findings\n`);
  };
}

function readArguments(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        data: { type: "string" },
        doors: { type: "string" },
        blobs: { type: "boolean" },
        bytes: { type: "boolean" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    throw usage((error as Error).message);
  }
}

function usage(message: string): Fault {
  return new Fault("input", "usage_invalid", `${message}. See npm run audit -- --help`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Fault)) throw error;
  process.stderr.write(`${error.message} [${error.code}]\n`);
  process.exitCode = error.code === "usage_invalid" ? 2 : 1;
}
