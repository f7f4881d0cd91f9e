import { parseArgs } from "node:util";
import { Options } from "#shared/domain/options.ts";
import { Fault } from "#shared/domain/fault.ts";

/** What can be named in --only and --skip: the stages a user may switch. */
const SWITCHABLE = ["repair", "denoise", "colorize", "faces", "upscale", "tone"] as const;
type Switchable = (typeof SWITCHABLE)[number];

export interface RestoreArguments {
  readonly names: readonly string[];
  readonly options: Options;
  readonly out: string | undefined;
  readonly data: string | undefined;
  readonly models: string | undefined;
  readonly threads: number;
  readonly json: boolean;
  readonly fresh: boolean;
  readonly help: boolean;
}

export const HELP = `Restores photographs on this machine.

  npm run restore                                the bundled example
  npm run restore -- FILE|DIR|GLOB…  [options]   your own

For each photograph it writes, beside it or under --out:
  NAME.restored.png        the result
  NAME.before-after.jpg    both, side by side
  NAME.report.json         what was done, by which model, how long it took

Options
  --scale 2|4              enlarge each side (1 leaves the size alone; default 2)
  --preset NAME            faithful: invents nothing · balanced (default) · enhanced: may invent detail
  --only A,B / --skip A,B  of: ${SWITCHABLE.join(", ")}
  --repair                 try to mend scratches: long, thin, bright lines, so it may take a railing for one
  --colorize               colour a black-and-white photograph
  --format NAME            png (default), jpeg, webp, tiff
  --quality 1-100          for jpeg and webp (default 92)
  --bits 8|16              per channel, for png and tiff (default 8)
  --keep-credits           write the photograph's author, copyright and date into the result
  --out DIR                write there instead of beside the photograph
  --fresh                  restore again, even where the same command has been run before
  --json                   one line of JSON per photograph on standard output
  --data DIR               where jobs and files are kept (default .photokeep)
  --models DIR             a folder with further model files; "none" for none (default ../shared/models, where it exists)
  --threads N              threads of the models (default: all cores)

Ctrl-C stops cleanly; the same command continues from the last finished stage.
Exit code: 0 all restored, 1 some failed (each is named), 2 wrong usage, 130 stopped.`;

/** @throws Fault input `usage_invalid` with one sentence. */
export function parseRestoreArguments(argv: readonly string[]): RestoreArguments {
  const { values, positionals } = readArguments(argv);
  return {
    names: positionals,
    options: readOptions(values),
    out: values.out,
    data: values.data,
    models: values.models,
    threads: wholeNumber("--threads", values.threads ?? "0"),
    json: values.json ?? false,
    fresh: values.fresh ?? false,
    help: values.help ?? false,
  };
}

function readArguments(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        scale: { type: "string" },
        preset: { type: "string" },
        only: { type: "string" },
        skip: { type: "string" },
        repair: { type: "boolean" },
        colorize: { type: "boolean" },
        format: { type: "string" },
        quality: { type: "string" },
        bits: { type: "string" },
        "keep-credits": { type: "boolean" },
        out: { type: "string" },
        fresh: { type: "boolean" },
        json: { type: "boolean" },
        data: { type: "string" },
        models: { type: "string" },
        threads: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw usage((error as Error).message);
  }
}

function readOptions(values: ReturnType<typeof readArguments>["values"]): Options {
  const off = switchedOff(values.only, values.skip);
  const isOff = (name: Switchable): boolean => off.has(name);
  const scale = wholeNumber("--scale", values.scale ?? "2");
  const isAsked = (name: "repair" | "colorize"): boolean =>
    !isOff(name) && (values[name] === true || (values.only?.split(",").includes(name) ?? false));
  const parsed = Options.safeParse({
    preset: values.preset ?? "balanced",
    operations: {
      repair: isOff("repair") ? false : isAsked("repair") || "auto",
      denoise: isOff("denoise") ? false : "auto",
      faces: isOff("faces") ? false : "auto",
      tone: isOff("tone") ? false : "auto",
      colorize: isAsked("colorize"),
      upscale: isOff("upscale") ? 1 : scale,
    },
    output: {
      format: values.format === "jpg" ? "jpeg" : (values.format ?? "png"),
      ...(values.quality === undefined ? {} : { quality: wholeNumber("--quality", values.quality) }),
      ...(values.bits === undefined ? {} : { bits: wholeNumber("--bits", values.bits) }),
      keep_credits: values["keep-credits"] ?? false,
    },
  });
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join(".") ?? "";
  throw usage(`${WORDS[field] ?? field} is not valid`);
}

const WORDS: Record<string, string> = {
  preset: "--preset (faithful, balanced or enhanced)",
  "operations.upscale": "--scale (1, 2 or 4)",
  "output.format": "--format (png, jpeg, webp or tiff)",
  "output.quality": "--quality (1 to 100)",
  "output.bits": "--bits (8 or 16)",
};

function switchedOff(only: string | undefined, skip: string | undefined): Set<Switchable> {
  if (only !== undefined && skip !== undefined) throw usage("--only and --skip exclude each other");
  const named = (only ?? skip ?? "").split(",").filter((name) => name !== "");
  for (const name of named) {
    if (!SWITCHABLE.some((each) => each === name))
      throw usage(`"${name}" is no stage; choose from ${SWITCHABLE.join(", ")}`);
  }
  return new Set(
    SWITCHABLE.filter((name) => (only === undefined ? named.includes(name) : !named.includes(name))),
  );
}

function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw usage(`${name} takes a whole number, not "${text}"`);
  return Number(text);
}

function usage(message: string): Fault {
  return new Fault("input", "usage_invalid", `${message}. See npm run restore -- --help`);
}
