import { mkdir, readdir, writeFile } from "node:fs/promises";
import { delimiter } from "node:path";
import { expect, test } from "vitest";
import { readAgentConfig, readWorkerConfig } from "#agent/config.ts";
import { openScratch } from "#agent/scratch.ts";
import { temporaryFolder } from "./image/picture-fixture.ts";

const variables = {
  PHOTOKEEP_CONTROL_URL: "http://127.0.0.1:8080/",
  PHOTOKEEP_FLEET_SECRET: "0123456789abcdef",
  PHOTOKEEP_DATA: "/data",
  PHOTOKEEP_MODELS: "/models",
  PHOTOKEEP_EXTRA_MODELS: ["/more", "/others"].join(delimiter),
  PHOTOKEEP_THREADS: "0",
  PATH: "/bin",
};

test("the worker learns what it needs from the supervisor, and no secret", () => {
  const config = readAgentConfig(variables);
  const handed = config.workerEnvironment("/data/scratch/agent-1/slot-0");
  expect(JSON.stringify(handed)).not.toContain(variables.PHOTOKEEP_FLEET_SECRET);
  expect(Object.keys(handed).every((name) => name.startsWith("PHOTOKEEP_"))).toBe(true);
  expect(readWorkerConfig(handed, 6)).toEqual({
    blobs: { folder: "/data/blobs" },
    scratch: "/data/scratch/agent-1/slot-0",
    modelsDir: "/models",
    extraModelDirs: ["/more", "/others"],
    threads: 6,
    provider: "cpu",
    modelDiskBytes: undefined,
    licences: ["commercial", "attribution"],
    logLevel: "info",
  });
});

test("on AWS's engines the worker gets what the SDK needs and its bucket, and still no secret of the fleet", () => {
  const aws = {
    ...variables,
    PHOTOKEEP_DOORS: "aws",
    PHOTOKEEP_DOORBELLS_URL: "http://127.0.0.1:9324/queue/bells",
    PHOTOKEEP_BUCKET: "photographs",
    AWS_REGION: "eu-central-1",
    HOME: "/home/photokeep",
  };
  const config = readAgentConfig(aws);
  expect(config.doorbells).toEqual({ url: aws.PHOTOKEEP_DOORBELLS_URL });
  const handed = config.workerEnvironment("/scratch");
  expect(handed).toMatchObject({ AWS_REGION: "eu-central-1", HOME: "/home/photokeep" });
  expect(handed).not.toHaveProperty("PATH");
  expect(JSON.stringify(handed)).not.toContain(variables.PHOTOKEEP_FLEET_SECRET);
  expect(readWorkerConfig(handed, 6).blobs).toEqual({ bucket: "photographs" });
});

test.each(["PHOTOKEEP_DOORBELLS_URL", "PHOTOKEEP_BUCKET"])(
  "on AWS's engines a missing %s is named",
  (name) => {
    const aws = { ...variables, PHOTOKEEP_DOORS: "aws", PHOTOKEEP_SCRATCH: "/scratch" };
    const read = name === "PHOTOKEEP_BUCKET" ? () => readWorkerConfig(aws, 1) : () => readAgentConfig(aws);
    expect(read).toThrow(name);
  },
);

test("an operator says what models run on, what they may take, and which of them stay", () => {
  const { device, pool, hasSpareWorker } = readAgentConfig(variables);
  expect(device).toEqual({ kind: "auto" });
  expect(pool).toEqual({
    policy: "lookahead",
    budgetBytes: 2 * 2 ** 30,
    warmBytesMax: 4 * 2 ** 30,
    pinned: [],
  });
  expect(hasSpareWorker).toBe(true);
  const chosen = readAgentConfig({
    ...variables,
    PHOTOKEEP_DEVICE: "cuda:1",
    PHOTOKEEP_MODEL_MEMORY_MB: "512",
    PHOTOKEEP_WARM_MEMORY_MB: "1024",
    PHOTOKEEP_POLICY: "gdsf",
    PHOTOKEEP_PINNED_MODELS: "yunet,ffdnet-color",
    PHOTOKEEP_SPARE_WORKER: "no",
  });
  expect(chosen).toMatchObject({ device: { kind: "list", indices: [1] }, hasSpareWorker: false });
  expect(chosen.pool).toEqual({
    policy: "gdsf",
    budgetBytes: 512 * 2 ** 20,
    warmBytesMax: 2 ** 30,
    pinned: ["yunet", "ffdnet-color"],
  });
  expect(() => readAgentConfig({ ...variables, PHOTOKEEP_POLICY: "fifo" })).toThrow("PHOTOKEEP_POLICY");
  expect(() => readAgentConfig({ ...variables, PHOTOKEEP_DEVICE: "tpu" })).toThrow("tpu");
});

test("a trailing slash of the control plane's address does not matter", () => {
  expect(readAgentConfig(variables).controlUrl).toBe("http://127.0.0.1:8080");
});

test.each([
  ["PHOTOKEEP_CONTROL_URL", "file:///etc"],
  ["PHOTOKEEP_FLEET_SECRET", "short"],
  ["PHOTOKEEP_DATA", ""],
  ["PHOTOKEEP_THREADS", "-1"],
  ["PHOTOKEEP_LICENCES", "commercial,anything"],
  ["PHOTOKEEP_LOG_LEVEL", "loud"],
])("a wrong %s is named", (name, value) => {
  expect(() => readAgentConfig({ ...variables, [name]: value })).toThrow(name);
});

test("an agent empties its own scratch and removes that of agents that are gone, but not of those that live", async () => {
  await using folder = await temporaryFolder();
  const root = folder.path("scratch");
  // No process has so high a number.
  for (const name of ["agent-4194999", `agent-${process.ppid}`, `agent-${process.pid}`, "intake"]) {
    await mkdir(`${root}/${name}`, { recursive: true });
    await writeFile(`${root}/${name}/left-over`, "x");
  }
  const own = await openScratch(root, process.pid);
  expect(await readdir(own)).toEqual([]);
  expect((await readdir(root)).sort()).toEqual(
    [`agent-${process.pid}`, `agent-${process.ppid}`, "intake"].sort(),
  );
});
