/** Loaded before anything else in a mutant's process: changes the one file as it is read. */
import { registerHooks } from "node:module";
import { MUTANTS } from "./mutants.ts";
import { mutate } from "./mutant.ts";

const name = process.env["PHOTOKEEP_MUTANT"];
const mutant = MUTANTS.find((each) => each.name === name);
if (mutant !== undefined) {
  const target = new URL(`../../${mutant.file}`, import.meta.url).href;
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      if (url !== target || loaded.source === undefined || loaded.source === null) return loaded;
      const source =
        typeof loaded.source === "string" ? loaded.source : new TextDecoder().decode(loaded.source);
      return { ...loaded, source: mutate(source, mutant) };
    },
  });
}
