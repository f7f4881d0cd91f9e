/** One seed from its first job to the end of everything: the world is built, harmed, healed, and judged. */
import { createAgentPlace, type AgentPlace, type StandingAgent } from "./agent-place.ts";
import { createBlobEngine } from "./blob-engine.ts";
import { startChaos } from "./chaos.ts";
import { createBells } from "./bells.ts";
import { createChecker, type Breach } from "./checker.ts";
import { checkEnd, type EndCounts } from "./check-end.ts";
import { checkMoneyEnd } from "./check-money-end.ts";
import { FLEET } from "#shared/domain/budget.ts";
import type { Job } from "#shared/domain/job.ts";
import type { Stage } from "#shared/domain/stage.ts";
import { createHeldCheck } from "./check-held.ts";
import { createLeaseCheck } from "./check-leases.ts";
import { createRunsCheck } from "./check-runs.ts";
import { createWaitingCheck, hasRoomFor } from "./check-waiting.ts";
import { createClaimTimes } from "./claim-times.ts";
import { createControlFleet } from "./control-fleet.ts";
import { startCustomers } from "./customers.ts";
import { createDrainTimes } from "./drain-times.ts";
import { createDraws, type Draws } from "./draws.ts";
import { createFailover, type Takeover } from "./failover.ts";
import { createFates } from "./fates.ts";
import { chancePlan, scriptedPlan, type RecordedCall } from "./fault-plans.ts";
import { createIntakeExcuses } from "./intake-excuses.ts";
import { createMoneyOutside, ProviderAway } from "./money-doors.ts";
import { drawMoney, plainMoney } from "./money-story.ts";
import { createNetwork, type CallFault } from "./network.ts";
import {
  bearable,
  drawRates,
  drawShape,
  LONG_OUTAGES,
  NO_FAULTS,
  times,
  type FaultName,
  type Profile,
  type Rates,
  type Shape,
} from "./profile.ts";
import { createQueueEngine, NO_MISCHIEF } from "./queue-engine.ts";
import { noteAnswer, noteMoneyPaths, notePaths, tellChange } from "./rare-paths.ts";
import { createSettling } from "./settling.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import { createSometimes, type RarePath } from "./sometimes.ts";
import { createStoreEngine, type Change } from "./store-engine.ts";
import { createTrace } from "./trace.ts";
import { createLoop } from "./virtual-time.ts";
import { watchedBlobs, watchedStore } from "./watched-engines.ts";
import { createWorkMeter } from "./work-meter.ts";
import type { World } from "./world.ts";

export interface SimulationAsk {
  readonly seed: number;
  readonly profile: Profile;
  readonly jobs: number;
  /** Faults switched off; for shrinking. */
  readonly without?: readonly FaultName[];
  /** How often everything goes wrong, in what the seed draws (1). */
  readonly harshness?: number;
  /** The operator's constant for the time after an outage (0). Milliseconds. */
  readonly graceMs?: number;
  /** Instead of what the seed draws. */
  readonly shape?: Partial<Shape>;
  readonly rates?: Partial<Rates>;
  /** Faults at exactly these calls of the control plane and the agents, by number, instead of by chance. */
  readonly script?: readonly (readonly [number, CallFault])[];
  /** Takes the story, line by line. */
  readonly write?: (line: string) => void;
  /** Told every few seconds of real time how far a long run is. */
  readonly onProgress?: (line: string) => void;
}

export interface Outcome extends EndCounts {
  readonly seed: number;
  readonly jobs: number;
  /** Jobs, and days of a subscription, billed for something else than what was done. */
  readonly misbilled: number;
  readonly breaches: readonly Breach[];
  readonly sometimes: Readonly<Record<RarePath, number>>;
  readonly takeovers: readonly Takeover[];
  /** How long agents that were told to end still held something. */
  readonly drainMs: readonly number[];
  /** Of stages: done more than once. Seconds of a worker. */
  readonly wastedSeconds: number;
  readonly workSeconds: number;
  readonly bellsSent: number;
  /** Jobs that were open when a long outage began. */
  readonly backlog: number;
  /** How long claims took, 99 of 100, milliseconds: before the long outage of the store, and in the ten minutes after. */
  readonly claimMsSteady: number;
  readonly claimMsAfter: number;
  readonly events: number;
  readonly virtualMs: number;
  readonly hash: string;
  /** With a script: every call that it could have harmed. */
  readonly calls: readonly RecordedCall[];
}

/** Where agents are unequal, so many have models that the others lack. */
const RICH_AGENTS = 2;
/** Whatever happened before the faults stopped has been detected by then. */
const DETECTED_MS = 240_000;
/** Longer than anything waits that began with a job: a month's invoice, and two days without its provider. */
const SETTLE_MS_MAX = 14 * 24 * 3_600_000;
/** An instance whose clock is off by more follows the store's. */
const CORRECTED_SKEW_MS = 3_000;
const PROGRESS_MS = 5_000;
/** Faults go on for a while after a long outage. */
const CALM_AFTER_MS = 60_000;
const TICK_MS = 5_000;
/** Every accepted job has ended so long after the faults have stopped: whatever was put off has had its turn. */
const ENDED_WITHIN_MS = 8 * 3_600_000;
const RECEIVES_MAX = 1_000;

export async function simulate(ask: SimulationAsk): Promise<Outcome> {
  const streams = new Map<string, Draws>();
  const draws = (purpose: string): Draws => {
    let stream = streams.get(purpose);
    if (stream === undefined) streams.set(purpose, (stream = createDraws(ask.seed, purpose)));
    return stream;
  };
  const shape: Shape = { ...drawShape(draws("shape"), ask.jobs), ...ask.shape };
  const drawn = drawRates(draws("rates"), ask.profile, ask.without);
  const harm: Rates = { ...bearable(times(drawn, ask.harshness ?? 1), shape), ...ask.rates };
  const spanMs = Math.max(shape.faultsMs, shape.arrivalMs * shape.jobs);
  const story = shape.drawsMoney
    ? drawMoney(draws("money"), { profile: ask.profile, orgs: shape.orgs, spanMs })
    : plainMoney(shape.orgs);
  const { startMs } = story;
  const loop = createLoop(startMs);
  let rates = harm;
  const trace = createTrace(loop, ask.write);
  const script = ask.script === undefined ? undefined : scriptedPlan(new Map(ask.script));
  const plan = script ?? chancePlan(draws("calls"), () => rates);
  const network = createNetwork({ loop, draws: draws("network"), plan, trace });
  const sometimes = createSometimes();
  const checker = createChecker({
    onBreach: ({ invariant, what }) => trace.note(`BREACH of ${invariant}: ${what}`),
    digestOf: (key) => blobs.head(key)?.sha256,
    now: loop.now,
  });
  const mischief = draws("queue");
  const deadLetters = createQueueEngine({ loop, mischief: NO_MISCHIEF });
  const blobs = createBlobEngine();
  const store = createStoreEngine({
    now: loop.now,
    onCommit: (changes) => committed(changes),
    ...(harm.indexLagMs > 0
      ? {
          lag: {
            draw: () => draws("lag").unit() ** 4 * rates.indexLagMs,
            after: (ms, act) => void loop.after(ms, act),
          },
        }
      : {}),
  });
  const bells = createBells(loop.now);
  const queue = createQueueEngine({
    loop,
    onSent: bells.sent,
    mischief: {
      loses: () => mischief.chance(rates.messagesLost),
      doubles: () => mischief.chance(rates.messagesDoubled),
      heedsStale: () => mischief.chance(rates.staleReceiptsHeeded),
      redelivers: () => rates.redeliveryOff === 0,
    },
    deadLetters: {
      queue: deadLetters,
      maxReceives: harm.deadLetterAfter > 0 ? Math.ceil(harm.deadLetterAfter) : RECEIVES_MAX,
    },
  });
  const fates = createFates(draws("fates"), {
    rates: harm,
    arrivalMs: shape.arrivalMs,
    orgs: shape.orgs,
    shortestMs: shape.stageMs[0],
  });

  const money = createMoneyOutside({ loop, draws: draws("outside"), network, sometimes, story });
  const timed = new Set<string>();
  const settling = createSettling({ loop, store, settles: shape.settles, timed });

  const places: AgentPlace[] = [];
  const accepted = new Set<string>();
  const excuses = createIntakeExcuses({ network, sometimes });
  const claims = createClaimTimes(loop.now);
  let open = 0;
  let isDone = false;
  const work = createWorkMeter(checker.jobs);

  const troubleAt = (): number =>
    Math.max(...(["store", "queue", "blobs"] as const).map((target) => network.troubleAt(target)));
  const standing = (): StandingAgent[] =>
    places.flatMap((place) => (place.standing === undefined ? [] : [place.standing]));
  const hasRoom = (stage: Stage): boolean => standing().some((agent) => hasRoomFor(agent, stage, loop.now()));
  // Without a sweeper somebody must hear its bell, and who has no room listens to none.
  const isSeen = (id: string, stage: Stage): boolean =>
    harm.sweeperOff === 0 || (harm.staleReceiptsHeeded === 0 && bells.hasBell(id) && hasRoom(stage));
  const failover = createFailover({
    isSeen,
    now: loop.now,
    jobs: () => checker.open,
    troubleAt,
    hasRoom,
  });

  const drains = createDrainTimes({ now: loop.now, jobs: () => checker.open });

  const world: World = {
    startMs,
    loop,
    network,
    trace,
    policy: { ...FLEET, graceMs: ask.graceMs ?? 0 },
    shape,
    engines: {
      queue,
      deadLetters,
      blobs: watchedBlobs(blobs, {
        onPut(id) {
          if (checker.jobs.get(id)?.erasure?.once === true) sometimes.count("erased bytes written again");
        },
        onDelete(id, key) {
          const { status, erasure, stages } = checker.jobs.get(id) ?? {};
          if (status === "succeeded" && !erasure && stages?.at(-1)?.outputs?.["image"]?.key === key)
            checker.breach(6, `the result of ${id} was deleted`);
        },
      }),
      store: watchedStore(store, sometimes),
    },
    money,
    fates,
    checker,
    failover,
    drains,
    sometimes,
    draws,
    rates: () => rates,
    logOf: (process) => ({
      debug: () => undefined,
      info: () => undefined,
      warn: () => undefined,
      error: (event, fields) => {
        // A window whose meter cannot be read is put off, and pages.
        if (event === "sweep_failed" && fields?.["error"] instanceof ProviderAway) return;
        // What a worker misreports is refused, and its agent says so.
        if (event === "complete-failed" && harm.workerMisreports > 0) return;
        world.bug(`${process.name} logged ${event}`, fields?.["error"] ?? JSON.stringify(fields));
      },
    }),
    anyControl() {
      const living = fleet.controls.filter(({ process }) => process.isAlive);
      return living.length === 0 ? undefined : draws("network").pick(living);
    },
    kill,
    bug(what, error) {
      checker.breach(0, error === undefined ? what : `${what}: ${explain(error)}`);
    },
    accepted: (jobId) => void accepted.add(jobId),
    async track(work) {
      open += 1;
      try {
        await work;
      } catch (error) {
        world.bug("a customer met", error);
      } finally {
        open -= 1;
      }
    },
    answered: (op, value, isLost) => noteAnswer(sometimes, { op, value, isLost }),
    reported: (run) => held.reported(run),
    worked: work.note,
    took: (op, ms) => {
      if (op === "claim") claims.note(ms, network.troubleAt("store"));
    },
  };

  function committed(changes: readonly Change[]): void {
    checker.committed(changes);
    for (const change of changes) {
      trace.note(`${network.acting?.name ?? "?"}: ${tellChange(change)}`);
      noteMoneyPaths(sometimes, change);
      if (change.key.sk === "JOB" || change.key.sk === "AGENT") held.stored(change);
      if (change.key.sk !== "JOB") continue;
      notePaths(sometimes, change, network.acting?.kind);
      excuses.note(change);
      const job = change.after && checker.jobs.get(change.key.pk.slice("JOB#".length));
      if (job === undefined) continue;
      failover.stored(job);
      bells.stored(change.before?.body as Job | undefined, job);
      drains.stored(job);
      leases.stored(change.before?.body as Job | undefined, job);
      if (change.after?.indexes.due === undefined) timed.delete(job.id);
      else timed.add(job.id);
      // Its customer knows of the batch.
      if (change.before === undefined && job.terms?.batch !== undefined) accepted.add(job.id);
    }
  }

  function kill(process: SimulatedProcess): void {
    const place = places.find((each) => each.standing?.process === process);
    if (place === undefined) fleet.kill(process);
    else place.kill();
  }
  network.onCrash(kill);

  const fleet = createControlFleet(world, {
    settling,
    lagMs: story.stripe.lagMsMax,
    onSettled: () => (isDone = true),
  });
  fleet.start();
  for (let i = 0; i < shape.agents; i++) {
    const slots = 1 + Math.floor(draws("fleet").unit() * shape.slotsMax);
    const isRich = harm.unequalAgents > 0 && i < RICH_AGENTS;
    places.push(createAgentPlace(world, { name: `agent-${i}`, slots, isRich, isForeign: false }));
  }
  if (harm.foreignAgents > 0)
    places.push(createAgentPlace(world, { name: "foreigner", slots: 1, isRich: false, isForeign: true }));
  for (const place of places) place.start();
  const chaos = startChaos(world, {
    places,
    controls: () => fleet.controls.map(({ process }) => process),
    sweepers: () => fleet.sweepers,
  });

  const lastAt = startCustomers(world, { story, harm });
  const longOutageMs = Math.max(...LONG_OUTAGES.map((name) => harm[name]));
  const calmAt = Math.max(
    shape.faultsMs,
    lastAt + 1_000,
    longOutageMs === 0 ? 0 : shape.longOutageAtMs + longOutageMs + CALM_AFTER_MS,
  );
  loop.after(calmAt, heal);

  function heal(): void {
    trace.note("the faults stop");
    rates = NO_FAULTS;
    network.heal();
    for (const { process } of standing()) {
      process.cutOffUntil = 0;
      if (process.isPaused) process.goOn();
    }
    // A detector that is off stays off for long enough that the other one is proven.
    loop.after(harm.sweeperOff > 0 ? DETECTED_MS : 0, fleet.heal);
  }

  const leases = createLeaseCheck({
    checker,
    now: loop.now,
    agents: standing,
    troubleAt,
    controlFaultAt: () => fleet.faultAt,
    isSeen,
  });
  const held = createHeldCheck({
    checker,
    now: loop.now,
    faultAt: (id) =>
      Math.max(fleet.faultAt, standing().find((agent) => agent.id === id)?.process.faultAt ?? 0),
    skewMs: Math.min(CORRECTED_SKEW_MS, harm.controlSkewMs + Math.abs(harm.oneControlSkewMs)),
  });
  const runs = createRunsCheck({
    checker,
    now: loop.now,
    agents: standing,
    troubleAt,
    controlFaultAt: () => fleet.faultAt,
    hasPauses: harm.agentPauses > 0,
  });
  const waiting = createWaitingCheck({
    checker,
    now: loop.now,
    agents: standing,
    faultAt: () => Math.max(fleet.faultAt, ...standing().map(({ process }) => process.faultAt)),
    troubleAt,
  });
  const isWaitedFor = ({ id, status }: Job): boolean => status !== "awaiting_upload" || comes(id);
  /** Whether the job's bytes are sent some time. */
  const comes = (id: string): boolean => fates.find(id)?.neverUploads === false;
  function settle(): void {
    trace.note(`all jobs have ended; ${shape.settles} is waited for`);
    for (const place of places) place.close();
    fleet.settle();
    loop.after(SETTLE_MS_MAX, () => (isDone = true));
  }
  let toldAt = performance.now();
  const tellProgress = (): void => {
    if (performance.now() - toldAt < PROGRESS_MS) return;
    toldAt = performance.now();
    const minutes = Math.round((loop.now() - startMs) / 60_000);
    ask.onProgress?.(`  ${minutes} minutes simulated, ${checker.open.size} of ${accepted.size} jobs open`);
  };
  const tick = (): void => {
    tellProgress();
    waiting();
    leases.orphans();
    runs();
    const elapsed = loop.now() - startMs;
    const isAllOver =
      rates === NO_FAULTS && open === 0 && elapsed > calmAt && ![...checker.open.values()].some(isWaitedFor);
    if (elapsed > ENDED_WITHIN_MS + calmAt) isDone = true;
    else if (isAllOver) {
      if (shape.settles === "never") isDone = true;
      else settle();
      return;
    }
    // What looks at all open jobs comes the more rarely the more there are.
    if (!isDone) loop.after(Math.max(TICK_MS, checker.open.size), tick);
  };
  loop.after(TICK_MS, tick);
  try {
    await loop.run(() => isDone);
  } catch (error) {
    world.bug("the run ended", error);
  }

  const end = checkEnd({
    checker,
    fates,
    accepted,
    digestOf: (key) => blobs.head(key)?.sha256,
    intakeExcuses: excuses.of,
    isWaitedFor: (id) => shape.settles !== "never" || comes(id),
    bytesOf:
      shape.settles === "retention" ? (id) => blobs.list(`jobs/${id}/`, { limit: 1 }).rows.length : undefined,
    hasTimer: (id) => timed.has(id),
  });
  const misbilled = checkMoneyEnd({
    items: [...store.items()],
    checker,
    outside: money,
    capsFell: story.accounts.some(({ capLater }) => capLater !== undefined),
    isAtRest: shape.settles !== "never",
  });
  trace.note(`the end after ${loop.events()} events`);
  return {
    ...end,
    seed: ask.seed,
    jobs: accepted.size,
    misbilled,
    breaches: checker.breaches,
    sometimes: sometimes.counts,
    takeovers: failover.takeovers,
    drainMs: drains.samples,
    wastedSeconds: work.wastedSeconds,
    workSeconds: work.seconds,
    bellsSent: queue.counts.sent,
    backlog: chaos.backlog,
    ...claims.figures(),
    events: loop.events(),
    virtualMs: loop.now() - startMs,
    hash: trace.hash(),
    calls: script?.calls ?? [],
  };
}

function explain(error: unknown): string {
  return error instanceof Error
    ? (error.stack ?? error.message).split("\n").slice(0, 4).join(" ")
    : String(error);
}
