import { QUEUE_BATCH_MAX, QUEUE_BODY_BYTES_MAX, QUEUE_DELAY_MS_MAX } from "../domain/limits.ts";
import { invariant } from "../domain/fault.ts";
import type { Clock, Delivery, Message, Queue } from "../ports.ts";
import type { Bell } from "./bell.ts";

export type Ask = Parameters<Queue["receive"]>[0];

/** SQS hides a message for at most so long. */
const VISIBILITY_MS_MAX = 12 * 3_600_000;
const SEND_MESSAGES_MAX = 1_000;
/** What SQS takes as a message group: letters, digits and punctuation of ASCII. */
const GROUP = /^[!-~]{1,128}$/;
/** What SQS takes as a body: the characters of XML 1.0. */
const BODY = /^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]+$/u;

/** The group of messages that name none. */
export const NO_GROUP = "";

export function checkMessages(messages: readonly Message[]): void {
  invariant(messages.length <= SEND_MESSAGES_MAX, "at most 1,000 messages are sent at once");
  for (const { body, group, delayMs = 0 } of messages) {
    invariant(
      body !== "" && Buffer.byteLength(body) <= QUEUE_BODY_BYTES_MAX,
      "a message has 1 to 8,192 bytes",
    );
    invariant(BODY.test(body), "a message has only characters that XML knows");
    invariant(
      group === undefined || GROUP.test(group),
      "a group has 1 to 128 ASCII characters without spaces",
    );
    invariant(delayMs >= 0 && delayMs <= QUEUE_DELAY_MS_MAX, "a message is delayed by at most 15 minutes");
  }
}

export function checkAsk({ max, waitMs, visibilityMs }: Ask): void {
  invariant(max >= 1 && max <= QUEUE_BATCH_MAX, "1 to 10 messages are received at once");
  invariant(waitMs >= 0, "a receiver waits forward");
  checkVisibility(visibilityMs);
}

export function checkVisibility(visibilityMs: number): void {
  invariant(
    visibilityMs >= 0 && visibilityMs <= VISIBILITY_MS_MAX,
    "a message is hidden for at most 12 hours",
  );
}

/** Names one delivery: the next one of the same message has a higher number, which makes this receipt stale. */
export function receiptOf(id: string, receives: number): string {
  return `${id}.${receives}`;
}

/** @returns undefined for what is no receipt. */
export function readReceipt(receipt: string): { readonly id: string; readonly receives: number } | undefined {
  const [, id, receives] = /^([0-9a-f]+)\.([0-9]{1,9})$/.exec(receipt) ?? [];
  return id === undefined ? undefined : { id, receives: Number(receives) };
}

/**
 * Looks again and again until something was taken or `waitMs` are over. Aborting rejects with the signal's reason, and
 * only while nothing is taken.
 * @param at.take takes what is there now. @param at.restMs how long nothing can come without a ring of the bell.
 */
export async function pollQueue(
  at: {
    readonly clock: Clock;
    readonly bell: Bell;
    readonly take: () => Promise<readonly Delivery[]>;
    readonly restMs: () => number;
  },
  waitMs: number,
  signal?: AbortSignal,
): Promise<readonly Delivery[]> {
  const deadline = at.clock.now() + waitMs;
  for (;;) {
    signal?.throwIfAborted();
    const rings = at.bell.rings();
    const taken = await at.take();
    const leftMs = deadline - at.clock.now();
    if (taken.length > 0 || leftMs <= 0) return taken;
    if (at.bell.rings() === rings) await at.bell.sleep(Math.min(leftMs, at.restMs()), signal);
  }
}
