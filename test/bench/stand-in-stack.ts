/**
 * The local stack with one agent of stand-in-agent.ts, in a process of its own so that its memory can be told from that
 * of whoever measures. Says its address to the parent when the agent is warm; ends on SIGTERM or without a parent.
 *
 *   node stand-in-stack.ts DATA_FOLDER FOLDER_OF_THE_STAND_IN
 */
import { choosePlaces, chooseThreads } from "#local/places.ts";
import { startStack } from "#local/stack.ts";

const [data, standIn] = process.argv.slice(2);
if (data === undefined || standIn === undefined) throw new Error("the folders are missing");
const stack = await startStack({
  ...choosePlaces({ data, models: "none", cwd: process.cwd() }),
  extraModelDirs: [standIn],
  host: "127.0.0.1",
  port: 0,
  agents: 1,
  threads: chooseThreads(0),
  logLevel: "info",
  agentProgram: new URL("./stand-in-agent.ts", import.meta.url),
});
await stack.ready;
process.send?.({ url: stack.url });

const end = Promise.withResolvers<void>();
process.once("SIGTERM", () => end.resolve());
process.once("disconnect", () => end.resolve());
await end.promise;
await stack[Symbol.asyncDispose]();
process.exit(0);
