import { z } from "zod";
import type { Log } from "#shared/log.ts";
import type { Clock } from "#shared/ports.ts";

const TOKEN_SECONDS = 21_600;
const CALL_MS_MAX = 2_000;
const EVERY_MS = 5_000;
const EVERY_MS_MAX = 60_000;

const InstanceAction = z.object({ action: z.string().max(40), time: z.string().max(40) });

export interface MetadataAsk {
  /** Where the instance's metadata are served: http://169.254.169.254 on EC2. */
  readonly url: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly everyMs?: number;
}

/**
 * Waits until this EC2 instance is about to be taken away: a spot interruption (announced two minutes before) or the
 * decision of its scaling group. Asks by IMDSv2 every five seconds; a service that does not answer is no notice, and is
 * asked less and less often.
 * @returns why, as one clause; undefined when aborted.
 */
export async function spotNotice(ask: MetadataAsk, signal: AbortSignal): Promise<string | undefined> {
  const { url, clock, log, everyMs = EVERY_MS } = ask;
  let token: string | undefined;
  let failures = 0;

  const call = async (path: string, init: RequestInit): Promise<Response> =>
    await fetch(new URL(path, url), {
      ...init,
      redirect: "error",
      signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_MS_MAX)]),
    });

  const renew = async (): Promise<string> => {
    const headers = { "x-aws-ec2-metadata-token-ttl-seconds": String(TOKEN_SECONDS) };
    const answer = await call("/latest/api/token", { method: "PUT", headers });
    if (!answer.ok) throw new Error(`no token: ${answer.status}`);
    return await answer.text();
  };

  /** The text of an entry; undefined where there is none. */
  const read = async (path: string): Promise<string | undefined> => {
    token ??= await renew();
    const answer = await call(path, { headers: { "x-aws-ec2-metadata-token": token } });
    if (answer.status === 401) token = undefined;
    if (answer.status === 404) return undefined;
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return await answer.text();
  };

  const look = async (): Promise<string | undefined> => {
    const action = await read("/latest/meta-data/spot/instance-action");
    if (action !== undefined) {
      const { action: what, time } = InstanceAction.parse(JSON.parse(action));
      return `spot interruption (${what} at ${time})`;
    }
    const state = await read("/latest/meta-data/autoscaling/target-lifecycle-state");
    return state === "Terminated" ? "the scaling group ends this instance" : undefined;
  };

  while (!signal.aborted) {
    try {
      const notice = await look();
      failures = 0;
      if (notice !== undefined) return notice;
    } catch (error) {
      if (signal.aborted) return undefined;
      failures += 1;
      if (failures === 1) log.warn("metadata-unreadable", { error });
    }
    const pauseMs = Math.min(EVERY_MS_MAX, everyMs * 2 ** failures);
    await clock.sleep(pauseMs, signal).catch(() => undefined);
  }
  return undefined;
}
