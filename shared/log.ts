import { Fault } from "./domain/fault.ts";

/**
 * One line of JSON per event. Secrets never reach it: values under a name that smells of one are masked, and so are
 * signed URLs, wherever they lie in the fields.
 */
export type Level = "debug" | "info" | "warn" | "error";
export type Fields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(event: string, fields?: Fields): void;
  info(event: string, fields?: Fields): void;
  warn(event: string, fields?: Fields): void;
  error(event: string, fields?: Fields): void;
}

const ORDER: readonly Level[] = ["debug", "info", "warn", "error"];
const SECRET_NAME = /token|secret|password|authorization|signature|api_?key|credential/i;
const SIGNED_URL = /([?&][^=\s&"]*signature=)[^&\s"]+/gi;
/** A line in the embedded metric format is six deep. */
const DEPTH_MAX = 6;
const TEXT_MAX = 2_000;

export function createLog(ask: {
  level: Level;
  write: (line: string) => void;
  now: () => number;
  base?: Fields;
}): Log {
  const at =
    (level: Level) =>
    (event: string, fields: Fields = {}) => {
      if (ORDER.indexOf(level) < ORDER.indexOf(ask.level)) return;
      const line = {
        at: new Date(ask.now()).toISOString(),
        level,
        event,
        ...(clean({ ...ask.base, ...fields }, 0) as Fields),
      };
      ask.write(`${JSON.stringify(line)}\n`);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function clean(value: unknown, depth: number): unknown {
  if (typeof value === "string") return value.slice(0, TEXT_MAX).replace(SIGNED_URL, "$1…");
  if (value instanceof Error) {
    const { name, message, stack, cause } = value;
    const told = value instanceof Fault ? { code: value.code, details: value.details } : {};
    return clean({ name, ...told, message, stack, cause }, depth);
  }
  if (typeof value !== "object" || value === null) return typeof value === "bigint" ? String(value) : value;
  if (depth >= DEPTH_MAX) return "…";
  if (Array.isArray(value)) return value.slice(0, 50).map((each) => clean(each, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      SECRET_NAME.test(name) ? "…" : clean(each, depth + 1),
    ]),
  );
}
