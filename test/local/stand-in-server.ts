import type { ServerId } from "../../infra/emulators/emulator-state.ts";
import type { EmulatorPlaces } from "../../infra/emulators/places.ts";
import type { Server } from "../../infra/emulators/server.ts";
import { join } from "node:path";

/** Answers with how often a server was started on its data. */
const PROGRAM = `
  const fs = require("node:fs");
  fs.appendFileSync("starts", "x");
  require("node:http")
    .createServer((request, response) => response.end(String(fs.readFileSync("starts").length)))
    .listen(Number(process.argv[1]), "127.0.0.1");
`.replaceAll("\n", " ");

/** A server as small as they get, installed by writing nothing; its variable tells how often it was started. */
export function standIn(id: ServerId, parts: Partial<Server> = {}): Server {
  return {
    id,
    standsFor: id.toUpperCase(),
    name: `stand-in-${id}`,
    version: "1",
    licence: "MIT",
    tools: [],
    install: { tools: [], into: async () => undefined },
    after: [],
    command: async ({ port }) => [process.execPath, "-e", PROGRAM, String(port)],
    prepare: async (url) => ({ [`STARTS_OF_${id.toUpperCase()}`]: await (await fetch(url)).text() }),
    ...parts,
  };
}

/** A server whose process says this and ends. */
export const shortLived = (words: string): Server["command"] => {
  return async ({ port }) => [process.execPath, "-e", `console.log(${JSON.stringify(words)})`, String(port)];
};

export const placesIn = (folder: string): EmulatorPlaces => ({
  programs: join(folder, "programs"),
  state: join(folder, "state"),
});
