import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { run, type Ended } from "./command.ts";
import { temporaryFolder } from "../contract/temporary-folder.ts";
import { installationIn } from "../../infra/emulators/install.ts";
import { emulatorPlaces } from "../../infra/emulators/places.ts";
import { SERVERS } from "../../infra/emulators/server-table.ts";
import { openS3Blobs } from "#shared/adapters/s3-blobs.ts";
import { openSqsQueue } from "#shared/adapters/sqs-queue.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";

const CLI = fileURLToPath(new URL("../../infra/emulators/cli.ts", import.meta.url));
const { programs } = emulatorPlaces({ cwd: process.cwd() }, process.env);
const installations = SERVERS.filter(({ install }) => install !== undefined).map((server) =>
  installationIn(programs, server),
);
/** The first start installs them, which takes minutes and the registries. */
const areInstalled = installations.every((folder) => existsSync(folder));

async function emulators(...args: string[]): Promise<Ended> {
  await using command = run(CLI, args);
  return await command.ended;
}

function variables(out: string): Record<string, string> {
  return Object.fromEntries(
    [...out.matchAll(/^export (\w+)=(.*)$/gm)].map(([, name, value]) => [name, value ?? ""]),
  );
}

const notInstalled = areInstalled ? "" : " (skipped: not installed; npm run emulators -- start)";
test.skipIf(!areInstalled)(
  `the emulators start with all a stack needs, announce an upload on its queue, and end at stop${notInstalled}`,
  { timeout: 180_000 },
  async () => {
    await using folder = await temporaryFolder();
    const state = ["--state", folder.path];
    try {
      const started = await emulators("start", ...state);
      expect(started).toMatchObject({ code: 0 });
      const env = variables(started.out);
      Object.assign(process.env, env);
      expect((await emulators("start", ...state)).out).toBe(started.out);
      expect(await emulators("status", ...state)).toMatchObject({ code: 0 });

      await using blobs = await openS3Blobs({ bucket: env["PHOTOKEEP_BUCKET"] ?? "", clock: systemClock });
      await using uploads = await openSqsQueue({
        url: env["PHOTOKEEP_UPLOADS_URL"] ?? "",
        clock: systemClock,
      });
      await blobs.write("jobs/job_1/preview", Buffer.from("no upload"), "image/jpeg");
      await blobs.write("jobs/job_1/input", Buffer.from("a photograph"), "image/jpeg");
      const announced: string[] = [];
      // The test event of the new notification comes first, or not: queues have no order.
      for (let asked = 0; asked < 10 && !announced.some((body) => body.includes("Records")); asked++) {
        const deliveries = await uploads.receive({ max: 10, waitMs: 2_000, visibilityMs: 30_000 });
        announced.push(...deliveries.map(({ body }) => body));
      }
      const records = announced.flatMap(
        (body) => (JSON.parse(body) as { Records?: unknown[] }).Records ?? [],
      );
      expect(records).toMatchObject([
        { eventName: "ObjectCreated:Put", s3: { object: { key: "jobs/job_1/input", size: 12 } } },
      ]);
    } finally {
      await emulators("stop", ...state);
    }
    expect(await emulators("status", ...state)).toMatchObject({
      code: 1,
      out: expect.not.stringContaining("answers"),
    });
  },
);

test("wrong usage is one sentence and exit code 2; --help explains everything", async () => {
  for (const wrong of [[], ["restart"], ["start", "stop"], ["start", "--port", "1"]]) {
    const { code, err, out } = await emulators(...wrong);
    expect({ code, out }, wrong.join(" ")).toEqual({ code: 2, out: "" });
    expect(err.trim().split("\n"), wrong.join(" ")).toHaveLength(1);
  }
  const { code, out } = await emulators("--help");
  expect(code).toBe(0);
  for (const word of ["start", "stop", "status", "--fresh", "--dir", "--state", "eval"])
    expect(out).toContain(word);
});
