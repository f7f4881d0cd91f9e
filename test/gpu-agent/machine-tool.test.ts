import { execPath } from "node:process";
import { expect, test } from "vitest";
import { toolRunner } from "#agent/machine-tool.ts";

const { signal } = new AbortController();
const script = (text: string): string[] => ["-e", text];

test("a tool's exit code and both streams are told, and nothing goes through a shell", async () => {
  const run = toolRunner();
  const said = await run(execPath, script("console.log(1);console.error(2);process.exitCode=18"), signal);
  expect(said).toEqual({ kind: "ended", code: 18, out: "1\n", err: "2\n" });
  const args = await run(execPath, [...script("console.log(process.argv[1])"), "$(id); *"], signal);
  expect(args).toMatchObject({ code: 0, out: "$(id); *\n" });
});

test("a tool that is not there, says too much, kills itself or never ends is told apart", async () => {
  expect(await toolRunner()("no-such-tool-here", [], signal)).toEqual({ kind: "absent" });
  const flood = script("process.stdout.write('x'.repeat(100_000))");
  expect(await toolRunner({ bytesMax: 1_000 })(execPath, flood, signal)).toEqual({ kind: "excessive" });
  const killed = await toolRunner()(execPath, script("process.kill(process.pid,'SIGKILL')"), signal);
  expect(killed).toMatchObject({ kind: "ended", code: 255 });
  const endless = script("setInterval(()=>{},1000)");
  expect(await toolRunner({ ms: 50 })(execPath, endless, signal)).toEqual({ kind: "overdue" });
});

test("a caller who gives up waits no longer", async () => {
  const over = new AbortController();
  const asked = toolRunner()(execPath, script("setInterval(()=>{},1000)"), over.signal);
  over.abort(new Error("given up"));
  await expect(asked).rejects.toThrow("given up");
});
