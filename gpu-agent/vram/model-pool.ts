import { Fault, invariant } from "#shared/domain/fault.ts";
import type { Action, Reject, Run, Wait } from "./action.ts";
import { createLeases, type StageLease } from "./leases.ts";
import { createPlanner } from "./planner.ts";
import { tooLarge } from "./pool-fault.ts";
import type { ModelPool, ModelPoolOptions } from "./pool-contract.ts";
import { createPoolQueue } from "./pool-queue.ts";
import type { ModelPhase, PoolState } from "./pool-state.ts";
import { POOL_TIMES } from "./pool-times.ts";
import { createResidents, type Residents } from "./residents.ts";
import { readPool } from "./pool-reading.ts";
import { createUseHistory, noteEviction, noteUse } from "./use-history.ts";

const WAITERS_MAX = 1_024;
/** The planner comes to rest within this many answers. */
const ANSWERS_MAX = 10_000;

/**
 * The models of a device, as the planner wants them. One loop: whatever happens (a stage is asked for or given back, a
 * load or a release ends) changes the state at once and wakes it; it asks the planner, and does what it says, until the
 * answer is to wait. No decision is taken anywhere else, and none across an `await`.
 */
export function createModelPool<Work, Answer>(
  options: ModelPoolOptions<Work, Answer>,
): ModelPool<Work, Answer> {
  const { models, clock, onEvent } = options;
  const times = { ...POOL_TIMES, ...options.times };
  const places = new Map(models.map(({ id }, place) => [id, place]));
  const history = createUseHistory(models.length);
  const planner = createPlanner(options.policy);
  const closing = new AbortController();
  let changed = Promise.withResolvers<void>();
  let isMending = false;
  let isRoomAsked = false;
  let isReplacementAsked = false;
  let waitsFor: string | undefined;
  let bug: { readonly error: unknown } | undefined;

  const wake = (): void => changed.resolve();
  const queue = createPoolQueue<StageLease<Work, Answer>>({
    placeOf: (model) => places.get(model),
    now: () => clock.now(),
    onChange: wake,
  });
  const residents: Residents<Work, Answer> = createResidents({
    ...options,
    times,
    ids: models.map(({ id }) => id),
    signal: closing.signal,
    runningBytes: () => leases.runningBytes(),
    onLoadFailed: (model, error) => queue.fail((ask) => places.get(ask.model) === model, error),
    onChange: wake,
  });
  const leases = createLeases({ residents, clock, times, onEvent, onChange: wake });
  const isAny = (...phases: ModelPhase[]): boolean =>
    residents.all.some(({ phase }) => phases.includes(phase));
  const state = (): PoolState => readPool(options, { residents, leases, history });

  async function live(): Promise<void> {
    while (!closing.signal.aborted || isBusy()) {
      changed = Promise.withResolvers();
      if (!closing.signal.aborted) decide();
      else if (!isMending) evictHot("the pool is closed", () => true);
      await changed.promise;
    }
  }

  const isBusy = (): boolean => isMending || isAny("leased", "warming", "promoting", "hot", "draining");

  function decide(): void {
    for (let answers = 0; ; answers += 1) {
      invariant(answers < ANSWERS_MAX, "the planner comes to rest");
      if (isAny("poisoned") || isReplacementAsked) return mend();
      if (isRoomAsked) evictHot("room is asked for", (place) => !models[place]!.isPinned);
      isRoomAsked = false;
      const actions = planner.plan(state(), queue.demandOf(leases.asks()));
      for (const action of actions) apply(action);
      if (actions.at(-1)?.kind === "wait") return;
    }
  }

  function apply(action: Action): void {
    switch (action.kind) {
      case "evict":
        noteEviction(history, action.model);
        return residents.evict(action.model, `evicted for ${models[action.forModel]!.id}`);
      case "load":
        return residents.load(action.model, `next is stage ${action.stage.id} of ${action.job.id}`);
      case "prefetch":
        if (action.to === "warm") return residents.readAhead(action.model, "needed soonest of those on disk");
        return residents.load(action.model, "needed soonest of those not loaded", true);
      case "cool":
        return residents.cool(action.model, "other files need the memory of the machine");
      case "run":
        return start(action);
      case "wait":
        return waitFor(action.until);
      case "reject":
        return reject(action);
    }
  }

  function waitFor(until: Wait["until"]): void {
    if (waitsFor !== until) onEvent({ kind: "waiting", until });
    waitsFor = until;
  }

  function reject({ job, stage, modelId: model, reason, needBytes, budgetBytes }: Reject): void {
    onEvent({ kind: "rejected", job: job.id, stage: stage.id, model, reason, needBytes, budgetBytes });
    const lastError = residents.all[stage.model]!.failedLoads.lastError();
    const error = reason === "barred" ? lastError : tooLarge(model, needBytes, budgetBytes);
    queue.drop(job.id, stage.id, error);
  }

  function start(run: Run): void {
    const { model: place } = run.stage;
    const { ask, sinceMs, resolve } = queue.start(run);
    noteUse(history, place, state().models[place]!);
    const waitedMs = clock.now() - sinceMs;
    resolve(leases.grant(ask, { place, waitedMs, overtaken: run.overtaken.length }));
  }

  /** Plans nothing until the worker has been replaced, for which what still works is waited for. */
  function mend(): void {
    waitFor("poisoned");
    residents.all.forEach(({ phase }, place) => {
      if (phase === "poisoned") leases.revoke(place);
    });
    if (isMending || isAny("leased", "promoting", "draining")) return;
    isMending = true;
    const lost = residents.all.filter(({ phase }) => phase === "poisoned").map(({ id }) => id);
    const why = lost.length > 0 ? `poisoned: ${lost.join(", ")}` : "asked for";
    void residents.recycle(why).finally(() => {
      isMending = false;
      isReplacementAsked = false;
      wake();
    });
  }

  function evictHot(why: string, isMeant: (place: number) => boolean): void {
    residents.all.forEach(({ phase }, place) => {
      if (phase === "hot" && isMeant(place)) residents.evict(place, why);
    });
  }

  /** @throws Error a bug of the pool's; the Fault `pool_closed`. */
  async function until(isMet: () => boolean): Promise<void> {
    while (!isMet()) {
      throwIfOver();
      await changed.promise;
    }
  }

  function throwIfOver(): void {
    if (bug !== undefined) throw bug.error;
    closing.signal.throwIfAborted();
  }

  // Begins when the pool is in its owner's hands, who hears of the first decision too.
  const living = Promise.resolve()
    .then(live)
    .catch((error: unknown) => {
      // A bug: whoever waits is told, rather than left to wait.
      bug = { error };
      queue.fail(() => true, error);
      wake();
    });

  return {
    state,
    expect: (jobs) => queue.expect(jobs),
    async take(ask, signal) {
      throwIfOver();
      if (!places.has(ask.model))
        throw new Fault("missing", "model_missing", `The model ${ask.model} is not here; pull it.`);
      const isHeld = leases.asks().some(({ job, stage }) => job === ask.job && stage === ask.stage);
      // It would wait for itself where one stage runs at a time.
      invariant(!isHeld, "a stage gives its model back before it takes another");
      if (queue.waiting() >= WAITERS_MAX)
        throw new Fault("busy", "pool_full", "Too many stages wait for the device; try again later.");
      return await queue.wait(ask, signal);
    },
    noteFile(model, isInMemory) {
      const place = places.get(model);
      if (place !== undefined) residents.noteFile(place, isInMemory);
      wake();
    },
    async evictIdle() {
      isRoomAsked = true;
      wake();
      await until(() => !isRoomAsked && !isAny("draining"));
    },
    async replaceWorker() {
      isReplacementAsked = true;
      wake();
      await until(() => !isReplacementAsked);
    },
    async [Symbol.asyncDispose]() {
      const closed = new Fault("busy", "pool_closed", "The device is no longer in use here.");
      closing.abort(closed);
      queue.fail(() => true, closed);
      wake();
      await living;
    },
  };
}
