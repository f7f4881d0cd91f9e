import { expect, test } from "vitest";
import { runIntake } from "#functions/intake/intake.ts";
import { jobItem } from "#functions/apply.ts";
import { recover } from "../../../infra/local/recover.ts";
import { Fault } from "#shared/domain/fault.ts";
import { newJob } from "#shared/domain/job.ts";
import { Options } from "#shared/domain/options.ts";
import { controlPlane, jobOf, type ControlPlane } from "../control-plane-fixture.ts";

async function uploadedJob(plane: ControlPlane): Promise<void> {
  const input = { key: "jobs/job_1/input", contentType: "image/jpeg", bytes: 3 };
  const ask = { id: "job_1", org: "org_1", options: Options.parse({}), input, uploaded: true };
  await plane.store.transact([{ op: "put", item: jobItem(newJob(ask, plane.clock.now())), when: "absent" }]);
}

test.each([
  [
    new Fault("input", "blobs_denied", "The role lacks s3:GetObject."),
    { status: "ready", tries: 0, away: 1 },
  ],
  [new Fault("input", "region_missing", "Set AWS_REGION."), { status: "ready", tries: 0, away: 1 }],
  [new Fault("busy", "blobs_busy", "Busy."), { status: "ready", tries: 0, away: 1 }],
  [new Fault("busy", "disk_full", "Full."), { status: "ready", tries: 0, lost: 1 }],
  [new Fault("input", "image_broken", "The file is damaged."), { status: "failed" }],
])("a reading that met %s costs the photograph what it should", async (fault, intake) => {
  const plane = controlPlane();
  await uploadedJob(plane);
  const doors = {
    ...plane,
    blobs: { ...plane.blobs, download: () => Promise.reject(fault) },
    quarantine: {
      decode: () => Promise.reject(new Error("nothing came")),
      [Symbol.asyncDispose]: async () => {},
    },
    openFolder: async (name: string) => ({ path: name, [Symbol.asyncDispose]: async () => {} }),
  };
  await runIntake(doors, "job_1");
  expect((await jobOf(plane)).intake).toMatchObject(intake);
});

test("after a restart whatever waits to be read is begun at once, not by its timer", async () => {
  const plane = controlPlane();
  await uploadedJob(plane);
  await recover(plane);
  expect(plane.intakes).toEqual(["job_1"]);
});
