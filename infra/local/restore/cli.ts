/** `npm run restore`: the command line's edge. */
import { readFile } from "node:fs/promises";
import { basename, join, relative, resolve } from "node:path";
import { createHash } from "node:crypto";
import { readModelSettings } from "../model-settings.ts";
import { choosePlaces, chooseThreads, PROJECT_ROOT } from "../places.ts";
import { demandRoom, RUN_BYTES_MIN } from "../disk-room.ts";
import { prepareModels } from "../prepare-models.ts";
import { HELP, parseRestoreArguments, type RestoreArguments } from "./arguments.ts";
import { createClient } from "./client.ts";
import { connect } from "./connect.ts";
import { expandInputs, targetsOf, type Input } from "./inputs.ts";
import { restorePhoto, type Restored } from "./restore-photo.ts";
import { createScreen, duration, type Screen } from "./screen.ts";
import { Fault } from "#shared/domain/fault.ts";

const EXAMPLE = join(PROJECT_ROOT, "examples", "portrait.jpg");
const EXIT = { ok: 0, someFailed: 1, usage: 2, stopped: 130 } as const;
const EXTENSIONS = { png: "png", jpeg: "jpg", webp: "webp", tiff: "tif" } as const;

async function main(argv: readonly string[]): Promise<number> {
  const args = parseRestoreArguments(argv);
  if (args.help) {
    process.stdout.write(`${HELP}\n`);
    return EXIT.ok;
  }
  const screen = createScreen(args.json ? process.stderr : process.stdout, () => performance.now());
  const stop = stopOnSignals(screen);
  try {
    return await run(args, screen, stop);
  } catch (error) {
    if (stop.aborted) return EXIT.stopped;
    throw error;
  } finally {
    screen.clear();
  }
}

async function run(args: RestoreArguments, screen: Screen, signal: AbortSignal): Promise<number> {
  // npm runs scripts in the project's folder; names are meant from where the person stands.
  const cwd = process.env["INIT_CWD"] ?? process.cwd();
  const inputs = args.names.length === 0 ? [{ path: EXAMPLE }] : await expandInputs(args.names, cwd);
  const places = choosePlaces({ data: args.data, models: args.models, cwd });
  const models = await prepareModels(places, screen.say, signal);
  signal.throwIfAborted();
  await using stack = await connect({
    ...places,
    host: "127.0.0.1",
    port: 0,
    agents: 1,
    threads: chooseThreads(args.threads),
    // It ends soon: its memory is worth more than a quick restart.
    modelSettings: { PHOTOKEEP_SPARE_WORKER: "no", ...readModelSettings(process.env) },
    logLevel: "info",
  });
  if (!stack.own) screen.say(`Using the PhotoKeep that is running at ${stack.url}`);
  await Promise.race([stack.ready, aborted(signal)]);

  const client = createClient(stack.url);
  const modelsKey = createHash("sha256").update(models.join("\n")).digest("hex");
  const outDir = args.out === undefined ? undefined : resolve(cwd, args.out);
  const taken = new Set<string>();
  let failed = 0;
  for (const [i, input] of inputs.entries()) {
    signal.throwIfAborted();
    screen.say(
      inputs.length > 1
        ? `${i + 1} of ${inputs.length}  ${relative(cwd, input.path)}`
        : relative(cwd, input.path),
    );
    const targets = targetsOf({
      path: input.path,
      outDir,
      extension: EXTENSIONS[args.options.output.format],
      taken,
    });
    try {
      refuse(input);
      const ask = {
        client,
        path: input.path,
        targets,
        options: args.options,
        modelsKey,
        fresh: args.fresh,
        checkRoom: () => demandRoom(places.dataDir, RUN_BYTES_MIN),
        onChange: screen.show,
      };
      const done = await restorePhoto(ask, signal);
      tellDone(screen, done, relative(cwd, targets.image));
      if (args.json)
        process.stdout.write(
          `${await readFile(targets.report, "utf8").then((text) => JSON.stringify(JSON.parse(text)))}\n`,
        );
    } catch (error) {
      if (signal.aborted) throw error;
      failed += 1;
      tellFailed(screen, input.path, error);
      if (args.json)
        process.stdout.write(
          `${JSON.stringify({ input: { file: basename(input.path) }, error: publicError(error) })}\n`,
        );
    }
  }
  if (inputs.length > 1)
    screen.say(
      `${inputs.length - failed} of ${inputs.length} restored${failed > 0 ? `, ${failed} failed` : ""}.`,
    );
  return failed === 0 ? EXIT.ok : EXIT.someFailed;
}

function refuse(input: Input): void {
  if ("problem" in input) throw new Fault("input", "file_unreadable", `It ${input.problem}`);
}

function tellDone(screen: Screen, { restoration, repeated }: Restored, image: string): void {
  const { output, warnings, created_at, completed_at } = restoration;
  for (const warning of warnings) screen.say(`  note: ${warning}`);
  const size = output === null ? "" : ` ${output.width}×${output.height}`;
  const took =
    completed_at === null
      ? ""
      : ` in ${duration((Date.parse(completed_at) - Date.parse(created_at)) / 1000)}`;
  screen.say(`  → ${image}${size}${repeated ? ", restored before (--fresh does it again)" : took}`);
}

function tellFailed(screen: Screen, path: string, error: unknown): void {
  const { code, message } = publicError(error);
  screen.problem(`  ${basename(path)}: ${message} [${code}]`);
}

/** A Fault speaks for itself; anything else is our bug, said in one sentence. */
function publicError(error: unknown): { code: string; message: string } {
  if (error instanceof Fault) return { code: error.code, message: error.message };
  return {
    code: "internal_error",
    message: `Something went wrong on our side (${error instanceof Error ? error.message : String(error)}); the log in the data folder says more.`,
  };
}

/** The first Ctrl-C stops cleanly; a second one ends the process at once. */
function stopOnSignals(screen: Screen): AbortSignal {
  const stop = new AbortController();
  const onSignal = (): void => {
    if (stop.signal.aborted) process.exit(EXIT.stopped);
    screen.say("Stopping; the same command continues from the last finished stage.");
    stop.abort(new Error("stopped"));
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return stop.signal;
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const { code, message } = publicError(error);
  process.stderr.write(`${message} [${code}]\n`);
  process.exitCode = code === "usage_invalid" ? EXIT.usage : EXIT.someFailed;
}
// Nothing is left to wait for; an idle keep-alive connection must not hold the prompt back.
process.exit();
