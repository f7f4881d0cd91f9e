import { mkdtemp } from "node:fs/promises";
import { choosePlaces } from "#local/places.ts";
import { prepareModels } from "#local/prepare-models.ts";
import { budgetFor, poolModels } from "./pool-models.ts";
import { compareWithPrediction } from "./prediction.ts";
import { stageStream } from "./stage-stream.ts";
import { withLoopGap } from "./loop-gap.ts";
const folder = await mkdtemp("/tmp/poolbench-");
const places = choosePlaces({data: folder, models: undefined, cwd: process.cwd()});
await prepareModels(places, console.error);
const models = await poolModels(places);
const budgetBytes = budgetFor(models, 3);
console.log(models.map(m => `${m.id} ${(m.bytes/1e6).toFixed(0)}`).join(", "), budgetBytes/1e6);
const jobs = stageStream({models: models.length, stages: 200, seed: Number(process.argv[2] ?? 1)});
for (const policy of ["lru", "lookahead"] as const) {
  const { result, gap } = await withLoopGap(() => compareWithPrediction(policy, {folder, places, models, jobs, budgetBytes, rounds: 3, onProgress: console.error}));
  const {costs, ...rest} = result;
  if (policy==="lru") console.table(costs);
  console.log(JSON.stringify(rest, null, 1), gap, Math.abs(rest.measured.stallSeconds/rest.predicted.stallSeconds-1));
}
