import type { PlanView, Policy } from "./policy.ts";

export interface RoomAsk {
  readonly missingBytes: number;
  /** Which idle models may go. */
  readonly mayEvict: (model: number) => boolean;
}

/**
 * The idle models to evict so that the missing bytes come free: those worth least, without the ones that turn
 * out not to be needed. Undefined where all that may go is not enough. Sorting aside, linear in the models.
 */
export function chooseVictims(
  policy: Policy,
  view: PlanView,
  { missingBytes, mayEvict }: RoomAsk,
): readonly number[] | undefined {
  const idle: { readonly model: number; readonly bytes: number; readonly worth: number }[] = [];
  view.state.models.forEach(({ phase, isPinned, bytes }, model) => {
    if (phase !== "hot" || isPinned || !mayEvict(model)) return;
    idle.push({ model, bytes, worth: policy.worth(model, view) });
  });
  idle.sort((a, b) => a.worth - b.worth);
  let freedBytes = 0;
  let count = 0;
  while (freedBytes < missingBytes && count < idle.length) freedBytes += idle[count++]!.bytes;
  if (freedBytes < missingBytes) return undefined;
  const chosen: number[] = [];
  // What was taken last may have made earlier ones unnecessary; those worth most are spared first.
  for (const { model, bytes } of idle.slice(0, count).reverse()) {
    if (freedBytes - bytes >= missingBytes) freedBytes -= bytes;
    else chosen.push(model);
  }
  return chosen;
}
