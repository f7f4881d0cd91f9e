import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readState, writeState, type RunningServer } from "../../infra/emulators/emulator-state.ts";
import { environmentText } from "../../infra/emulators/environment.ts";
import { emulatorPlaces } from "../../infra/emulators/places.ts";
import { answers, isRunning } from "../../infra/emulators/server-process.ts";
import type { Server } from "../../infra/emulators/server.ts";
import { endAll, startEmulators, type Started } from "../../infra/emulators/start.ts";
import { statusRows, statusText } from "../../infra/emulators/status.ts";
import { temporaryFolder } from "../contract/temporary-folder.ts";
import { placesIn, shortLived, standIn } from "./stand-in-server.ts";

const MACHINE = { platform: "linux-x64", env: process.env };
const forever = new AbortController().signal;

/** Emulators in a folder of the test's own, ended with it. */
async function emulatorsIn() {
  const folder = await temporaryFolder();
  const places = placesIn(folder.path);
  const said: string[] = [];
  return {
    places,
    said,
    start: (
      servers: readonly Server[],
      more: Partial<Parameters<typeof startEmulators>[0]> = {},
    ): Promise<Started> => {
      const say = (line: string): void => void said.push(line);
      return startEmulators({ servers, places, machine: MACHINE, fresh: false, say, ...more }, forever);
    },
    async [Symbol.asyncDispose]() {
      await endAll(places.state);
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function onlyServer(state: string): Promise<RunningServer> {
  const { servers } = await readState(state);
  const [server] = servers;
  if (server === undefined || servers.length > 1) throw new Error(`${servers.length} servers`);
  return server;
}

test("what start prints sets exactly these variables in a shell, whatever their text", () => {
  const nasty = `it's $HOME; "x" \`id\` \\`;
  const text = environmentText({ AWS_REGION: "us-east-1", PHOTOKEEP_TABLE: nasty });
  const shell = `${text} printf '%s|%s|%s' "$AWS_REGION" "$PHOTOKEEP_TABLE" "$AWS_PROFILE"`;
  const out = execFileSync("sh", ["-c", shell], { env: { ...process.env, AWS_PROFILE: "someone" } });
  expect(String(out)).toBe(`us-east-1|${nasty}|`);
});

test("installations lie in the cache folder, and another state folder shares them", () => {
  const env = { XDG_CACHE_HOME: "/cache" };
  expect(emulatorPlaces({ cwd: "/here" }, env)).toEqual({
    programs: "/cache/photokeep/emulators",
    state: "/cache/photokeep/emulators/state",
  });
  expect(emulatorPlaces({ cwd: "/here", state: "run" }, env)).toEqual({
    programs: "/cache/photokeep/emulators",
    state: "/here/run",
  });
  expect(emulatorPlaces({ cwd: "/here", dir: "../mine" }, env).programs).toBe("/mine");
  expect(emulatorPlaces({ cwd: "/here" }, { XDG_CACHE_HOME: "" }).programs).toMatch(
    /\.cache\/photokeep\/emulators$/,
  );
});

test("a note of running servers that cannot be read is none", async () => {
  await using folder = await temporaryFolder();
  expect(await readState(folder.path)).toEqual({ servers: [] });
  await writeFile(join(folder.path, "running.json"), '{"servers":[{"pid":1}]}');
  expect(await readState(folder.path)).toEqual({ servers: [] });
  await writeFile(join(folder.path, "running.json"), '{"serv');
  expect(await readState(folder.path)).toEqual({ servers: [] });
});

test("what was started is used again by the next start, and nothing is left after stop", async () => {
  await using emulators = await emulatorsIn();
  const first = await emulators.start([standIn("dynamodb"), standIn("s3")]);
  expect(first).toMatchObject({ wasRunning: false, leftOut: [] });
  expect(first.environment).toMatchObject({
    STARTS_OF_DYNAMODB: "1",
    STARTS_OF_S3: "1",
    AWS_REGION: "us-east-1",
  });
  const { servers } = await readState(emulators.places.state);
  const second = await emulators.start([standIn("dynamodb"), standIn("s3")]);
  expect(second).toEqual({ ...first, wasRunning: true });

  const ended = await endAll(emulators.places.state);
  expect(ended.map(({ how }) => how)).toEqual(["ended", "ended"]);
  for (const { url } of servers) expect(await answers(url)).toBe(false);
  expect(await endAll(emulators.places.state)).toEqual([]);
});

test("a server of another version takes the running one's place, and its data", async () => {
  await using emulators = await emulatorsIn();
  await emulators.start([standIn("s3")]);
  const { wasRunning, environment } = await emulators.start([standIn("s3", { version: "2" })]);
  expect({ wasRunning, starts: environment["STARTS_OF_S3"] }).toEqual({ wasRunning: false, starts: "2" });
  expect(await onlyServer(emulators.places.state)).toMatchObject({ program: "stand-in-s3 2" });
});

test("what servers keep is there after a stop, and gone after a fresh start", async () => {
  await using emulators = await emulatorsIn();
  const starts = async (fresh: boolean) =>
    (await emulators.start([standIn("s3")], { fresh })).environment["STARTS_OF_S3"];
  expect(await starts(false)).toBe("1");
  await endAll(emulators.places.state);
  expect(await starts(false)).toBe("2");
  expect(await starts(true)).toBe("1");
});

test("two starts at once install once and start once", async () => {
  await using emulators = await emulatorsIn();
  let installations = 0;
  const install = {
    tools: [],
    into: async (folder: string) => {
      installations += 1;
      await writeFile(join(folder, "program"), "");
    },
  };
  const both = await Promise.all([1, 2].map(() => emulators.start([standIn("sqs", { install })])));
  expect(installations).toBe(1);
  expect(both.filter(({ wasRunning }) => wasRunning)).toHaveLength(1);
  expect(both.map(({ environment }) => environment["STARTS_OF_SQS"])).toEqual(["1", "1"]);
});

test("an installation that was interrupted is begun again, and a finished one is not", async () => {
  await using emulators = await emulatorsIn();
  const found: string[][] = [];
  let isCut = true;
  const install = {
    tools: [],
    into: async (folder: string) => {
      found.push(await readdir(folder));
      await writeFile(join(folder, "half"), "");
      if (isCut) throw new Error("the power went");
    },
  };
  const server = standIn("sqs", { install });
  await expect(emulators.start([server])).rejects.toThrow("the power went");
  isCut = false;
  await emulators.start([server]);
  await endAll(emulators.places.state);
  await emulators.start([server]);
  expect(found).toEqual([[], []]);
  expect(await readdir(join(emulators.places.programs, "stand-in-sqs-1"))).toEqual(["half"]);
});

test("a missing tool leaves out its server in a sentence that names both; the others start", async () => {
  await using emulators = await emulatorsIn();
  const machine = { platform: "linux-x64", env: { PATH: "/nowhere" } };
  const servers = [
    standIn("dynamodb", { platform: "darwin-arm64" }),
    standIn("sqs", { tools: ["java"] }),
    standIn("upload-events", { install: { tools: ["go"], into: async () => undefined } }),
    standIn("s3"),
  ];
  const { environment, leftOut } = await emulators.start(servers, { machine });
  expect(leftOut).toHaveLength(3);
  expect(leftOut).toContainEqual(
    "stand-in-dynamodb (DYNAMODB) is left out: it is published for darwin-arm64 only, and this is linux-x64.",
  );
  expect(leftOut).toContainEqual(
    expect.stringMatching(/^java is missing: .*Without it stand-in-sqs \(SQS\) is left/),
  );
  expect(leftOut).toContainEqual(expect.stringMatching(/^go is missing: /));
  expect(environment).toMatchObject({ STARTS_OF_S3: "1" });
  expect(await onlyServer(emulators.places.state)).toMatchObject({ id: "s3" });
  expect(await emulators.start(servers, { machine })).toMatchObject({ wasRunning: true, leftOut });
});

test("a server that ends at once is left out with its last words; the others start", async () => {
  await using emulators = await emulatorsIn();
  const { environment, leftOut } = await emulators.start([
    standIn("sqs", { command: shortLived("no memory left") }),
    standIn("s3"),
  ]);
  expect(leftOut).toEqual([
    expect.stringMatching(/^stand-in-sqs 1 ended at once \(no memory left\); its log is /),
  ]);
  expect(environment).toMatchObject({ STARTS_OF_S3: "1" });
});

test("a server is started behind those it comes after, and told where they are", async () => {
  await using emulators = await emulatorsIn();
  const seen: unknown[] = [];
  const { command } = standIn("s3");
  const after: Partial<Server> = {
    after: ["sqs", "dynamodb"],
    command: async (seat) => {
      seen.push(Object.keys(seat.urls), seat.environment);
      return command(seat);
    },
  };
  await emulators.start([standIn("sqs"), standIn("dynamodb", { tools: ["mvn"] }), standIn("s3", after)], {
    machine: { ...MACHINE, env: { PATH: "" } },
  });
  expect(seen).toEqual([["sqs"], { STARTS_OF_SQS: "1" }]);
});

test("a server that died meanwhile is seen, and started again with the others", async () => {
  await using emulators = await emulatorsIn();
  const servers = [standIn("sqs"), standIn("s3")];
  await emulators.start(servers);
  const {
    servers: [sqs],
  } = await readState(emulators.places.state);
  process.kill(sqs?.pid ?? 0, "SIGKILL");
  await expect.poll(() => sqs && isRunning(sqs)).toBe(false);
  const rows = await statusRows(servers, await readState(emulators.places.state), Date.now());
  expect(rows.map(({ state }) => state)).toEqual(["gone", "answers"]);
  const { wasRunning, environment } = await emulators.start(servers);
  expect({ wasRunning, ...environment }).toMatchObject({
    wasRunning: false,
    STARTS_OF_SQS: "2",
    STARTS_OF_S3: "2",
  });
});

test("what a start left behind that never finished is ended by the next", async () => {
  await using emulators = await emulatorsIn();
  await emulators.start([standIn("sqs")]);
  const orphan = await onlyServer(emulators.places.state);
  writeState(emulators.places.state, { servers: [orphan] });
  expect(await emulators.start([standIn("sqs")])).toMatchObject({ wasRunning: false });
  expect(await isRunning(orphan)).toBe(false);
});

test("an interrupted start leaves no process behind", async () => {
  await using emulators = await emulatorsIn();
  const interrupt = new AbortController();
  const started: RunningServer[] = [];
  const server = standIn("s3", {
    prepare: async () => {
      started.push(await onlyServer(emulators.places.state));
      interrupt.abort(new Error("interrupted"));
      return {};
    },
  });
  const ask = {
    servers: [server],
    places: emulators.places,
    machine: MACHINE,
    fresh: false,
    say: () => undefined,
  };
  await expect(startEmulators(ask, interrupt.signal)).rejects.toThrow("interrupted");
  expect(started).toHaveLength(1);
  for (const each of started) expect(await isRunning(each)).toBe(false);
  expect(await readState(emulators.places.state)).toEqual({ servers: [] });
});

test("a process that merely has the number of a server is left alone", async () => {
  await using emulators = await emulatorsIn();
  const stranger = spawn(process.execPath, ["-e", "setInterval(() => 0, 1000)"], {
    detached: true,
    stdio: "ignore",
  });
  await once(stranger, "spawn");
  const note: RunningServer = {
    id: "sqs",
    program: "stand-in 1",
    url: "http://127.0.0.1:9",
    pid: stranger.pid ?? 0,
    command: [process.execPath, "server.js", "--port", "9"],
    startedAt: 0,
  };
  await mkdir(emulators.places.state, { recursive: true });
  writeState(emulators.places.state, { servers: [note] });
  expect(await endAll(emulators.places.state)).toEqual([{ server: note, how: "gone" }]);
  expect(stranger.exitCode).toBe(null);
  expect(stranger.signalCode).toBe(null);
  stranger.kill("SIGKILL");
  expect(await stat(join(emulators.places.state, "running.json")).catch(() => undefined)).toBe(undefined);
});

test("status is one line per server, running or not", async () => {
  await using emulators = await emulatorsIn();
  await emulators.start([standIn("s3")]);
  const { startedAt, pid, url } = await onlyServer(emulators.places.state);
  const rows = await statusRows(
    [standIn("sqs"), standIn("s3")],
    await readState(emulators.places.state),
    startedAt + 3_720_000,
  );
  const lines = statusText(rows).split("\n");
  expect(lines.map((line) => line.split(/ {2,}/))).toEqual([
    ["stands for", "program", "licence", "address", "pid", "up", "state"],
    ["SQS", "stand-in-sqs 1", "MIT", "–", "–", "–", "not started"],
    ["S3", "stand-in-s3 1", "MIT", url, String(pid), "1 h 2 min", "answers"],
  ]);
});
