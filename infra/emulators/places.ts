import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** Where emulators live: outside the checkout, so that every checkout uses the same ones. */
export interface EmulatorPlaces {
  /** What was installed, a folder per server and version. */
  readonly programs: string;
  /** What is running, its data and its logs. */
  readonly state: string;
}

/**
 * @param asked as given on the command line; relative names are meant from `cwd`. `state` alone set apart lets two sets
 *   of emulators run from one installation.
 */
export function emulatorPlaces(
  asked: { readonly dir?: string | undefined; readonly state?: string | undefined; readonly cwd: string },
  env: Readonly<Record<string, string | undefined>>,
): EmulatorPlaces {
  const cache = env["XDG_CACHE_HOME"] ?? "";
  const home = join(cache === "" ? join(homedir(), ".cache") : cache, "photokeep", "emulators");
  const programs = asked.dir === undefined ? home : resolve(asked.cwd, asked.dir);
  return {
    programs,
    state: asked.state === undefined ? join(programs, "state") : resolve(asked.cwd, asked.state),
  };
}
