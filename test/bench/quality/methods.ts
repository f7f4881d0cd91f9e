import { findModel } from "#shared/domain/catalogue.ts";
import { bicubic, lanczos3 } from "#agent/image/resample.ts";
import { estimateJpegQuality } from "#functions/intake/jpeg-quality.ts";
import type { MemoryPicture } from "../../measures/memory-picture.ts";
import { readPicture } from "../../measures/read-picture.ts";
import { openBenchStack, type BenchStack } from "../bench-stack.ts";
import { fitted } from "./fitted.ts";
import { openModelBench, type ModelBench } from "./model-bench.ts";
import { REDUCTION, type OldPhoto } from "./old-photo.ts";
import { MODELS } from "./truths.ts";

/** What an old photograph goes in with, and the size to which it is to come. */
interface Patient {
  readonly old: OldPhoto;
  readonly size: { readonly width: number; readonly height: number };
}

/** A result at the truth's size, and which stages ran with which models. */
interface Treated {
  readonly picture: MemoryPicture;
  readonly chain: string;
}

/** One way to treat an old photograph. */
export interface Method {
  readonly id: string;
  readonly title: string;
  readonly group: "plain" | "alone" | "preset" | "ablation";
  /** What must run for it; one at a time is open, because of memory. */
  readonly needs: "nothing" | "models" | "stack" | "npm stack";
  /** Everything beyond code and models that decides the result. */
  readonly options: unknown;
}

/** The methods that need no model. `exact tone` is told what the fading did: how far tone correction could get. */
export const PLAIN: readonly Method[] = [
  { id: "bicubic", title: "the input, bicubic", group: "plain", needs: "nothing", options: {} },
  { id: "lanczos3", title: "the input, Lanczos 3", group: "plain", needs: "nothing", options: {} },
  {
    id: "exact tone",
    title: "fading undone exactly, bicubic",
    group: "plain",
    needs: "nothing",
    options: {},
  },
];

const preset = (id: string, title: string, options: object, needs: Method["needs"] = "stack"): Method => ({
  id,
  title,
  group: "preset",
  needs,
  options,
});
export const PRESETS: readonly Method[] = [
  preset("faithful", "**faithful**", { preset: "faithful" }),
  preset("balanced", "balanced (the default)", { preset: "balanced" }),
  preset("enhanced", "enhanced", { preset: "enhanced" }),
  preset("npm faithful", "faithful, npm weights alone", { preset: "faithful" }, "npm stack"),
];

/** The faithful preset with one stage changed: a default one switched off (enlargement is then by bicubic), or repair on. */
export const ABLATIONS: readonly Method[] = (
  [
    ["without tone", { tone: false }],
    ["without denoise", { denoise: false }],
    ["without upscale", { upscale: 1 }],
    ["with repair", { repair: true }],
  ] as const
).map(([id, operations]) => ({
  id,
  title: id,
  group: "ablation",
  needs: "stack",
  options: { preset: "faithful", operations },
}));

/** A model alone: enlargers to the truth's size, restorers before a bicubic enlargement. */
export const aloneMethod = (model: string): Method => ({
  id: `alone ${model}`,
  title: model,
  group: "alone",
  needs: "models",
  options: { model },
});

/** Opens what a method needs; disposed of, it is closed. */
export type Treatment = { treat(method: Method, patient: Patient): Promise<Treated> } & AsyncDisposable;

export async function openTreatment(needs: Method["needs"]): Promise<Treatment> {
  switch (needs) {
    case "nothing":
      return {
        treat: (method, patient) => treatPlainly(method.id, patient),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    case "models": {
      const bench = await openModelBench(MODELS);
      return {
        treat: (method, patient) => treatByModel(bench, modelOf(method), patient),
        [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
      };
    }
    case "stack":
    case "npm stack": {
      const stack = await openBenchStack({ models: needs === "stack" ? MODELS : "none" });
      return {
        treat: (method, patient) => treatByStack(stack, method.options as Record<string, unknown>, patient),
        [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
      };
    }
  }
}

const modelOf = (method: Method): string => (method.options as { model: string }).model;

async function treatPlainly(id: string, { old, size }: Patient): Promise<Treated> {
  const input = await readPicture(old.upload);
  const picture = id === "exact tone" ? withoutFading(input, old) : input;
  return { picture: fitted(picture, size, id === "lanczos3" ? lanczos3 : bicubic), chain: "" };
}

function withoutFading(picture: MemoryPicture, { ends }: OldPhoto): MemoryPicture {
  const data = Uint8Array.from(picture.data, (level, i) => {
    const black = ends.black[i % 3]!;
    const whole = (level / 255 - black) / (ends.white[i % 3]! - black);
    return Math.round(255 * Math.min(1, Math.max(0, whole)));
  });
  return { ...picture, data };
}

async function treatByModel(bench: ModelBench, model: string, { old, size }: Patient): Promise<Treated> {
  const input = await readPicture(old.upload);
  const isUpscaler = findModel(model)?.task === "upscale";
  const { noise } = await bench.analyse(input);
  const quality = estimateJpegQuality(old.upload) ?? 100;
  const ask = { model, scale: isUpscaler ? REDUCTION : 1, conditions: { sigma: noise, quality } };
  return { picture: fitted(await bench.pass(input, ask), size, bicubic), chain: model };
}

async function treatByStack(
  stack: BenchStack,
  options: Record<string, unknown>,
  { old, size }: Patient,
): Promise<Treated> {
  const done = await stack.restore(old.upload, options, "image/jpeg");
  if (done.output === null) throw new Error(`${done.id} has no output`);
  const picture = await readPicture(await stack.download(done.output.url));
  const ran = done.stages.filter(({ status, kind }) => status === "done" && kind !== "analyze");
  const chain = ran.map(({ kind, model }) => (model === null ? kind : `${kind} ${model}`)).join(" → ");
  return { picture: fitted(picture, size, bicubic), chain };
}
