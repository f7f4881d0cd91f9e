import type { EmulatorState, RunningServer } from "./emulator-state.ts";
import { answers, isRunning } from "./server-process.ts";
import { programOf, type Server } from "./server.ts";

export interface StatusRow {
  readonly standsFor: string;
  readonly program: string;
  readonly licence: string;
  readonly url: string;
  readonly pid: number | undefined;
  readonly uptimeMs: number | undefined;
  readonly state: "answers" | "silent" | "gone" | "not started";
}

/** One row per server, running or not. `now` in milliseconds since the epoch. */
export async function statusRows(
  servers: readonly Server[],
  state: EmulatorState,
  now: number,
): Promise<StatusRow[]> {
  return Promise.all(
    servers.map(async (server) => {
      const { standsFor, licence } = server;
      const running = state.servers.find(({ id }) => id === server.id);
      if (running === undefined) {
        const program = programOf(server);
        return {
          standsFor,
          program,
          licence,
          url: "",
          pid: undefined,
          uptimeMs: undefined,
          state: "not started",
        };
      }
      const { program, url, pid, startedAt } = running;
      return {
        standsFor,
        program,
        licence,
        url,
        pid,
        uptimeMs: now - startedAt,
        state: await stateOf(running),
      };
    }),
  );
}

async function stateOf(server: RunningServer): Promise<"answers" | "silent" | "gone"> {
  if (!(await isRunning(server))) return "gone";
  return (await answers(server.url)) ? "answers" : "silent";
}

/** As a table for people. */
export function statusText(rows: readonly StatusRow[]): string {
  const head = ["stands for", "program", "licence", "address", "pid", "up", "state"];
  const cells = rows.map((row) => [
    row.standsFor,
    row.program,
    row.licence,
    row.url || "–",
    row.pid === undefined ? "–" : String(row.pid),
    row.uptimeMs === undefined ? "–" : uptime(row.uptimeMs),
    row.state,
  ]);
  const table = [head, ...cells];
  const widths = head.map((_, column) => Math.max(...table.map((line) => line[column]?.length ?? 0)));
  return table
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function uptime(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return `${Math.floor(ms / 1_000)} s`;
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
