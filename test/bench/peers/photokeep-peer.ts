/**
 * PhotoKeep as a peer: the real local stack with the npm weights alone, prepared and loaded, through its API. Seconds
 * run from accepted to succeeded by the server's clock: intake in the quarantine, analysis, every file hashed, previews.
 * This process is control plane and client in one, so that the client's memory and time count as PhotoKeep's.
 *
 *   node photokeep-peer.ts [FOLDER_OF_A_STAND_IN]
 *
 * A stand-in is another ONNX file in the place of the npm weights (stand-in-place.ts); all else is as ever.
 */
import { createWriteStream, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createBenchClient } from "../bench-client.ts";
import { secondsOf } from "../bench-stack.ts";
import { servePeer } from "./peer-protocol.ts";
import { choosePlaces, chooseThreads } from "#local/places.ts";
import { prepareModels } from "#local/prepare-models.ts";
import { startStack } from "#local/stack.ts";
import project from "../../../package.json" with { type: "json" };

/** Nothing but the model: the other contenders do nothing else. */
const OPERATIONS = { upscale: 4, repair: false, denoise: false, faces: false, tone: false } as const;
const MODEL = "esrgan-thick";

const [standIn] = process.argv.slice(2);
const data = await mkdtemp(join(tmpdir(), "photokeep-peer-"));
const places = choosePlaces({ data, models: "none", cwd: process.cwd() });
await prepareModels(places, () => undefined);
const stack = await startStack({
  ...places,
  ...(standIn === undefined
    ? {}
    : { extraModelDirs: [standIn], agentProgram: new URL("../stand-in-agent.ts", import.meta.url) }),
  host: "127.0.0.1",
  port: 0,
  agents: 1,
  threads: chooseThreads(0),
  logLevel: "info",
});
await stack.ready;
const client = createBenchClient(stack.url);

const versions = `Node ${process.versions.node}, onnxruntime-node ${project.dependencies["onnxruntime-node"]}`;
await servePeer(`PhotoKeep: ${versions}`, async ({ input, output }) => {
  const contentType = input.endsWith(".png") ? "image/png" : "image/jpeg";
  const done = await client.restore(readFileSync(input), { operations: OPERATIONS }, contentType);
  const { model } = done.stages.find(({ kind }) => kind === "upscale") ?? {};
  if (model !== MODEL) throw new Error(`enlarged by ${model ?? "nothing"}, not by ${MODEL}`);
  const answer = await fetch(done.output?.url ?? "");
  if (!answer.ok || answer.body === null) throw new Error(`download: ${answer.status}`);
  await pipeline(Readable.fromWeb(answer.body), createWriteStream(output));
  return { seconds: secondsOf(done).wall };
});
await stack[Symbol.asyncDispose]();
await rm(data, { recursive: true, force: true });
process.exit(0);
