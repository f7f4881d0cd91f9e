/**
 * `npm run mutants`: plants one bug after the other into the protocol and prints for each the first seed whose run
 * notices. The last line is one JSON object: mutants, killed, survivors, seed_max, seconds.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { hunt, type Hunt } from "./hunt.ts";
import type { Mutant } from "./mutant.ts";
import { MUTANTS } from "./mutants.ts";

const HELP = `Plants known bugs into the protocol, one at a time, and tells which seed notices first.

  npm run mutants [-- --only name,name] [--seeds 500] [--jobs 20] [--threads 2]

  --only NAMES   only these
  --seeds N      seeds tried at most (500)
  --jobs N       jobs of each seed (20)
  --threads N    mutants hunted at once (one a core)`;

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    seeds: { type: "string", default: "500" },
    jobs: { type: "string", default: "20" },
    threads: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);

function chosen(): Mutant[] {
  if (values.only === undefined) return [...MUTANTS];
  return values.only.split(",").map((name) => {
    const found = MUTANTS.find((each) => each.name === name.trim());
    if (found === undefined) throw new Error(`There is no mutant "${name}".`);
    return found;
  });
}

async function main(): Promise<void> {
  const startedAt = performance.now();
  const ask = { seeds: Number(values.seeds), jobs: Number(values.jobs) };
  const queue = chosen();
  const count = queue.length;
  // At a seed that the source as it is does not pass, nothing that dies proves anything.
  const control = async (by: Mutant["by"]): Promise<void> => {
    const { seed, what, seconds } = await hunt({ by }, ask);
    if (seed !== undefined) throw new Error(`The source as it is fails at seed ${seed}: ${what}`);
    say(`the source as it is passes all ${ask.seeds} seeds of the ${by} (${seconds} s)`);
  };
  await Promise.all([control("jobs"), control("books")]);
  const hunts: { readonly mutant: Mutant; readonly hunt: Hunt }[] = [];
  const worker = async (): Promise<void> => {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const found = await hunt(mutant, ask);
      hunts.push({ mutant, hunt: found });
      say(`${hunts.length} of ${count}: ${story(mutant, found)}`);
    }
  };
  await Promise.all(Array.from({ length: Number(values.threads ?? availableParallelism()) }, worker));
  const survivors = hunts.filter(({ hunt: { seed } }) => seed === undefined);
  for (const { mutant } of survivors) say(`SURVIVES: ${mutant.name}: ${mutant.breaks}`);
  say(
    JSON.stringify({
      mutants: count,
      killed: count - survivors.length,
      survivors: survivors.map(({ mutant }) => mutant.name),
      seed_max: Math.max(0, ...hunts.map(({ hunt: { seed = 0 } }) => seed)),
      seconds: Math.round((performance.now() - startedAt) / 1_000),
    }),
  );
}

function story({ name }: Mutant, { seed, what, seconds }: Hunt): string {
  if (seed === undefined) return `${name}: NOBODY NOTICED (${seconds} s)`;
  return `${name}: seed ${seed}, ${what?.slice(0, 140)} (${seconds} s)`;
}

if (values.help) say(HELP);
else await main();
