import { z } from "zod";
import { apply, leftToSweeper, type ApplyDoors } from "../apply.ts";
import { Fault } from "#shared/domain/fault.ts";

/** What S3 announces (its event notification, version 2), as far as it matters here; a test event has no records. */
const Announcement = z.object({
  Records: z
    .array(
      z.object({
        eventName: z.string(),
        s3: z.object({ object: z.object({ key: z.string().min(1).max(4_096) }) }),
      }),
    )
    .max(1_000)
    .default([]),
});

/** The bytes of an upload have arrived under this key. Keys of no job, and jobs that are gone or damaged, are left alone. */
export async function uploadArrived(doors: ApplyDoors, key: string): Promise<void> {
  const jobId = /^jobs\/(job_[0-9a-z]+)\/input$/.exec(key)?.[1];
  if (jobId === undefined) return;
  await apply(doors, jobId, { type: "uploaded" }).catch(leftToSweeper);
}

/**
 * A message of the queue that S3 announces uploads on. At least once and in any order: an arrival that is known changes
 * nothing. @throws Fault input `message_unreadable` for what is no announcement.
 */
export async function uploadsAnnounced(doors: ApplyDoors, body: string): Promise<void> {
  const announcement = Announcement.safeParse(parseJson(body));
  if (!announcement.success)
    throw new Fault("input", "message_unreadable", "The message is no announcement of an upload.");
  for (const { eventName, s3 } of announcement.data.Records) {
    // Keys are encoded as in a form.
    if (eventName.includes("ObjectCreated:")) await uploadArrived(doors, decodeForm(s3.object.key));
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function decodeForm(text: string): string {
  return new URLSearchParams(`key=${text}`).get("key") ?? "";
}
