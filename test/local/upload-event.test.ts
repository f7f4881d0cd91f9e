import { expect, test } from "vitest";
import { uploadMessage } from "../../infra/emulators/upload-event.ts";

const FILTER = { bucket: "photokeep", prefix: "jobs/", suffix: "/input" };

/** As versitygw 1.8.0 sends it. */
function notification(
  object: { key: string; eTag?: string | null; versionId?: string | null },
  eventName = "s3:ObjectCreated:Put",
) {
  const owner = { PrincipalId: "test" };
  return {
    Records: [
      {
        eventVersion: "2.2",
        eventSource: "aws:s3",
        awsRegion: "us-east-1",
        eventTime: "2026-11-23T05:37:29Z",
        eventName,
        userIdentity: owner,
        requestParameters: { sourceIPAddress: "127.0.0.1" },
        responseElements: { "x-amz-request-id": "", "x-amz-id-2": "" },
        s3: {
          s3SchemaVersion: "1.0",
          configurationId: "webhook-global",
          bucket: { name: "photokeep", ownerIdentity: owner, arn: `arn:aws:s3:::/photokeep/${object.key}` },
          object: { size: 5, eTag: '"5d41402a"', versionId: null, sequencer: "1", ...object },
        },
        glacierEventData: { restoreEventData: {} },
      },
    ],
  };
}

test("an upload is announced as S3 does: short event name, bare entity tag, the key encoded as in a form", () => {
  const body = uploadMessage(notification({ key: "jobs/a b+ü%(1)/input" }), FILTER);
  expect(JSON.parse(body ?? "")).toEqual({
    Records: [
      {
        eventVersion: "2.1",
        eventSource: "aws:s3",
        awsRegion: "us-east-1",
        eventTime: "2026-11-23T05:37:29.000Z",
        eventName: "ObjectCreated:Put",
        userIdentity: { principalId: "test" },
        requestParameters: { sourceIPAddress: "127.0.0.1" },
        s3: {
          s3SchemaVersion: "1.0",
          configurationId: "uploads",
          bucket: { name: "photokeep", arn: "arn:aws:s3:::photokeep" },
          object: { key: "jobs/a+b%2B%C3%BC%25%281%29/input", size: 5, eTag: "5d41402a", sequencer: "1" },
        },
      },
    ],
  });
});

test("other keys, other buckets and other events are not announced", () => {
  const key = "jobs/job_1/input";
  expect(uploadMessage(notification({ key: "jobs/job_1/output" }), FILTER)).toBe(undefined);
  expect(uploadMessage(notification({ key: "uploads/upl_1/input" }), FILTER)).toBe(undefined);
  expect(uploadMessage(notification({ key }), { ...FILTER, bucket: "another" })).toBe(undefined);
  expect(uploadMessage(notification({ key }, "s3:ObjectRemoved:Delete"), FILTER)).toBe(undefined);
  expect(uploadMessage(notification({ key }, "s3:ObjectCreated:Copy"), FILTER)).toContain(
    "ObjectCreated:Copy",
  );
});

test("the test event of a new notification reaches the queue, as on AWS", () => {
  const sent = { Service: "S3", Event: "s3:TestEvent", Time: "2026-11-23T05:37:27Z", Bucket: "Test-Bucket" };
  expect(JSON.parse(uploadMessage(sent, FILTER) ?? "")).toEqual({
    Service: "Amazon S3",
    Event: "s3:TestEvent",
    Time: "2026-11-23T05:37:27Z",
    Bucket: "photokeep",
  });
});

test("anything else is refused", () => {
  for (const nonsense of [null, "x", {}, { Records: [{}] }, { Records: "all" }])
    expect(() => uploadMessage(nonsense, FILTER)).toThrow();
});
