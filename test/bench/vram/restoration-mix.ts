import { seededRandom } from "../../chaos/seeded-random.ts";
import type { WorkJob, Workload, WorkModel } from "./workload.ts";

/** Name, gigabytes of VRAM, seconds of one stage: orders of magnitude of published restoration models on one GPU. */
const MODELS = [
  ["vlm", 4, 1.2],
  ["face", 0.6, 0.15],
  ["scratch", 0.8, 0.3],
  ["codeformer", 2, 0.5],
  ["gfpgan", 1.6, 0.4],
  ["restoreformer", 1.9, 0.5],
  ["esrgan", 0.9, 1.2],
  ["swinir", 1.8, 2.5],
  ["hat", 2.5, 4],
  ["nafnet", 1.2, 0.8],
  ["ddcolor", 3.2, 0.6],
  ["deoldify", 1.6, 0.5],
  ["lama", 1, 0.5],
  ["sdxlinp", 7, 6],
  ["supir", 12, 18],
  ["iqa", 1.2, 0.2],
  ["depth", 1.4, 0.3],
  ["sdup", 5, 8],
] as const;

const PRESETS: readonly (readonly string[])[] = [
  ["face", "codeformer", "esrgan", "iqa"],
  ["scratch", "lama", "face", "gfpgan", "ddcolor", "esrgan", "iqa"],
  ["nafnet", "hat", "iqa"],
  ["vlm", "scratch", "sdxlinp", "face", "restoreformer", "ddcolor", "supir", "iqa"],
  ["vlm", "supir", "iqa"],
  ["ddcolor", "swinir", "iqa"],
  ["deoldify", "esrgan"],
  ["vlm", "depth", "sdup", "iqa"],
  ["face", "restoreformer", "hat", "iqa"],
  ["scratch", "lama", "nafnet", "esrgan"],
];

const TENANTS = 50;
/** Jobs a tenant sends at once, on average. */
const BURST = 4;
/** Share of the time the device would be computing if nothing were ever loaded. */
const LOAD = 0.6;

/** Over PCIe from memory, and from a disk or the blob store. */
function modelOf([id, gigabytes]: (typeof MODELS)[number]): WorkModel {
  const coldSeconds = 15 * (Math.min(1, 0.3 + gigabytes / 12) + gigabytes / 12);
  return { id, gigabytes, warmSeconds: 0.4 + gigabytes / 6, coldSeconds };
}

/**
 * Restoration jobs of fifty tenants, some far busier than others (Zipf), each with two favourite presets, in bursts;
 * single stages are left out now and then, as a plan does.
 */
export function restorationMix({
  jobs: count,
  seed,
}: {
  readonly jobs: number;
  readonly seed: number;
}): Workload {
  const random = seededRandom(seed);
  const exponential = (): number => -Math.log(1 - random());
  const secondsOf = new Map<string, number>(MODELS.map(([id, , seconds]) => [id, seconds]));
  const placeOf = new Map<string, number>(MODELS.map(([id], place) => [id, place]));
  const weights = Array.from({ length: TENANTS }, (_, tenant) => 1 / (tenant + 1));
  const weightOfAll = weights.reduce((sum, weight) => sum + weight, 0);
  const favourites = weights.map(() => [presetOf(random()), presetOf(random())] as const);
  const meanSeconds = PRESETS.flat().reduce((sum, id) => sum + (secondsOf.get(id) ?? 0), 0) / PRESETS.length;

  function drawTenant(): number {
    let rest = random() * weightOfAll;
    return Math.max(
      0,
      weights.findIndex((weight) => (rest -= weight) <= 0),
    );
  }

  const jobs: WorkJob[] = [];
  for (let burstAt = 0; jobs.length < count;) {
    burstAt += (exponential() * meanSeconds * BURST) / LOAD;
    const [often, seldom] = favourites[drawTenant()]!;
    const size = 1 + Math.floor(exponential() * (BURST - 1) + 0.5);
    const preset = random() < 0.75 ? often : seldom;
    for (let nth = 0; nth < size && jobs.length < count; nth += 1) {
      const ids = preset.filter((_, place) => place === 0 || random() > 0.12);
      const stages = ids.map((id) => ({
        model: placeOf.get(id)!,
        runSeconds: secondsOf.get(id)! * (0.6 + 0.8 * random()),
      }));
      jobs.push({ arrivesAt: burstAt + nth * 0.2, stages });
    }
  }
  jobs.sort((a, b) => a.arrivesAt - b.arrivesAt);
  return { models: MODELS.map(modelOf), jobs, activationGigabytes: 3 };
}

function presetOf(draw: number): readonly string[] {
  return PRESETS[Math.floor(draw * PRESETS.length)]!;
}
