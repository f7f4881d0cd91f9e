import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { run, START } from "./command.ts";
import { awsEngine } from "../contract/aws-engines.ts";
import { temporaryFolder } from "../contract/temporary-folder.ts";
import { painted } from "../functions/intake/bad-input.ts";
import type { Restoration } from "#functions/api/restoration-schema.ts";
import { readAwsPlaces } from "#local/aws-places.ts";
import { createDynamoTable, deleteDynamoTable } from "#shared/adapters/dynamo-table.ts";
import { createS3Bucket, deleteS3Bucket } from "#shared/adapters/s3-bucket.ts";
import { openSqsQueue } from "#shared/adapters/sqs-queue.ts";
import { createSqsQueue, deleteSqsQueue } from "#shared/adapters/sqs-resources.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";

const areHere = (["dynamodb", "sqs", "s3"] as const).every((service) => awsEngine(service).isHere);
const PORT_AND_MODELS = ["--port", "0", "--models", "none", "--doors", "aws"];

/** A table, queues and a bucket of this test alone. */
async function openPlaces() {
  const name = `photokeep-test-${randomBytes(6).toString("hex")}`;
  await createDynamoTable({}, name);
  await createS3Bucket({}, name);
  const bells = await createSqsQueue({}, { name, deadLetters: { name: `${name}-dead`, maxReceives: 1_000 } });
  const uploads = await createSqsQueue({}, { name: `${name}-uploads` });
  const urls = [bells.url, bells.deadLettersUrl ?? "", uploads.url];
  return {
    uploadsUrl: uploads.url,
    env: {
      PHOTOKEEP_TABLE: name,
      PHOTOKEEP_BUCKET: name,
      PHOTOKEEP_DOORBELLS_URL: bells.url,
      PHOTOKEEP_DEAD_LETTERS_URL: bells.deadLettersUrl ?? "",
      PHOTOKEEP_UPLOADS_URL: uploads.url,
    },
    async [Symbol.asyncDispose]() {
      await deleteDynamoTable({}, name);
      await deleteS3Bucket({}, name);
      for (const url of urls) await deleteSqsQueue({}, url);
    },
  };
}

test.skipIf(!areHere)(
  "a photograph is restored on DynamoDB, SQS and S3, from upload to download",
  async () => {
    await using folder = await temporaryFolder();
    await using places = await openPlaces();
    await using command = run(START, [...PORT_AND_MODELS, "--data", folder.path], places.env);
    const url = /PhotoKeep is at (\S+)/.exec(await command.printed(/PhotoKeep is at (\S+)/))?.[1] ?? "";
    const bytes = await painted(40, 30).png().toBuffer();
    const created = await fetch(new URL("/v1/restorations", url), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        operations: { upscale: 2 },
        input: { file: { content_type: "image/png", content_length: bytes.length } },
      }),
    });
    const { id, upload } = (await created.json()) as Restoration;
    if (upload === null) throw new Error(`no slot: ${created.status}`);
    // The bytes go to S3 itself, past this process; S3 announces them.
    expect(new URL(upload.url).host).not.toBe(new URL(url).host);
    const stored = await fetch(upload.url, { method: upload.method, headers: upload.headers, body: bytes });
    expect(stored.status).toBe(200);
    await using announcements = await openSqsQueue({ url: places.uploadsUrl, clock: systemClock });
    const record = { eventName: "ObjectCreated:Put", s3: { object: { key: `jobs/${id}/input` } } };
    await announcements.send([{ body: JSON.stringify({ Records: [record] }) }]);
    const read = async (): Promise<Restoration> =>
      (await (await fetch(new URL(`/v1/restorations/${id}`, url))).json()) as Restoration;
    await expect
      .poll(async () => (await read()).status, { timeout: 60_000, interval: 200 })
      .toBe("succeeded");
    const { output } = await read();
    expect(output).toMatchObject({ width: 80, height: 60 });
    const result = await (await fetch(output?.url ?? "")).arrayBuffer();
    expect(result.byteLength).toBe(output?.bytes);
  },
  90_000,
);

test.skipIf(!areHere)("a table that is not there is one sentence that names it", async () => {
  await using folder = await temporaryFolder();
  const env = {
    PHOTOKEEP_TABLE: "photokeep-nowhere",
    PHOTOKEEP_BUCKET: "photokeep-nowhere",
    PHOTOKEEP_DOORBELLS_URL: "http://127.0.0.1:1/queue/x",
    PHOTOKEEP_DEAD_LETTERS_URL: "http://127.0.0.1:1/queue/x",
    PHOTOKEEP_UPLOADS_URL: "http://127.0.0.1:1/queue/x",
  };
  await using command = run(START, [...PORT_AND_MODELS, "--data", folder.path], env);
  const { code, err } = await command.ended;
  expect(err).toMatch(/^[^\n]*photokeep-nowhere[^\n]* \[store_missing\]\n$/);
  expect(code).toBe(1);
});

test("a setting that is missing is named, with what it means", () => {
  expect(() => readAwsPlaces({ PHOTOKEEP_TABLE: "t" })).toThrow(
    "Set PHOTOKEEP_DOORBELLS_URL to the URL of the SQS queue of doorbells",
  );
});

test("the SDK's own variables are handed on to the agents, and nothing else", () => {
  const places = readAwsPlaces({
    PHOTOKEEP_TABLE: "t",
    PHOTOKEEP_BUCKET: "b",
    PHOTOKEEP_DOORBELLS_URL: "u",
    PHOTOKEEP_DEAD_LETTERS_URL: "u",
    PHOTOKEEP_UPLOADS_URL: "u",
    AWS_REGION: "eu-central-1",
    HOME: "/home/me",
    STRIPE_SECRET: "not for agents",
  });
  expect(places.environment).toEqual({ AWS_REGION: "eu-central-1", HOME: "/home/me" });
});
