import { Fault } from "#shared/domain/fault.ts";
import { VISIBILITY_MS } from "#shared/domain/limits.ts";
import type { BeatAsk, JobAhead } from "#shared/domain/message.ts";
import type { Log } from "#shared/log.ts";
import type { Queue } from "#shared/ports.ts";
import { beatLine, isSameRun, type ActiveRuns } from "./active-run.ts";
import type { ControlApi } from "./control-client.ts";
import type { Membership } from "./membership.ts";
import { jittered, type Patience } from "./repeat.ts";

const RETRY_MS = 1_000;
const HOT_MAX = 64;
/** How often the control plane is asked what waits, which costs it more reads than the beat. */
const AHEAD_EVERY_MS = 5_000;
/** Timers fire a little early; a beat of just that interval should not be passed over for it. */
const AHEAD_SLACK_MS = 50;

export interface HeartbeatDoors extends Patience {
  readonly control: ControlApi;
  readonly membership: Membership;
  readonly queue: Queue;
  readonly runs: ActiveRuns;
  readonly hot: () => readonly string[];
  readonly log: Log;
  /** Told the new id, when this agent had to register anew. */
  readonly onRejoined: (agent: string) => void;
  /** Told the jobs that wait, oldest first, while something runs here; without it they are not asked for. */
  readonly onAhead?: (jobs: readonly JobAhead[]) => void;
}

/**
 * Says every `beatMs` what this agent runs, and drops what the answer says is no longer its own; every second beat
 * keeps the doorbells of those runs hidden. An agent that the control plane does not know any more registers anew: its
 * leases were another agent's, so all are dropped.
 * @throws the signal's reason when aborted; Fault when the control plane refuses to register this agent.
 */
export async function keepBeating(doors: HeartbeatDoors, signal: AbortSignal): Promise<void> {
  const { membership, clock } = doors;
  let aheadAt = clock.now();
  let hiding: Promise<void> | undefined;
  for (let seq = 1; ; seq += 1) {
    const member = membership.current() ?? (await rejoin(doors, signal));
    const now = clock.now();
    const dueAt = now + member.beatMs;
    const ahead = doors.onAhead !== undefined && doors.runs.size > 0 && now + AHEAD_SLACK_MS >= aheadAt;
    if (ahead) aheadAt = now + AHEAD_EVERY_MS;
    // Beats keep leases: they do not wait for a queue that is slow.
    if (seq % 2 === 0) hiding ??= hideDoorbells(doors).finally(() => (hiding = undefined));
    const beaten = await beat(doors, { seq, ahead });
    const pauseMs = beaten ? dueAt - clock.now() : jittered(RETRY_MS, doors.entropy);
    await clock.sleep(Math.max(0, pauseMs), signal);
  }
}

async function beat(doors: HeartbeatDoors, ask: Pick<BeatAsk, "seq" | "ahead">): Promise<boolean> {
  const { control, membership, runs, hot, log } = doors;
  try {
    const answer = await membership.call((token) =>
      control.beat(token, { ...ask, runs: [...runs].map(beatLine), hot: hot().slice(0, HOT_MAX) }),
    );
    for (const gone of answer.drop) {
      for (const run of runs) {
        if (!isSameRun(run, gone)) continue;
        log.info("run-dropped", gone);
        run.dropped.abort();
      }
    }
    if (ask.ahead) doors.onAhead?.(answer.ahead);
    return true;
  } catch (error) {
    const isExpected = error instanceof Fault && error.code !== "request_refused";
    log[isExpected ? "warn" : "error"]("beat-failed", { seq: ask.seq, error });
    return false;
  }
}

async function rejoin({ membership, runs, log, onRejoined }: HeartbeatDoors, signal: AbortSignal) {
  log.warn("agent-forgotten", { runs: runs.size });
  for (const run of runs) run.dropped.abort();
  const member = await membership.join(signal);
  log.info("agent-registered", { agent: member.agent });
  onRejoined(member.agent);
  return member;
}

async function hideDoorbells({ runs, queue, log }: HeartbeatDoors): Promise<void> {
  const receipts = [...runs].flatMap(({ receipt }) => (receipt === undefined ? [] : [receipt]));
  if (receipts.length === 0) return;
  try {
    await queue.extend(receipts, VISIBILITY_MS);
  } catch (error) {
    // The bell rings once more than needed: whoever hears it is told to wait.
    log.warn("doorbell-not-extended", { error });
  }
}
