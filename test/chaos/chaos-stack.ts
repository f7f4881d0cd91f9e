/**
 * The local stack with agents of chaos-agent.ts, as the process that is killed and started again.
 *
 *   node chaos-stack.ts DATA_FOLDER FOLDER_OF_THE_SMALL_MODEL PORT AGENTS
 */
import { choosePlaces } from "#local/places.ts";
import { startStack } from "#local/stack.ts";
import { Fault } from "#shared/domain/fault.ts";

const [data = "", smallModel = "", port = "", agents = ""] = process.argv.slice(2);
const end = Promise.withResolvers<void>();
process.once("SIGTERM", () => end.resolve());
process.once("disconnect", () => end.resolve());
try {
  await using _ = await startStack({
    ...choosePlaces({ data, models: "none", cwd: process.cwd() }),
    extraModelDirs: [smallModel],
    host: "127.0.0.1",
    port: Number(port),
    agents: Number(agents),
    threads: 1,
    logLevel: "info",
    agentProgram: new URL("./chaos-agent.ts", import.meta.url),
  });
  await end.promise;
} catch (error) {
  // Whoever was killed may hold the port or the folder for an instant: it is started again.
  if (!(error instanceof Fault)) throw error;
  process.stderr.write(`${error.message} [${error.code}]\n`);
  process.exitCode = 1;
}
process.exit();
