/** `npm run emulators`: the command line's edge. */
import { parseArgs } from "node:util";
import { readState } from "./emulator-state.ts";
import { environmentText, FOREIGN_IDENTITY, LOCAL_IDENTITY } from "./environment.ts";
import { inFolderAlone } from "./folder-hold.ts";
import { emulatorPlaces, type EmulatorPlaces } from "./places.ts";
import { SERVERS } from "./server-table.ts";
import { endAll, startEmulators } from "./start.ts";
import { statusRows, statusText } from "./status.ts";
import { Fault } from "#shared/domain/fault.ts";

const HELP = `Servers that stand in for DynamoDB, SQS and S3 on this machine, for tests and local stacks.

Usage: npm run emulators -- start|stop|status [options]

  start     installs what is missing, starts what does not run, creates table, queues and bucket;
            prints the environment a program needs: eval "$(npm run -s emulators -- start)"
  stop      ends them; what they keep is there again at the next start
  status    what runs, where, and whether it answers

Options:
  --fresh       start with empty servers
  --dir DIR     installations (default: photokeep/emulators in XDG_CACHE_HOME or ~/.cache)
  --state DIR   what runs, its data and logs (default: state in the folder above)
  --help        this text

Exit code: 0 all of them run (for stop: none), 1 some do not (said on stderr), 2 wrong usage.
`;
const EXIT = { ok: 0, failed: 1, usage: 2, stopped: 130 } as const;

const say = (line: string): void => console.error(line);

async function start(places: EmulatorPlaces, fresh: boolean, signal: AbortSignal): Promise<number> {
  // The adapters that create the resources take these from the environment, as everywhere.
  for (const name of FOREIGN_IDENTITY) delete process.env[name];
  Object.assign(process.env, LOCAL_IDENTITY);
  const machine = { platform: `${process.platform}-${process.arch}`, env: process.env };
  const started = await startEmulators({ servers: SERVERS, places, machine, fresh, say }, signal);
  if (started.wasRunning) say("They are running already.");
  for (const sentence of started.leftOut) say(sentence);
  process.stdout.write(environmentText(started.environment));
  return started.leftOut.length === 0 ? EXIT.ok : EXIT.failed;
}

async function stop(places: EmulatorPlaces, signal: AbortSignal): Promise<number> {
  const ended = await inFolderAlone(places.state, () => endAll(places.state), signal);
  for (const { server, how } of ended) say(`${server.program}: ${how}`);
  if (ended.length === 0) say("None was running.");
  return EXIT.ok;
}

async function status(places: EmulatorPlaces): Promise<number> {
  const rows = await statusRows(SERVERS, await readState(places.state), Date.now());
  console.log(statusText(rows));
  return rows.every(({ state }) => state === "answers") ? EXIT.ok : EXIT.failed;
}

async function main(args: string[], signal: AbortSignal): Promise<number> {
  const { values, positionals } = parse(args);
  const [command, ...rest] = positionals;
  if (values.help || command === "help") {
    console.log(HELP);
    return EXIT.ok;
  }
  if (rest.length > 0) throw usage(`it takes one command, not also ${rest.join(" ")}`);
  // npm runs scripts in the project's folder; names are meant from where the person stands.
  const cwd = process.env["INIT_CWD"] ?? process.cwd();
  const places = emulatorPlaces({ dir: values.dir, state: values.state, cwd }, process.env);
  if (command === "start") return start(places, values.fresh, signal);
  if (command === "stop") return stop(places, signal);
  if (command === "status") return status(places);
  throw usage(command === undefined ? "a command is missing" : `unknown command ${command}`);
}

function parse(args: string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean", default: false } as const;
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: { dir: text, state: text, fresh: flag, help: { ...flag, short: "h" } },
    });
  } catch (error) {
    throw usage(error instanceof Error ? error.message : String(error));
  }
}

function usage(what: string): Fault {
  return new Fault("input", "usage_invalid", `${what}; see npm run emulators -- --help.`);
}

const interrupt = new AbortController();
const onSignal = (): void => interrupt.abort(new Error("interrupted"));
process.once("SIGINT", onSignal);
process.once("SIGTERM", onSignal);
try {
  process.exitCode = await main(process.argv.slice(2), interrupt.signal);
} catch (error) {
  const isStopped = interrupt.signal.aborted;
  if (!isStopped && !(error instanceof Fault)) throw error;
  say(isStopped || !(error instanceof Fault) ? "Interrupted." : error.message);
  const isUsage = error instanceof Fault && error.code === "usage_invalid";
  process.exitCode = isStopped ? EXIT.stopped : isUsage ? EXIT.usage : EXIT.failed;
}
