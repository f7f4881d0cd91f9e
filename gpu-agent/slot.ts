import { Fault } from "#shared/domain/fault.ts";
import { newId } from "#shared/domain/id.ts";
import { LEASE_MS } from "#shared/domain/limits.ts";
import type { ClaimAnswer, Lease, UnreadableAsk } from "#shared/domain/message.ts";
import type { Log } from "#shared/log.ts";
import type { Queue } from "#shared/ports.ts";
import { remainingMs, type ActiveRun, type ActiveRuns } from "./active-run.ts";
import type { Breaker } from "./breaker.ts";
import type { ControlApi } from "./control-client.ts";
import { hearDoorbell, type HeardBell } from "./doorbell.ts";
import type { Membership } from "./membership.ts";
import { jittered, repeatWhileBusy, type Patience } from "./repeat.ts";
import { createSilenceRecord, runWatched, type WatchedOutcome } from "./watch.ts";
import type { StageDone, StageFailed, Worker } from "./worker/protocol.ts";

/** A slot that won nothing for so long asks for any ready work: doorbells may be lost. */
const ASK_AFTER_MS = 20_000;
/** Jobs that are looked for in a row: what was found may be another's by then. */
const ASKS_MAX = 3;
const QUEUE_WAIT_MS = 10_000;
const QUEUE_RETRY_MS = 1_000;
/** How long a worker may take to stop: the longest tile when a run was dropped, hardly anything when the agent exits. */
const DROP_GRACE_MS = 20_000;
const DRAIN_GRACE_MS = 1_500;
const DRAIN_REPORT_MS_MAX = 2_000;
/** A worker that was replaced between two stages is waited for so long. */
const WORKER_WAIT_MS_MAX = 60_000;

export interface SlotDoors extends Patience {
  readonly control: ControlApi;
  readonly membership: Membership;
  readonly queue: Queue;
  readonly worker: Worker;
  readonly runs: ActiveRuns;
  readonly breaker: Breaker;
  readonly log: Log;
  /** How long a run that is nearly done may go on once the agent drains. Milliseconds. */
  drainGraceMs(): number;
}

/**
 * One slot: one worker, one lease at a time, until the signal asks it to drain.
 *
 *  1 idle       wait until the worker is warm and the control plane answers; hear one doorbell, or, having won nothing
 *               for 20 s, ask for any ready work
 *  2 claiming   wait → leave the doorbell alone (1) · gone → delete it (1) · granted → 3 · found → claim that job (2)
 *  3 running    under watch (watch.ts)
 *       done             → complete, which claims the next stage in the same step: next → 3, none or stale → 4
 *       failed           → fail → 4
 *       died, hung       → fail as worker_crashed, gpu_hang → 4
 *       dropped          → nobody wants to hear of it → 4
 *       draining         → release, which costs the job no try → end
 *  4 followed   claim the same doorbell's job again (2): only `gone` deletes a doorbell, so that none is deleted beside
 *               a stage that is ready or leased elsewhere
 */
export async function runSlot(doors: SlotDoors, signal: AbortSignal): Promise<void> {
  const { clock, entropy, worker, membership, queue, log } = doors;
  const silence = createSilenceRecord();
  let askAt = clock.now() + jittered(ASK_AFTER_MS, entropy);

  const isOpen = (): boolean => !signal.aborted && doors.breaker.tripped() === undefined;

  while (isOpen()) {
    try {
      await worker.ready(signal);
      await membership.online(signal);
      const waitMs = Math.min(QUEUE_WAIT_MS, Math.max(0, askAt - clock.now()));
      const bell = await hear(waitMs);
      if (bell === undefined && clock.now() < askAt) continue;
      if (bell !== undefined && !(await follow(bell))) continue;
      if (bell === undefined) await seek();
      askAt = clock.now() + jittered(ASK_AFTER_MS, entropy);
    } catch (error) {
      if (signal.aborted) return;
      log[error instanceof Fault ? "warn" : "error"]("slot-stumbled", { error });
      await clock.sleep(jittered(QUEUE_RETRY_MS, entropy), signal).catch(() => undefined);
    }
  }

  /** While the queue is down nothing is heard; then work is asked for, as when doorbells are lost. */
  async function hear(waitMs: number): Promise<HeardBell | undefined> {
    try {
      const putAside = (message: UnreadableAsk): Promise<void> =>
        membership.call((token) => doors.control.putAside(token, message));
      return await hearDoorbell({ queue, log, putAside }, waitMs, signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof Fault && error.retryable)) throw error;
      log.warn("doorbells-unheard", { error });
      await clock.sleep(jittered(QUEUE_RETRY_MS, entropy), signal);
      return undefined;
    }
  }

  /** Steps 2 to 4 for the job of a doorbell. Answers whether any stage was won. */
  async function follow(bell: HeardBell): Promise<boolean> {
    let hasWon = false;
    while (isOpen()) {
      const answer = await claim(bell.job);
      if (answer.verdict === "gone") await queue.delete([bell.receipt]);
      if (answer.verdict !== "granted") return hasWon;
      hasWon = true;
      await runChain(answer.lease, bell);
      if (!signal.aborted) await worker.ready(signal);
    }
    await queue.extend([bell.receipt], 0);
    return hasWon;
  }

  /** Steps 2 and 3 for whatever job is found. */
  async function seek(): Promise<void> {
    for (let asks = 0; asks < ASKS_MAX && isOpen(); asks += 1) {
      const found = await claim(undefined);
      const answer = found.verdict === "found" ? await claim(found.job) : found;
      if (answer.verdict === "granted") return await runChain(answer.lease);
      if (found.verdict !== "found") return;
    }
  }

  /** A stage, and those of its job that are handed over with the end of the one before. */
  async function runChain(first: Lease, bell?: HeardBell): Promise<void> {
    for (let lease: Lease | undefined = first; lease !== undefined;) lease = await runLease(lease, bell);
  }

  /** A lost reply is asked for again under the same claim id, which answers the lease it granted. */
  async function claim(job: string | undefined): Promise<ClaimAnswer> {
    const claimId = newClaimId();
    const idle = doors.runs.size === 0;
    const ask = { claimId, idle, ...(job === undefined ? {} : { job }) };
    try {
      return await repeatWhileBusy(
        // An unanswered grant is lost after a lease's length anyhow.
        { clock, entropy, untilMs: clock.now() + LEASE_MS },
        () => membership.call((token) => doors.control.claim(token, ask)),
        signal,
      );
    } catch (error) {
      if (!signal.aborted) log[isBug(error) ? "error" : "warn"]("claim-failed", { job, error });
      return { verdict: "wait" };
    }
  }

  /** Step 3. Answers the next stage, when the control plane handed it over in the same step. */
  async function runLease(granted: Lease, bell: HeardBell | undefined): Promise<Lease | undefined> {
    // However wrong this machine's clock is: what is left of the try is counted from now on by it alone.
    const { msLeft } = granted;
    const lease = msLeft === undefined ? granted : { ...granted, hardDeadline: clock.now() + msLeft };
    const dropped = new AbortController();
    const run: ActiveRun = {
      lease,
      startedAt: clock.now(),
      dropped,
      ...(bell === undefined ? {} : { receipt: bell.receipt }),
    };
    const over = new AbortController();
    const at = { job: lease.job, stage: lease.stage, epoch: lease.epoch };
    doors.runs.add(run);
    log.info("run-started", { ...at, model: lease.model });
    const stop = AbortSignal.any([drainOf(run, over.signal), dropped.signal]);
    try {
      await untilWarm(stop);
      const outcome = await runWatched(
        {
          worker,
          clock,
          silence,
          lease,
          onProgress: (progress) => (run.progress = progress),
          abortGraceMs: () => (signal.aborted ? DRAIN_GRACE_MS : DROP_GRACE_MS),
        },
        stop,
      );
      log.info("run-ended", { ...at, ...summary(outcome) });
      return dropped.signal.aborted ? undefined : await report(lease, outcome);
    } finally {
      over.abort();
      doors.runs.delete(run);
    }
  }

  /** A worker that died between two stages died of neither. */
  async function untilWarm(stop: AbortSignal): Promise<void> {
    const enough = new AbortController();
    const either = AbortSignal.any([stop, enough.signal]);
    const warm = worker.ready(either);
    const patience = clock.sleep(WORKER_WAIT_MS_MAX, either);
    await Promise.race([warm, patience]).catch(() => undefined);
    enough.abort();
    await Promise.allSettled([warm, patience]);
  }

  /** Aborted when the agent drains: at once, or for a run that will end within the grace, when that is over. */
  function drainOf(run: ActiveRun, over: AbortSignal): AbortSignal {
    const stop = new AbortController();
    const wait = async (): Promise<void> => {
      const graceMs = doors.drainGraceMs();
      if (remainingMs(run, clock.now()) <= graceMs) await clock.sleep(graceMs, over).catch(() => undefined);
      stop.abort();
    };
    if (signal.aborted) void wait();
    else signal.addEventListener("abort", () => void wait(), { once: true, signal: over });
    return stop.signal;
  }

  async function report(lease: Lease, outcome: WatchedOutcome): Promise<Lease | undefined> {
    if (outcome.type === "done") return await complete(lease, outcome.result);
    if (signal.aborted) return await release(lease);
    switch (outcome.type) {
      case "failed":
        return await fail(lease, outcome.result);
      case "died":
        return await fail(lease, { failure: "worker_crashed", message: `The worker died: ${outcome.how}.` });
      case "hung":
        return await fail(lease, { failure: "gpu_hang", message: `The worker was killed: ${outcome.why}.` });
      case "aborted":
        return undefined;
    }
  }

  async function complete(lease: Lease, result: StageDone): Promise<Lease | undefined> {
    const { job, stage, epoch, hardDeadline } = lease;
    const ask = { job, stage, epoch, ...result, ...(signal.aborted ? {} : { nextClaimId: newClaimId() }) };
    try {
      const answer = await insist(hardDeadline, (token) => doors.control.complete(token, ask));
      doors.breaker.worked();
      if (answer.verdict === "stale") log.info("run-stale", { job, stage, epoch });
      return answer.verdict === "accepted" ? answer.next : undefined;
    } catch (error) {
      log[isBug(error) ? "error" : "warn"]("complete-failed", { job, stage, epoch, error });
      if (isBug(error))
        await fail(lease, { failure: "bug", message: "The result of the stage was refused." });
      return undefined;
    }
  }

  async function fail(lease: Lease, { failure, message }: StageFailed): Promise<undefined> {
    const { job, stage, epoch, hardDeadline } = lease;
    log.warn("run-failed", { job, stage, epoch, failure, message });
    const wasWell = doors.breaker.tripped() === undefined;
    doors.breaker.note({ job, failure }, clock.now());
    const why = doors.breaker.tripped();
    if (wasWell && why !== undefined) log.warn("agent-unhealthy", { why });
    try {
      await insist(hardDeadline, (token) =>
        doors.control.fail(token, { job, stage, epoch, failure, message }),
      );
    } catch (error) {
      log[isBug(error) ? "error" : "warn"]("fail-failed", { job, stage, epoch, error });
    }
    return undefined;
  }

  async function release({ job, stage, epoch, hardDeadline }: Lease): Promise<undefined> {
    try {
      await insist(hardDeadline, (token) => doors.control.release(token, { job, stage, epoch }));
    } catch (error) {
      log.warn("release-failed", { job, stage, epoch, error });
    }
    return undefined;
  }

  /** Repeats a report until it is answered; an agent that drains soon leaves it to the lease's own end. */
  async function insist<T>(untilMs: number, send: (token: string) => Promise<T>): Promise<T> {
    const call = (): Promise<T> => membership.call(send);
    try {
      return await repeatWhileBusy({ clock, entropy, untilMs }, call, signal);
    } catch (error) {
      if (!signal.aborted || error instanceof Fault) throw error;
      return await repeatWhileBusy({ clock, entropy, untilMs: clock.now() + DRAIN_REPORT_MS_MAX }, call);
    }
  }

  function newClaimId(): string {
    return newId("clm", clock.now(), entropy(10));
  }
}

/** Neither unreachable nor forgotten: somebody wrote it wrong. */
function isBug(error: unknown): boolean {
  return !(error instanceof Fault) || error.kind === "input";
}

function summary(outcome: WatchedOutcome): Record<string, unknown> {
  switch (outcome.type) {
    case "done":
      return { outcome: "done", timings: outcome.result.timings };
    case "failed":
      return { outcome: "failed", failure: outcome.result.failure };
    case "died":
      return { outcome: "died", how: outcome.how };
    case "hung":
      return { outcome: "hung", why: outcome.why };
    case "aborted":
      return { outcome: "aborted" };
  }
}
