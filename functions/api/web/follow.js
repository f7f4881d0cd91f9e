/** Follows a restoration until it has ended: by server-sent events, or by asking where those cannot be had. */
import { readRestoration } from "./calls.js";

/** @typedef {import("../restoration-schema.ts").Restoration} Restoration */

/** A browser opens six connections to a host; some must be left for everything else. */
const STREAMS_MAX = 3;
const ASK_EVERY_MS = 2_000;
const ASK_EVERY_MS_MAX = 30_000;

let streams = 0;

/** @param {Restoration} restoration */
export function hasEnded({ status }) {
  return status === "succeeded" || status === "failed" || status === "canceled" || status === "expired";
}

/**
 * @param {Restoration} restoration
 * @param {(restoration: Restoration) => void} onChange
 */
export async function follow(restoration, onChange) {
  let current = restoration;
  let pauseMs = ASK_EVERY_MS;
  /** @param {Restoration} next */
  const take = (next) => {
    current = next;
    pauseMs = ASK_EVERY_MS;
    onChange(next);
  };
  while (!hasEnded(current)) {
    if (streams < STREAMS_MAX) await stream(current.links.events, take);
    if (hasEnded(current)) return;
    // No stream to be had, or it broke: ask once, then try again.
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    pauseMs = Math.min(ASK_EVERY_MS_MAX, pauseMs * 1.5);
    await readRestoration(current.links.self).then(take, () => undefined);
  }
}

/**
 * Resolves when the restoration has ended or the stream is lost.
 * @param {string} address
 * @param {(restoration: Restoration) => void} take
 * @returns {Promise<void>}
 */
function stream(address, take) {
  streams += 1;
  return new Promise((resolve) => {
    const source = new EventSource(address);
    const close = () => {
      source.close();
      streams -= 1;
      resolve();
    };
    source.addEventListener("restoration", (event) => {
      const restoration = JSON.parse(event.data);
      take(restoration);
      if (hasEnded(restoration)) close();
    });
    source.addEventListener("error", close);
  });
}
