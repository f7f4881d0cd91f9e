import { expect, test } from "vitest";
import { uploadArrived, uploadsAnnounced } from "#functions/intake/arrival.ts";
import { jobItem } from "#functions/apply.ts";
import { newJob } from "#shared/domain/job.ts";
import { Options } from "#shared/domain/options.ts";
import { controlPlane, jobOf, type ControlPlane } from "../control-plane-fixture.ts";

async function waitingJob(plane: ControlPlane): Promise<void> {
  const input = { key: "jobs/job_1/input", contentType: "image/jpeg", bytes: 3 };
  const job = newJob(
    { id: "job_1", org: "org_1", options: Options.parse({}), input, uploaded: false },
    plane.clock.now(),
  );
  await plane.store.transact([{ op: "put", item: jobItem(job), when: "absent" }]);
}

const announced = (...records: object[]): string => JSON.stringify({ Records: records });
const created = (key: string, eventName = "ObjectCreated:Put") => ({
  eventVersion: "2.1",
  eventName,
  s3: { bucket: { name: "photographs" }, object: { key, size: 3 } },
});

test("an announced upload starts its job, once, however often it is announced", async () => {
  const plane = controlPlane();
  await waitingJob(plane);
  await uploadsAnnounced(plane, announced(created("jobs/job_1/input")));
  expect(await jobOf(plane)).toMatchObject({ status: "queued" });
  expect(plane.intakes).toEqual(["job_1"]);
  const { rev } = (await plane.store.get({ pk: "JOB#job_1", sk: "JOB" }))!;
  await uploadsAnnounced(plane, announced(created("jobs/job_1/input"), created("jobs/job_1/input")));
  expect((await plane.store.get({ pk: "JOB#job_1", sk: "JOB" }))?.rev).toBe(rev);
});

test("keys come encoded as in a form, and event names with or without their prefix", async () => {
  const plane = controlPlane();
  await waitingJob(plane);
  await uploadsAnnounced(
    plane,
    announced(created("jobs%2Fjob_1%2Finput", "s3:ObjectCreated:CompleteMultipartUpload")),
  );
  expect(await jobOf(plane)).toMatchObject({ status: "queued" });
});

test("other objects, deletions, jobs that are gone and S3's test event are left alone", async () => {
  const plane = controlPlane();
  await waitingJob(plane);
  const records = [
    created("jobs/job_1/upscale/e1-x.image.tif"),
    created("uploads/upl_1"),
    created("jobs/job_9/input"),
    created("jobs/job_1/input", "ObjectRemoved:Delete"),
  ];
  await uploadsAnnounced(plane, announced(...records));
  await uploadsAnnounced(
    plane,
    JSON.stringify({ Service: "Amazon S3", Event: "s3:TestEvent", Bucket: "photographs" }),
  );
  await uploadArrived(plane, "jobs/job_1/input/more");
  expect(await jobOf(plane)).toMatchObject({ status: "awaiting_upload" });
});

test.each([
  "",
  "no JSON",
  "[]",
  '{"Records":[{"eventName":1}]}',
  '{"Records":[{"eventName":"ObjectCreated:Put"}]}',
])("a message that is no announcement is refused with a code: %s", async (body) => {
  await expect(uploadsAnnounced(controlPlane(), body)).rejects.toMatchObject({
    kind: "input",
    code: "message_unreadable",
  });
});
