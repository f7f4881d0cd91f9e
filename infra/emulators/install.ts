import { mkdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { inFolderAlone } from "./folder-hold.ts";
import { programOf, type Server } from "./server.ts";
import { demandTool, runTool, type Machine } from "./tool.ts";
import { Fault } from "#shared/domain/fault.ts";

/**
 * Makes sure that a server can be run here. A folder with its name and version is a finished installation: it is filled
 * under another name and renamed last, so that an interrupted one is repeated.
 * @param folder of all installations; may be shared by several commands at once.
 * @returns the installation's folder; the empty text for a server of our own.
 * @throws Fault missing `tool_missing`, `platform_unsupported`; busy `tool_failed`.
 */
export async function ensureInstalled(
  server: Server,
  place: { readonly folder: string; readonly machine: Machine; readonly say: (line: string) => void },
  signal: AbortSignal,
): Promise<string> {
  const { folder, machine, say } = place;
  const lack = `Without it ${server.name} (${server.standsFor}) is left out.`;
  if (server.platform !== undefined && server.platform !== machine.platform)
    throw new Fault(
      "missing",
      "platform_unsupported",
      `${server.name} (${server.standsFor}) is left out: it is published for ${server.platform} only, and this is ${machine.platform}.`,
    );
  for (const tool of server.tools) await demandTool(tool, lack, machine);
  const { install } = server;
  if (install === undefined) return "";

  const home = installationIn(folder, server);
  if (await isThere(home)) return home;
  for (const tool of install.tools) await demandTool(tool, lack, machine);
  // Each server is held for itself: they install side by side.
  const held = `${home}.install`;
  await inFolderAlone(
    held,
    async () => {
      if (await isThere(home)) return;
      say(`${server.standsFor}: installing ${programOf(server)}`);
      const draft = join(held, "draft");
      await rm(draft, { recursive: true, force: true });
      await mkdir(draft);
      await install.into(draft, (tool, args, env = {}) =>
        runTool({ tool, args, cwd: draft, lack }, { ...machine, env: { ...machine.env, ...env } }, signal),
      );
      await rename(draft, home);
    },
    signal,
  );
  return home;
}

/** The folder of a finished installation; it is there, or it is to be made. */
export function installationIn(folder: string, { name, version }: Server): string {
  return join(folder, `${name.toLowerCase()}-${version}`);
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
