/** One seed from its first job to the end of everything: the world is built, harmed, healed, and judged. */
import { FLEET } from "#shared/domain/budget.ts";
import type { Job } from "#shared/domain/job.ts";
import type { Stage } from "#shared/domain/stage.ts";
import type { Log } from "#shared/log.ts";
import { createAgentPlace, type AgentPlace, type StandingAgent } from "./agent-place.ts";
import { createBells } from "./bells.ts";
import { startChaos } from "./chaos.ts";
import { checkEnd, type EndCounts } from "./check-end.ts";
import { checkMoneyEnd } from "./check-money-end.ts";
import { hasRoomFor } from "./check-waiting.ts";
import { createChecker, type Breach } from "./checker.ts";
import { createChecks } from "./checks.ts";
import { createClaimTimes } from "./claim-times.ts";
import { createControlFleet } from "./control-fleet.ts";
import { startCustomers } from "./customers.ts";
import { createDrainTimes } from "./drain-times.ts";
import { createDraws, type Draws } from "./draws.ts";
import { startEnding } from "./ending.ts";
import { createEngines } from "./engines.ts";
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
  NO_FAULTS,
  times,
  type FaultName,
  type Profile,
  type Rates,
  type Shape,
} from "./profile.ts";
import { noteAnswer, noteMoneyPaths, notePaths, tellChange } from "./rare-paths.ts";
import { createSettling } from "./settling.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import { createSometimes, type RarePath } from "./sometimes.ts";
import type { Change } from "./store-engine.ts";
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
const ENGINES = ["store", "queue", "blobs"] as const;
const PROGRESS_MS = 5_000;

export async function simulate(ask: SimulationAsk): Promise<Outcome> {
  const { draws, shape, harm, story } = drawSeed(ask);
  const { startMs } = story;
  const loop = createLoop(startMs);
  const trace = createTrace(loop, ask.write);
  let rates = harm;

  const script = ask.script === undefined ? undefined : scriptedPlan(new Map(ask.script));
  const plan = script ?? chancePlan(draws("calls"), () => rates);
  const network = createNetwork({ loop, draws: draws("network"), plan, trace });
  const bells = createBells(loop.now);
  const engines = createEngines({
    loop,
    draws,
    harm,
    rates: () => rates,
    onCommit: (changes) => committed(changes),
    onSent: bells.sent,
  });
  const { store, queue, blobs } = engines;
  const digestOf = (key: string): string | undefined => blobs.head(key)?.sha256;

  const sometimes = createSometimes();
  const checker = createChecker({
    onBreach: ({ invariant, what }) => trace.note(`BREACH of ${invariant}: ${what}`),
    digestOf,
    now: loop.now,
  });
  const fates = createFates(draws("fates"), {
    rates: harm,
    arrivalMs: shape.arrivalMs,
    orgs: shape.orgs,
    shortestMs: shape.stageMs[0],
  });
  const money = createMoneyOutside({ loop, draws: draws("outside"), network, sometimes, story });
  const settling = createSettling({ loop, store, settles: shape.settles });

  const places: AgentPlace[] = [];
  const standing = (): StandingAgent[] =>
    places.flatMap((place) => (place.standing === undefined ? [] : [place.standing]));
  const troubleAt = (): number => Math.max(...ENGINES.map(network.troubleAt));
  const downAt = (): number => Math.max(...ENGINES.map(network.downAt));
  const hasRoom = (stage: Stage): boolean => standing().some((agent) => hasRoomFor(agent, stage, loop.now()));
  // Without a sweeper somebody must hear its bell, and who has no room listens to none.
  const isSeen = (id: string, stage: Stage): boolean =>
    harm.sweeperOff === 0 || (harm.staleReceiptsHeeded === 0 && bells.hasBell(id) && hasRoom(stage));
  const checks = createChecks({
    checker,
    now: loop.now,
    harm,
    agents: standing,
    troubleAt,
    controlFaultAt: () => fleet.faultAt,
    isSeen,
  });

  const accepted = new Set<string>();
  let awaited = 0;
  const excuses = createIntakeExcuses({ network, sometimes });
  const claims = createClaimTimes(loop.now);
  const work = createWorkMeter(checker.jobs);
  const failover = createFailover({ isSeen, now: loop.now, jobs: () => checker.open, downAt, hasRoom });
  const drains = createDrainTimes({ now: loop.now, jobs: () => checker.open });

  const world: World = {
    startMs,
    loop,
    network,
    trace,
    policy: { ...FLEET, graceMs: ask.graceMs ?? 0 },
    shape,
    engines: {
      ...engines,
      blobs: watchedBlobs(blobs, checker, sometimes),
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
    logOf: (process) => errorsAsBugs(process, harm, world),
    anyControl() {
      const living = fleet.controls.filter(({ process }) => process.isAlive);
      return living.length === 0 ? undefined : draws("network").pick(living);
    },
    kill(process) {
      const place = places.find((each) => each.standing?.process === process);
      if (place === undefined) fleet.kill(process);
      else place.kill();
    },
    bug(what, error) {
      checker.breach(0, error === undefined ? what : `${what}: ${explain(error)}`);
    },
    accepted: (jobId) => void accepted.add(jobId),
    async track(work) {
      awaited += 1;
      try {
        await work;
      } catch (error) {
        world.bug("a customer met", error);
      } finally {
        awaited -= 1;
      }
    },
    answered: (op, value, isLost) => noteAnswer(sometimes, { op, value, isLost }),
    reported: checks.reported,
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
      checks.stored(change);
      if (change.key.sk !== "JOB") continue;
      notePaths(sometimes, change, network.acting?.kind);
      excuses.note(change);
      settling.stored(change);
      const job = change.after?.body as Job | undefined;
      if (job === undefined) continue;
      failover.stored(job);
      bells.stored(change.before?.body as Job | undefined, job);
      drains.stored(job);
      // Its customer knows of the batch.
      if (change.before === undefined && job.terms?.batch !== undefined) accepted.add(job.id);
    }
  }

  const fleet = createControlFleet(world, {
    settling,
    lagMs: story.stripe.lagMsMax,
    onSettled: () => ending.end(),
  });
  network.onCrash(world.kill);
  fleet.start();
  places.push(...createPlaces(world));
  for (const place of places) place.start();
  const chaos = startChaos(world, {
    places,
    controls: () => fleet.controls.map(({ process }) => process),
    sweepers: () => fleet.sweepers,
  });
  const comes = (id: string): boolean => fates.find(id)?.neverUploads === false;
  const ending = startEnding(world, {
    harm,
    places,
    fleet,
    lastAt: startCustomers(world, { story, harm }),
    stopFaults: () => (rates = NO_FAULTS),
    comes,
    isAwaited: () => awaited > 0,
    onLook() {
      tellProgress();
      checks.look();
      failover.look();
    },
  });

  let toldAt = performance.now();
  function tellProgress(): void {
    if (performance.now() - toldAt < PROGRESS_MS) return;
    toldAt = performance.now();
    const minutes = Math.round((loop.now() - startMs) / 60_000);
    ask.onProgress?.(`  ${minutes} minutes simulated, ${checker.open.size} of ${accepted.size} jobs open`);
  }

  try {
    await loop.run(() => ending.isOver);
  } catch (error) {
    world.bug("the run ended", error);
  }

  const end = checkEnd({
    checker,
    fates,
    accepted,
    digestOf,
    intakeExcuses: excuses.of,
    isWaitedFor: (id) => shape.settles !== "never" || comes(id),
    bytesOf:
      shape.settles === "retention" ? (id) => blobs.list(`jobs/${id}/`, { limit: 1 }).rows.length : undefined,
    hasTimer: settling.hasTimer,
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

/** What the seed has drawn: the world's shape, what goes wrong in it and how often, its money, and its streams of chance. */
function drawSeed(ask: SimulationAsk) {
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
  return { draws, shape, harm, story };
}

function createPlaces(world: World): AgentPlace[] {
  const { agents, slotsMax } = world.shape;
  const { unequalAgents, foreignAgents } = world.rates();
  const draws = world.draws("fleet");
  const places = Array.from({ length: agents }, (_, i) => {
    const slots = 1 + Math.floor(draws.unit() * slotsMax);
    const isRich = unequalAgents > 0 && i < RICH_AGENTS;
    return createAgentPlace(world, {
      name: `agent-${i}`,
      slots,
      isRich,
      isForeign: false,
      mayBeBroken: i === 0,
    });
  });
  if (foreignAgents > 0)
    places.push(
      createAgentPlace(world, {
        name: "foreigner",
        slots: 1,
        isRich: false,
        isForeign: true,
        mayBeBroken: false,
      }),
    );
  return places;
}

/** A log whose errors no fault explains, with the exceptions that one does. */
function errorsAsBugs(process: SimulatedProcess, harm: Rates, world: World): Log {
  return {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error(event, fields) {
      // A window whose meter cannot be read is put off, and pages.
      if (event === "sweep_failed" && fields?.["error"] instanceof ProviderAway) return;
      // What a worker misreports is refused, and its agent says so.
      if (event === "complete-failed" && harm.workerMisreports > 0) return;
      world.bug(`${process.name} logged ${event}`, fields?.["error"] ?? JSON.stringify(fields));
    },
  };
}

function explain(error: unknown): string {
  return error instanceof Error
    ? (error.stack ?? error.message).split("\n").slice(0, 4).join(" ")
    : String(error);
}
