import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { execPath } from "node:process";
import { expect, test } from "vitest";
import { openPoolLog } from "#agent/vram/pool-log.ts";
import { emptyPicture } from "#agent/vram/pool-picture.ts";
import { poolPath, recordText } from "#agent/vram/pool-record.ts";
import { createPoolWorld } from "./pool-world.ts";
import { temporaryFolder } from "../../contract/temporary-folder.ts";
import { CROWDED, keepBusy } from "./picture-world.ts";

const CLI = resolve(import.meta.dirname, "../../../gpu-agent/vram/cli.ts");
/** No process has it: the largest that Linux gives is below. */
const GONE = 0x7fff_fffe;

type Outcome = { code: number; out: string; err: string };

/** Runs the command as a person would; never finds a stack trace in what it says. */
async function vram(...args: string[]): Promise<Outcome> {
  const outcome = await new Promise<Outcome>((done) => {
    const child = execFile(execPath, [CLI, ...args], (_, out, err) =>
      done({ code: child.exitCode ?? -1, out, err }),
    );
  });
  expect(outcome.err).not.toMatch(/^\s+at /m);
  return outcome;
}

/** What a pool has written that has worked for a minute, as a process of this number. */
async function worked(data: string, pid: number): Promise<string> {
  const path = poolPath(join(data, "pools"), { pid, slot: 0 });
  const world = createPoolWorld({ ...CROWDED, onEvent: (event) => log.note(event, world.pool.state()) });
  const log = openPoolLog({
    ...CROWDED,
    path,
    pid,
    device: "simulated",
    clock: world.clock,
    onProblem: (problem) => expect.fail(problem),
  });
  await keepBusy(world);
  await log[Symbol.asyncDispose]();
  return path;
}

test("help is given on request, and with the complaint about a wrong use", async () => {
  const help = await vram("--help");
  expect(help).toMatchObject({ code: 0, err: "" });
  for (const word of ["--data", "--watch", "--timeline", "--last", "--json"])
    expect(help.out).toContain(word);
  for (const wrong of [
    ["--nope"],
    ["extra"],
    ["--watch", "--json"],
    ["--last", "5"],
    ["--timeline", "x", "--last", "0"],
  ]) {
    const { code, err, out } = await vram(...wrong);
    expect(code, wrong.join(" ")).toBe(2);
    expect(err).toContain("Usage:");
    expect(out).toBe("");
  }
});

test("where no agent has run yet, that is said, and there is nothing to draw", async () => {
  await using folder = await temporaryFolder();
  const at = ["--data", folder.path];
  expect(await vram(...at)).toEqual({
    code: 0,
    out: "No agent has run here yet; npm start begins one.\n",
    err: "",
  });
  expect(JSON.parse((await vram(...at, "--json")).out)).toEqual({ pools: [], damaged: [] });
  expect(await vram(...at, "--timeline", join(folder.path, "t.svg"))).toMatchObject({ code: 1, out: "" });
});

test("a pool that has worked is shown to people and programs, and drawn", async () => {
  await using folder = await temporaryFolder();
  const at = ["--data", folder.path];
  await worked(folder.path, process.pid);
  const shown = await vram(...at);
  expect(shown).toMatchObject({ code: 0, err: "" });
  expect(shown.out).toMatch(new RegExp(`^Agent ${process.pid}, slot 0, on simulated: ended`));
  expect(shown.out).toContain("2 of 3 models loaded; waits for work");
  for (const id of ["a", "b", "c"]) expect(shown.out).toMatch(new RegExp(`^  ${id}  +(hot|warm) `, "m"));
  expect(shown.out).toContain("evicted for");
  expect(shown.out).toContain("10 stages started");

  const json = JSON.parse((await vram(...at, "--json")).out) as {
    pools: { picture: { counters: unknown } }[];
  };
  expect(json.pools).toMatchObject([
    { status: "ended", slot: 0, pid: process.pid, picture: { counters: { grants: 10 } } },
  ]);

  const svg = join(folder.path, "t.svg");
  expect(await vram(...at, "--timeline", svg, "--last", "30")).toMatchObject({ code: 0, err: "" });
  expect(await readFile(svg, "utf8")).toMatch(/^<svg .* of 30 s stalled.*<\/svg>\n$/s);
});

test("an agent whose process is gone is called so, a damaged file is named, and no file can command the terminal", async () => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, "pools"));
  const device = "evil\u001b[2J\u202edevice";
  const picture = emptyPicture({ device, deviceBytes: 10, reserveBytes: 1, atMs: 1_000 });
  const path = poolPath(join(folder.path, "pools"), { pid: GONE, slot: 0 });
  await writeFile(path, recordText({ pid: GONE, hasEnded: false, picture, events: [] }));
  const damaged = poolPath(join(folder.path, "pools"), { pid: 1, slot: 0 });
  await writeFile(damaged, "{");
  const { code, out, err } = await vram("--data", folder.path);
  expect(code).toBe(1);
  expect(out).toContain("its process is gone");
  expect(out).toContain("evil?[2J?device");
  expect(err).toBe(`${damaged} cannot be read: it is damaged, or was written by another version.\n`);
});

test("what is watched is drawn again and again, until it is interrupted", async () => {
  await using folder = await temporaryFolder();
  const child = spawn(execPath, [CLI, "--data", folder.path, "--watch"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const redrawn = Promise.withResolvers<void>();
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    if (out.split("No agent has run here yet").length > 2) redrawn.resolve();
  });
  await redrawn.promise;
  const ended = once(child, "exit");
  child.kill("SIGINT");
  expect(await ended).toEqual([0, null]);
});
