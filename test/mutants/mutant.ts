/** A named bug of the protocol: one small change of one file, made as the file is loaded. The files themselves stay. */
export interface Mutant {
  readonly name: string;
  /** From the top of the project. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** What goes wrong with it. */
  readonly breaks: string;
  /** jobs: the simulation of the whole system. books: that of accounts, months and the payment provider. */
  readonly by: "jobs" | "books";
}

/** @throws Error when the text to be changed is not there, or there more than once: then the mutant has rotted. */
export function mutate(source: string, { name, file, find, replace }: Mutant): string {
  const parts = source.split(find);
  if (parts.length !== 2)
    throw new Error(`The mutant "${name}" finds its text ${parts.length - 1} times in ${file}, not once.`);
  return parts.join(replace);
}
