/** What each job is doomed to, drawn before it is sent; and what was done to it, which the checker holds its end against. */
import type { StageKind } from "#shared/domain/stage.ts";
import type { Draws } from "./draws.ts";
import type { Rates } from "./profile.ts";

export interface Fate {
  readonly org: string;
  readonly at: number;
  readonly width: number;
  readonly height: number;
  /** Kills every worker that runs this stage. */
  readonly poisonStage: StageKind | undefined;
  /** Takes the whole agent with it whenever it runs this stage: a driver that hangs, a kernel that panics. */
  readonly killsAgentAt: StageKind | undefined;
  /** Needs more memory than any device has, at this stage. */
  readonly tooLargeAt: StageKind | undefined;
  readonly isBadImage: boolean;
  /** Its decoder gives up every time, and cannot say that the file is to blame. */
  readonly isUnreadable: boolean;
  /** Its first readers take about as long as a reader may. */
  readonly isSlowToRead: boolean;
  readonly killsDecoder: boolean;
  /** Asked so long after it was created. */
  readonly cancelAfterMs: number | undefined;
  readonly eraseAfterMs: number | undefined;
  readonly neverUploads: boolean;
  readonly losesUploadEvent: boolean;
  readonly uploadEventLateMs: number;
  readonly repeatsCreate: boolean;
  /** As its customer asks, in seconds. */
  readonly deadline: { readonly start_within?: number; readonly finish_within?: number };
  /** No bytes came through before its upload slot closed. */
  missesSlot: boolean;
  /** Done so far to its readers: they died, could not read just now, or took longer than they may. */
  intakeDeaths: number;
  intakeStumbles: number;
  /** Injected failures by stage and class. */
  readonly injected: Map<string, number>;
  /** The agents whose workers died of each stage. */
  readonly diedOn: Map<string, Set<string>>;
}

export type Injected = "agent" | "death" | "oom" | "transient" | "model" | "device" | "misreport" | "bug";

export interface Fates {
  draw(): Fate;
  assign(jobId: string, fate: Fate): void;
  /** @throws for a job that nobody sent. */
  of(jobId: string): Fate;
  find(jobId: string): Fate | undefined;
}

export function createFates(
  draws: Draws,
  of: {
    readonly rates: Rates;
    readonly arrivalMs: number;
    readonly orgs: number;
    readonly shortestMs: number;
  },
): Fates {
  const { rates } = of;
  const byJob = new Map<string, Fate>();
  let at = 0;
  return {
    draw() {
      at += draws.exponential(of.arrivalMs);
      // Every draw is made whatever the rates say: a fault switched off leaves the rest of the job as it was.
      const unit = (): number => draws.unit();
      const flooded = unit() < rates.flood;
      const org = flooded ? 0 : Math.floor(unit() * of.orgs);
      const poisonStage = draws.pick(["analyze", "upscale", "finish"] as const);
      const cancelAfterMs = draws.decades(50, of.shortestMs * 40);
      const late = draws.exponential(30_000);
      const eraseAfterMs = draws.decades(50, of.shortestMs * 400);
      const start_within = Math.ceil(draws.decades(1, 120));
      const finish_within = Math.ceil(draws.decades(5, 600));
      return {
        org: `org_${org}`,
        at,
        width: Math.floor(200 + unit() * 2_000),
        height: Math.floor(200 + unit() * 2_000),
        poisonStage: unit() < rates.poison ? poisonStage : undefined,
        killsAgentAt: unit() < rates.agentKillers ? poisonStage : undefined,
        tooLargeAt: unit() < rates.tooLarge ? poisonStage : undefined,
        isBadImage: unit() < rates.badImages,
        isUnreadable: unit() < rates.unreadable,
        isSlowToRead: unit() < rates.slowToRead,
        killsDecoder: unit() < rates.decoderKillers,
        cancelAfterMs: unit() < rates.cancels ? cancelAfterMs : undefined,
        eraseAfterMs: unit() < rates.erasures ? eraseAfterMs : undefined,
        neverUploads: unit() < rates.uploadsMissing,
        losesUploadEvent: unit() < rates.uploadEventsLost,
        uploadEventLateMs: unit() < rates.uploadEventsLate ? late : 100,
        repeatsCreate: unit() < rates.createsRepeated,
        deadline: {
          ...(unit() < rates.startDeadlines ? { start_within } : {}),
          ...(unit() < rates.finishDeadlines ? { finish_within } : {}),
        },
        missesSlot: false,
        intakeDeaths: 0,
        intakeStumbles: 0,
        injected: new Map(),
        diedOn: new Map(),
      };
    },
    assign: (jobId, fate) => void byJob.set(jobId, fate),
    find: (jobId) => byJob.get(jobId),
    of(jobId) {
      const fate = byJob.get(jobId);
      if (fate === undefined) throw new Error(`nobody sent ${jobId}`);
      return fate;
    },
  };
}

/** Counts one injected failure; answers how many of its class that stage has now. @param on the agent it happened on. */
export function inject(fate: Fate, stage: StageKind, what: Injected, on?: string): number {
  if (on !== undefined) fate.diedOn.set(stage, (fate.diedOn.get(stage) ?? new Set()).add(on));
  const name = `${stage} ${what}`;
  const count = (fate.injected.get(name) ?? 0) + 1;
  fate.injected.set(name, count);
  return count;
}

export function injectedOf(fate: Fate, stage: string, what: Injected): number {
  return fate.injected.get(`${stage} ${what}`) ?? 0;
}
