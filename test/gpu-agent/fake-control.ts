import { Fault } from "#shared/domain/fault.ts";
import type {
  BeatAnswer,
  BeatAsk,
  Capabilities,
  ClaimAnswer,
  ClaimAsk,
  CompleteAnswer,
  CompleteAsk,
  FailAsk,
  Lease,
  RegisterAnswer,
  ReleaseAsk,
  UnreadableAsk,
  Verdict,
} from "#shared/domain/message.ts";
import type { ControlApi } from "#agent/control-client.ts";

type CallName = keyof ControlApi;

/** `lost`: the call is done and its answer lost. `down`: nobody answers. `forgotten`: 401. `refused`: another 4xx. */
type Trouble = "lost" | "down" | "forgotten" | "refused";

/** A control plane of a few lines: what it is asked is kept, what it answers is set by the test. */
export interface FakeControl extends ControlApi {
  beatMs: number;
  readonly registrations: Capabilities[];
  readonly beats: (BeatAsk & { token: string })[];
  readonly claims: ClaimAsk[];
  readonly completions: CompleteAsk[];
  readonly failures: FailAsk[];
  readonly releases: ReleaseAsk[];
  readonly goodbyes: string[];
  /** Messages that were no doorbells. */
  readonly aside: UnreadableAsk[];
  /** What claims answer: the leases in order, then `otherwise`. */
  readonly leases: Lease[];
  otherwise: "wait" | "gone";
  /** What claims without a job find first, in order. */
  readonly found: string[];
  /** What completes hand over, in order. */
  readonly nexts: Lease[];
  /** What the coming beats say is to be dropped. */
  drop: BeatAnswer["drop"];
  /** What the coming beats that ask for it say of what waits. */
  ahead: BeatAnswer["ahead"];
  /** Makes the coming calls of this name go wrong. */
  trouble(name: CallName, kind: Trouble, times?: number): void;
}

export function createFakeControl(): FakeControl {
  const troubles = new Map<CallName, Trouble[]>();
  /** Answers already given, by claim id: a repeated call gets the same. */
  const granted = new Map<string, ClaimAnswer>();
  const accepted = new Map<string, CompleteAnswer>();
  let agents = 0;

  async function attempt<T>(name: CallName, call: () => T): Promise<T> {
    const trouble = troubles.get(name)?.shift();
    if (trouble === "down") throw new Fault("busy", "control_unreachable", "down");
    if (trouble === "forgotten") throw new Fault("auth", "agent_unknown", "forgotten");
    if (trouble === "refused") throw new Fault("input", "request_refused", "refused");
    const answer = call();
    if (trouble === "lost") throw new Fault("busy", "control_unreachable", "lost");
    return answer;
  }

  const control: FakeControl = {
    beatMs: 5_000,
    registrations: [],
    beats: [],
    claims: [],
    completions: [],
    failures: [],
    releases: [],
    goodbyes: [],
    aside: [],
    leases: [],
    otherwise: "gone",
    found: [],
    nexts: [],
    drop: [],
    ahead: [],
    trouble(name, kind, times = 1) {
      troubles.set(name, [...(troubles.get(name) ?? []), ...Array.from({ length: times }, () => kind)]);
    },

    register: (ask) =>
      attempt("register", (): RegisterAnswer => {
        control.registrations.push(ask);
        agents += 1;
        return { agent: `agt_${agents}`, token: `token-${agents}`, beatMs: control.beatMs };
      }),
    beat: (token, ask) =>
      attempt("beat", (): BeatAnswer => {
        control.beats.push({ ...ask, token });
        return { drop: control.drop, ahead: ask.ahead ? control.ahead : [] };
      }),
    claim: (_token, ask) =>
      attempt("claim", (): ClaimAnswer => {
        control.claims.push(ask);
        const before = granted.get(ask.claimId);
        if (before !== undefined) return before;
        const job = ask.job === undefined ? control.found.shift() : undefined;
        if (job !== undefined) return { verdict: "found", job };
        const lease = control.leases.shift();
        const answer: ClaimAnswer =
          lease === undefined
            ? { verdict: control.otherwise }
            : { verdict: "granted", lease: { ...lease, claimId: ask.claimId } };
        granted.set(ask.claimId, answer);
        return answer;
      }),
    complete: (_token, ask) =>
      attempt("complete", (): CompleteAnswer => {
        control.completions.push(ask);
        const key = `${ask.job} ${ask.stage} ${ask.epoch}`;
        const next = ask.nextClaimId === undefined ? undefined : control.nexts.shift();
        const answer: CompleteAnswer = accepted.get(key) ?? {
          verdict: "accepted",
          ...(next === undefined ? {} : { next }),
        };
        accepted.set(key, answer);
        return answer;
      }),
    fail: (_token, ask) =>
      attempt("fail", (): Verdict => {
        control.failures.push(ask);
        return { verdict: "accepted" };
      }),
    release: (_token, ask) =>
      attempt("release", (): Verdict => {
        control.releases.push(ask);
        return { verdict: "accepted" };
      }),
    putAside: (_token, ask) =>
      attempt("putAside", () => {
        control.aside.push(ask);
      }),
    goodbye: (token) =>
      attempt("goodbye", () => {
        control.goodbyes.push(token);
      }),
  };
  return control;
}
