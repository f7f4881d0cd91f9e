/**
 * `npm run bench:overhead`: what orchestration, files and pixels cost beside the model. A 512×512 photograph ×4 as PNG,
 * processes up, models prepared and loaded; everything from accepted to succeeded outside `session.run`, as a ratio to
 * the time inside it. Keys of the last line: overhead_thick, overhead_general, s_per_mp_general.
 */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { median, openBenchStack, secondsOf } from "./bench-stack.ts";

const PHOTO = fileURLToPath(new URL("../../examples/portrait.original.png", import.meta.url));
const GENERAL = fileURLToPath(new URL("../../../shared/models", import.meta.url));
const MEGAPIXELS = (512 * 512) / 1e6;
const RUNS = { thick: 1, general: 5 };

async function measure(
  name: "thick" | "general",
  models: string,
): Promise<{ overhead: number; secondsPerMegapixel: number }> {
  await using stack = await openBenchStack({ models });
  const photo = readFileSync(PHOTO);
  // The first, small one loads the models.
  await stack.restore(
    readFileSync(fileURLToPath(new URL("../../examples/portrait.jpg", import.meta.url))),
    { operations: { upscale: 4 } },
    "image/jpeg",
  );
  const runs: { wall: number; model: number }[] = [];
  for (let n = 0; n < RUNS[name]; n++) {
    const done = await stack.restore(photo, { operations: { upscale: 4 } });
    const run = secondsOf(done);
    runs.push(run);
    const stages = done.stages
      .filter((stage) => stage.seconds !== null)
      .map(
        (stage) =>
          `${stage.kind} ${stage.seconds?.toFixed(2)} s (${stage.model_seconds?.toFixed(2)} in ${stage.model ?? "no model"})`,
      );
    process.stdout.write(
      `${name}: ${run.wall.toFixed(2)} s, ${run.model.toFixed(2)} in models; ${stages.join(", ")}\n`,
    );
  }
  return {
    overhead: median(runs.map((run) => (run.wall - run.model) / run.model)),
    secondsPerMegapixel: median(runs.map((run) => run.wall)) / MEGAPIXELS,
  };
}

const thick = await measure("thick", "none");
const general = existsSync(GENERAL) ? await measure("general", GENERAL) : undefined;
if (general === undefined)
  process.stdout.write("realesr-general-x4v3 is not here (../shared/models): its figures are left out.\n");
const round = (value: number | undefined): number | null =>
  value === undefined ? null : Math.round(value * 10_000) / 10_000;
process.stdout.write(
  `${JSON.stringify({ overhead_thick: round(thick.overhead), overhead_general: round(general?.overhead), s_per_mp_general: round(general?.secondsPerMegapixel), s_per_mp_thick: round(thick.secondsPerMegapixel) })}\n`,
);
process.exit(0);
