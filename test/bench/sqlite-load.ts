/** What the control plane asks of its store, as a load: for `bench:sqlite` and its rival without an adapter. */
import { jobIndexes, jobKey, newJob, type Job } from "#shared/domain/job.ts";
import { Options } from "#shared/domain/options.ts";
import type { Draft, Key } from "#shared/ports.ts";

/** Jobs under way at once, shared by all processes: now and then two of them want the same one. */
export const JOBS = 256;
export const ORGS = 8;
/** Makes a job's JSON as long as that of one whose stages have run: about 2.5 kB. */
const METADATA = { before: "x".repeat(450), during: "x".repeat(450), after: "x".repeat(450) };
const ROW_CHARS = 240;
/** Of a hundred transactions; the others move one job. */
const WITH_ROWS = 15;
const COUNTING = 15;
const START_MS = 1_790_000_000_000;

/** One transaction to be done. */
export type Step =
  /** Read a job, write it on its revision with other index entries, and this many new rows beside it. */
  | { readonly job: number; readonly rows: number }
  /** Add to an organisation's counter. */
  | { readonly org: number };

/** An endless sequence of transactions: the same for the same seed. */
export function* steps(seed: number): Generator<Step, never> {
  const draw = mulberry32(seed);
  for (;;) {
    const dice = draw(100);
    if (dice < COUNTING) yield { org: draw(ORGS) };
    else yield { job: draw(JOBS), rows: dice < COUNTING + WITH_ROWS ? 1 + draw(3) : 0 };
  }
}

/** Every item that is there before the load begins. */
export function firstItems(): Draft[] {
  const jobs = Array.from({ length: JOBS }, (_, n) => {
    const { pk } = keyOfJob(n);
    const id = pk.slice("JOB#".length);
    const input = { key: `jobs/${id}/input`, contentType: "image/jpeg", bytes: 5_000_000 };
    const options = Options.parse({ metadata: METADATA });
    return movedJob(newJob({ id, org: `org_${n % ORGS}`, options, input, uploaded: true }, START_MS), 0);
  });
  return [
    ...jobs,
    ...Array.from({ length: ORGS }, (_, n) => ({ ...keyOfOrg(n), body: {}, counters: { n: 0 } })),
  ];
}

export function keyOfJob(n: number): Key {
  return jobKey(`job_${String(n).padStart(26, "0")}`);
}

export function keyOfOrg(n: number): Key {
  return { pk: `ORG#${n}`, sk: "BUDGET" };
}

/** The job with its timer set anew: its entries among the due and the ready both move. */
export function movedJob(job: Job, rev: number): Draft {
  const at = START_MS + rev;
  const stages = job.stages.map((stage, i) =>
    i === 0 ? { ...stage, status: "ready" as const, readyAt: at, ringAt: at } : stage,
  );
  const moved: Job = { ...job, intake: { status: "done", epoch: 1, tries: 1 }, stages };
  return { ...jobKey(job.id), body: moved, indexes: jobIndexes(moved) };
}

/** A row beside a job. @param name no other row of the job has it. */
export function rowDraft(job: number, name: string): Draft {
  return { pk: keyOfJob(job).pk, sk: `ROW#${name}`, body: { text: "x".repeat(ROW_CHARS) } };
}

/** Whole numbers below `n`: https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
function mulberry32(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % n;
  };
}
