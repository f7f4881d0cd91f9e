/**
 * `npm run chaos`: a real local stack under real faults; in the end every job must have succeeded, its result written
 * once and readable, and an audit of the database and of every byte must find nothing. The last line is one JSON object:
 * kills, stops, restarts, jobs, lost, doubled, failovers, failover_p50_s, failover_p99_s, failover_max_s (of agents that
 * were at work and died), by_cause (the same by what was done), while_control_stood_still and lost_twice_before (apart from
 * those), finished_anyway, never_taken_over, audited_jobs, audit_findings, not_compared, seconds.
 */
import { parseArgs } from "node:util";
import { runEngineFaults } from "./engine-faults.ts";
import { runProcessFaults } from "./process-faults.ts";

const HELP = `Breaks a local stack while it works, and counts what was lost.

  npm run chaos -- --kills 500 [--agents 4] [--pace 4.5] [--jobs 20] [--seed 1] [--port 8899] [--keep]
  npm run chaos -- --doors aws --jobs 300 --faults 0.05 [--kills 0] [--agents 4]

  --kills N     processes killed with SIGKILL, at random moments and at named points: agents, their workers, the spare
                workers, decoders, the control plane; meanwhile others are stopped past their lease and go on
  --agents N    agents of the stack (4)
  --pace S      mean pause between two kills, seconds (4.5: 500 in less than 40 minutes)
  --jobs N      photographs sent at least; they are sent for as long as kills are to come
  --samples F   writes every failover to the file F, as JSON
  --keep        leaves the data folder
  --doors KIND  embedded (default), or aws: in the environment that \`npm run emulators -- start\` prints, where
                --kills is 0 unless told, and whose engines are reached over an unreliable way
  --faults P    with --doors aws: how often each kind of fault meets a request to an engine, 0 to 0.08
  --seed N      draws the photographs, the moments and the faults

Exits with 0 when the run came to its end, whatever its figures say.`;

const DEADLINE_MS = 90 * 60_000;

const { values } = parseArgs({
  options: {
    jobs: { type: "string", default: "20" },
    kills: { type: "string" },
    seed: { type: "string", default: "1" },
    agents: { type: "string", default: "4" },
    pace: { type: "string", default: "4.5" },
    port: { type: "string", default: "8899" },
    doors: { type: "string", default: "embedded" },
    faults: { type: "string", default: "0" },
    samples: { type: "string" },
    keep: { type: "boolean", default: false },
    help: { type: "boolean", short: "h" },
  },
});

async function main(): Promise<void> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const isAws = values.doors === "aws";
  const common = {
    jobs: Number(values.jobs),
    kills: Number(values.kills ?? (isAws ? "0" : "20")),
    seed: Number(values.seed),
    agents: Number(values.agents),
    port: Number(values.port),
    deadlineMs: DEADLINE_MS,
    say,
  };
  const figures = isAws
    ? await runEngineFaults({ ...common, rate: Number(values.faults) })
    : await runProcessFaults({
        ...common,
        paceS: Number(values.pace),
        keep: values.keep,
        ...(values.samples === undefined ? {} : { samples: values.samples }),
      });
  say(JSON.stringify(figures));
}

if (values.help === true) process.stdout.write(`${HELP}\n`);
else await main();
