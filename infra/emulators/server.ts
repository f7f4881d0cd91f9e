import type { ServerId } from "./emulator-state.ts";
import type { Environment } from "./environment.ts";
import type { Tool } from "./tool.ts";

/** Where a server is started. */
interface Seat {
  /** What was installed; the empty text for a server of our own. */
  readonly programs: string;
  /** Its own folder, kept from start to start. */
  readonly data: string;
  /** On the loopback address. */
  readonly port: number;
  /** The servers it comes after, as far as they run. */
  readonly urls: Readonly<Partial<Record<ServerId, string>>>;
  /** What those contributed. */
  readonly environment: Environment;
}

/** Runs a tool in the folder that is being filled. */
type Run = (tool: Tool, args: readonly string[], env?: Environment) => Promise<void>;

/** One of the servers that stand in for AWS on this machine. */
export interface Server {
  readonly id: ServerId;
  /** What it stands in for. */
  readonly standsFor: string;
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** Needed to run it. */
  readonly tools: readonly Tool[];
  /** The only one it is published for. */
  readonly platform?: string;
  /** Absent for a server of our own. */
  readonly install?: {
    readonly tools: readonly Tool[];
    readonly into: (folder: string, run: Run) => Promise<void>;
  };
  /** It is started when these are ready, or known not to come. */
  readonly after: readonly ServerId[];
  /** Undefined where it makes no sense without one of those. */
  readonly command: (seat: Seat) => Promise<readonly string[] | undefined>;
  /** Creates what a local stack needs in it, where it is not there yet; tells how a program finds it. */
  readonly prepare: (url: string) => Promise<Environment>;
}

/** As people read it. */
export function programOf({ name, version }: Pick<Server, "name" | "version">): string {
  return version === "" ? name : `${name} ${version.replace(/^v/, "")}`;
}
