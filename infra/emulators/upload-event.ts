import { z } from "zod";

/** What a bucket announces, as its notification configuration says on AWS. */
export interface UploadFilter {
  readonly bucket: string;
  /** Keys that start and end so. */
  readonly prefix: string;
  readonly suffix: string;
}

/** The shape versitygw sends: like S3's, with keys as they are, quoted entity tags and a longer event name. */
const GatewayEvent = z.object({
  Records: z
    .array(
      z.object({
        awsRegion: z.string(),
        eventTime: z.string(),
        eventName: z.string(),
        userIdentity: z.object({ PrincipalId: z.string() }),
        requestParameters: z.object({ sourceIPAddress: z.string() }),
        s3: z.object({
          bucket: z.object({ name: z.string() }),
          object: z.object({
            key: z.string().min(1),
            size: z.int().min(0),
            eTag: z.string().nullable(),
            versionId: z.string().nullable(),
            sequencer: z.string(),
          }),
        }),
      }),
    )
    .max(10),
});
const GatewayTest = z.object({ Event: z.literal("s3:TestEvent"), Time: z.string() });

/**
 * What S3 would put on the queue for a notification of versitygw: version 2.1 of its event message structure, or the
 * test event that it sends once when notifications are configured.
 * @returns the message's body; undefined for what the filter leaves out. @throws ZodError for anything else.
 */
export function uploadMessage(notification: unknown, filter: UploadFilter): string | undefined {
  const test = GatewayTest.safeParse(notification);
  if (test.success)
    return JSON.stringify({
      Service: "Amazon S3",
      Event: "s3:TestEvent",
      Time: test.data.Time,
      Bucket: filter.bucket,
    });
  const Records = GatewayEvent.parse(notification)
    .Records.filter(({ eventName, s3 }) => {
      const { key } = s3.object;
      const isMeant = key.startsWith(filter.prefix) && key.endsWith(filter.suffix);
      return eventName.startsWith("s3:ObjectCreated:") && s3.bucket.name === filter.bucket && isMeant;
    })
    .map(recordOfS3);
  return Records.length === 0 ? undefined : JSON.stringify({ Records });
}

function recordOfS3(record: z.infer<typeof GatewayEvent>["Records"][number]) {
  const { bucket, object } = record.s3;
  return {
    eventVersion: "2.1",
    eventSource: "aws:s3",
    awsRegion: record.awsRegion,
    eventTime: new Date(record.eventTime).toISOString(),
    eventName: record.eventName.slice("s3:".length),
    userIdentity: { principalId: record.userIdentity.PrincipalId },
    requestParameters: record.requestParameters,
    s3: {
      s3SchemaVersion: "1.0",
      configurationId: "uploads",
      bucket: { name: bucket.name, arn: `arn:aws:s3:::${bucket.name}` },
      object: {
        key: encodeKey(object.key),
        size: object.size,
        ...(object.eTag === null ? {} : { eTag: object.eTag.replaceAll('"', "") }),
        ...(object.versionId ? { versionId: object.versionId } : {}),
        sequencer: object.sequencer,
      },
    },
  };
}

/** As in a form, slashes kept: the way keys travel in S3's events. */
function encodeKey(key: string): string {
  return new URLSearchParams([["", key]]).toString().slice(1).replaceAll("%2F", "/");
}
