import { Fault } from "#shared/domain/fault.ts";

/** A model that can never be loaded here, by its name, its need and what there is. */
export function tooLarge(model: string, needBytes: number, budgetBytes: number): Fault {
  const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  return new Fault(
    "input",
    "memory_insufficient",
    `The model ${model} needs ${mebibytes(needBytes)} and this agent may use ${mebibytes(budgetBytes)}.`,
  );
}
