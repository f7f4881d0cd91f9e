import { BUILT_INS } from "./catalogue/built-ins.ts";
import { COLORIZERS } from "./catalogue/colorizers.ts";
import { FACE_MODELS } from "./catalogue/faces.ts";
import { RESTORERS } from "./catalogue/restorers.ts";
import { UPSCALERS } from "./catalogue/upscalers.ts";
import { invariant } from "./fault.ts";
import type { LicenceClass, ModelEntry, ModelId, ModelTask } from "./model.ts";
import type { Preset } from "./options.ts";

/** Every model the system knows by name. What is not listed is never loaded. */
export const CATALOGUE: readonly ModelEntry[] = [
  ...UPSCALERS,
  ...RESTORERS,
  ...BUILT_INS,
  ...FACE_MODELS,
  ...COLORIZERS,
];

/** What an installation without a network has: converted from npm packages at set-up. */
export const DEFAULT_MODELS: readonly ModelId[] = ["esrgan-thick", "blazeface", "facemesh"];

const BY_ID = new Map(CATALOGUE.map((entry) => [entry.id, entry]));
const BY_SHA256 = new Map(
  CATALOGUE.flatMap((entry) => (entry.sha256 === undefined ? [] : [[entry.sha256, entry]])),
);

export function findModel(id: string): ModelEntry | undefined {
  return BY_ID.get(id);
}

/** Lower-case hexadecimal digest of the whole file. */
export function findBySha256(sha256: string): ModelEntry | undefined {
  return BY_SHA256.get(sha256);
}

/** Whether the method is code of the agent: nothing to fetch, never missing. */
export function isBuiltIn({ source }: ModelEntry): boolean {
  return source.kind === "built-in";
}

/** Whether a deployment that allows these classes may run the model. */
export function allowedBy(licences: readonly LicenceClass[], entry: ModelEntry): boolean {
  return licences.includes(entry.licence.class);
}

type Ranking = Readonly<Record<Preset, readonly ModelId[]>>;

/** A ranking that does not depend on the preset. */
const always = (...ids: readonly ModelId[]): Ranking => ({ faithful: ids, balanced: ids, enhanced: ids });

/**
 * Best first. Faithful lists hold regression models only. Measured reasons (Y-PSNR, four Kodak crops halved and
 * enlarged ×2 again, unless said):
 * - `upscale` faithful: waifu2x noise1 32.1 dB clean and 29.0 dB after JPEG 60, without noise1 32.0 and 28.5,
 *   esrgan-thick halved 31.0 and 28.5 (×4: 31.5 against bicubic 29.9); FSRCNN gains almost nothing.
 * - `upscale` balanced: with the grain of old photographs (σ 15/255) the general Real-ESRGAN keeps 27.7 dB, esrgan-thick
 *   26.9, nomos-span 25.8; `wdn` is its training for weak denoising and keeps the grain (26.4). The RRDB GANs invent
 *   more and follow only on request. The full Real-ESRGANs take grain and blocks away themselves (`cleans`): cleaning
 *   before them costs 0.1–0.7 dB at every severity, before the other enlargers it gains (docs/chain.md).
 * - `denoise`: FFDNet first, because its strength is the measured noise level; DnCNN hardly touches film grain, less than
 *   what is built in (docs/quality.md, as for what follows).
 * - `dejpeg`: DnCNN-3 gains 1.1 dB and more down to quality 10, the built-in method a third of that.
 * - `repair`: the built-in lines, and only on request (plan.ts). The small U-Net takes eyes, collars and bows for dust
 *   and costs decibels on every photograph; `bopb-scratch` wants the picture whole at 256 px and is not run here yet.
 * - `colour-landscape` and the animevideo upscaler look wrong on people: known, but never chosen.
 */
const RANKINGS: Readonly<Record<ModelTask, Ranking>> = {
  upscale: {
    faithful: ["waifu2x-photo-noise1-x2", "waifu2x-photo-x2", "esrgan-thick", "fsrcnn-x4-luma"],
    balanced: [
      "realesr-general-x4v3",
      "realesr-general-x4v3-release",
      "realesr-general-wdn-x4v3",
      "nomos-span-x2",
      "esrgan-thick",
    ],
    enhanced: [
      "hat-l-x4",
      "hat-gan-x4",
      "real-esrgan-x2",
      "real-esrgan-x4",
      "real-esrgan-x2-fp16",
      "real-esrgan-x4-fp16",
      "realesrgan-x4plus",
      "real-web-photo-x4",
      "span-kendata-x4",
      "swin2-sr-x4",
      "realesr-general-x4v3",
      "realesr-general-x4v3-release",
      "nomos-span-x2",
      "esrgan-thick",
    ],
  },
  denoise: {
    faithful: [
      "ffdnet-color",
      "nafnet-sidd-w32",
      "scunet-psnr",
      "cosine-denoise",
      "dncnn-color-blind",
      "dncnn25-gray",
    ],
    balanced: [
      "ffdnet-color",
      "scunet-psnr",
      "nafnet-sidd-w32",
      "cosine-denoise",
      "dncnn-color-blind",
      "dncnn25-gray",
    ],
    enhanced: [
      "scunet-gan",
      "scunet-psnr",
      "ffdnet-color",
      "nafnet-sidd-w32",
      "cosine-denoise",
      "dncnn-color-blind",
      "dncnn25-gray",
    ],
  },
  deblur: always("nafnet-reds"),
  dejpeg: {
    faithful: ["fbcnn", "dncnn3-dejpeg-luma", "cosine-deblock"],
    balanced: ["fbcnn", "dejpg-realplksr", "dncnn3-dejpeg-luma", "cosine-deblock"],
    enhanced: ["dejpg-realplksr", "fbcnn", "dncnn3-dejpeg-luma", "cosine-deblock"],
  },
  repair: always("scratch-lines"),
  inpaint: always("lama"),
  colorize: {
    faithful: [],
    balanced: ["ddcolor", "deoldify-stable", "ddcolor-tiny", "ddcolor-artistic"],
    enhanced: ["ddcolor-artistic", "ddcolor", "deoldify-stable", "ddcolor-tiny"],
  },
  face: {
    faithful: [],
    balanced: ["restoreformer-pp", "codeformer", "gfpgan-1.4", "gpen-bfr-512"],
    enhanced: ["codeformer", "restoreformer-pp", "gfpgan-1.4", "gpen-bfr-512"],
  },
  "face-detect": always("yunet", "yunet-640", "blazeface", "ultraface-rfb-320"),
  "face-landmarks": always("landmark-2dfan4", "facemesh"),
  "face-identity": always("sface", "mobilefacenet"),
  "face-parsing": always("bisenet-18", "skin-clothes-hair"),
  "face-quality": always("ediffiqa-t"),
  enhance: { faithful: [], balanced: [], enhanced: ["osediff", "supir-unet"] },
};

export type ModelWish = {
  readonly preset: Preset;
  /** For `upscale`: the enlargement of each side; 4 when absent. */
  readonly scale?: number;
};

/**
 * The models for a task, best first; the planner takes the first that is present and allowed. A model that enlarges more
 * than wanted serves too (its result is reduced); one that enlarges less only where two passes of it were measured,
 * because they double its artefacts. An empty answer means that no model of this preset does the task.
 */
export function modelsFor(task: ModelTask, { preset, scale = 4 }: ModelWish): ModelId[] {
  const ranked = RANKINGS[task][preset];
  if (task !== "upscale") return [...ranked];
  return ranked.filter((id) => reachOf(id) >= scale);
}

/** How much a model enlarges at most, in as many passes as it may make. */
function reachOf(id: ModelId): number {
  const entry = BY_ID.get(id);
  invariant(entry !== undefined, `the ranked model ${id} is in the catalogue`);
  return entry.twice === true ? entry.scale ** 2 : entry.scale;
}
