/** `npm start`: the whole system on this machine, until Ctrl-C. */
import { parseArgs } from "node:util";
import { readAwsPlaces } from "./aws-places.ts";
import { readModelSettings } from "./model-settings.ts";
import { choosePlaces, chooseThreads } from "./places.ts";
import { prepareModels } from "./prepare-models.ts";
import { startStack } from "./stack.ts";
import { Fault } from "#shared/domain/fault.ts";
import type { Level } from "#shared/log.ts";

const HELP = `Runs PhotoKeep on this machine: the API, a page to drop photographs on, and the agents that restore them.

  npm start [-- options]

  --port N       default 8787; 0 takes any free one
  --host NAME    default 127.0.0.1: only this machine
  --data DIR     where jobs and files are kept (default .photokeep)
  --models DIR   a folder with further model files; "none" for none (default ../shared/models, where it exists)
  --agents N     default 1
  --threads N    threads of each agent's models (default: all cores)
  --doors KIND   embedded (default): SQLite and files in the data folder; aws: DynamoDB, SQS and S3, as named by
                 PHOTOKEEP_* and AWS_* in the environment (\`npm run emulators -- start\` prints one for local servers)
  --grace HOURS  after an outage: given once to every job whose 24 hours are over (default 0)
  --log LEVEL    debug, info (default), warn, error; written to photokeep.log in the data folder

The environment may say more (docs/vram.md): PHOTOKEEP_DEVICE, PHOTOKEEP_MODEL_MEMORY_MB, PHOTOKEEP_POLICY, …
Ctrl-C stops cleanly. Whatever was accepted goes on at the next start, even after a crash.`;

const AGENTS_MAX = 16;
const GRACE_HOURS_MAX = 72;

async function main(argv: readonly string[]): Promise<void> {
  const values = readArguments(argv);
  if (values.help === true) {
    process.stdout.write(`${HELP}\n`);
    return;
  }
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const places = choosePlaces({
    data: values.data,
    models: values.models,
    cwd: process.env["INIT_CWD"] ?? process.cwd(),
  });
  await prepareModels(places, say);
  await using stack = await startStack({
    ...places,
    host: values.host ?? "127.0.0.1",
    port: wholeNumber("--port", values.port ?? "8787", { min: 0, max: 65_535 }),
    agents: wholeNumber("--agents", values.agents ?? "1", { min: 0, max: AGENTS_MAX }),
    threads: chooseThreads(wholeNumber("--threads", values.threads ?? "0", { min: 0, max: 256 })),
    graceMs: 3_600_000 * wholeNumber("--grace", values.grace ?? "0", { min: 0, max: GRACE_HOURS_MAX }),
    modelSettings: readModelSettings(process.env),
    logLevel: level(values.log ?? "info"),
    ...(takesAws(values.doors ?? "embedded") ? { aws: readAwsPlaces(process.env) } : {}),
  });
  say(`PhotoKeep is at ${stack.url}`);
  say(`  the page     ${stack.url}/`);
  say(`  the API      ${stack.url}/openapi.json`);
  say(`  its data     ${stack.data.root}`);
  stack.ready.then(
    () => say("The agents are ready. Ctrl-C stops."),
    (error: Error) => say(error.message),
  );
  await stopped();
  say("Stopping …");
}

function readArguments(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        port: { type: "string" },
        host: { type: "string" },
        data: { type: "string" },
        models: { type: "string" },
        agents: { type: "string" },
        threads: { type: "string" },
        doors: { type: "string" },
        grace: { type: "string" },
        log: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    throw usage((error as Error).message);
  }
}

function wholeNumber(name: string, text: string, range: { min: number; max: number }): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= range.min && value <= range.max) return value;
  throw usage(`${name} takes a whole number from ${range.min} to ${range.max}, not "${text}"`);
}

function takesAws(text: string): boolean {
  if (text === "aws" || text === "embedded") return text === "aws";
  throw usage(`--doors takes embedded or aws, not "${text}"`);
}

function level(text: string): Level {
  if (text === "debug" || text === "info" || text === "warn" || text === "error") return text;
  throw usage(`--log takes debug, info, warn or error, not "${text}"`);
}

function usage(message: string): Fault {
  return new Fault("input", "usage_invalid", `${message}. See npm start -- --help`);
}

function stopped(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (): void => {
      if (asked) process.exit(130);
      asked = true;
      resolve();
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
  });
}

try {
  await main(process.argv.slice(2));
  process.exitCode = 0;
} catch (error) {
  if (!(error instanceof Fault)) throw error;
  process.stderr.write(`${error.message} [${error.code}]\n`);
  process.exitCode = error.code === "usage_invalid" ? 2 : 1;
}
process.exit();
