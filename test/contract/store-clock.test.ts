import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { GetItemCommand } from "@aws-sdk/client-dynamodb";
import { expect, test, vi } from "vitest";
import { openDynamoDoor } from "#shared/adapters/dynamo-client.ts";
import { createManualClock } from "#shared/adapters/manual-clock.ts";
import { createStoreClock } from "#shared/store-clock.ts";

const TRUTH = 1_750_000_000_000;

test.each([-30_000, 30_000, 3_600_000])("a clock that is %i ms wrong follows the store", (skewMs) => {
  const clock = createStoreClock(createManualClock(TRUTH + skewMs));
  clock.observe(TRUTH, clock.now() - 20);
  expect(Math.abs(clock.now() - TRUTH)).toBeLessThanOrEqual(500);
});

test("a clock that is right to two seconds is left alone", () => {
  const clock = createStoreClock(createManualClock(TRUTH + 1_900));
  clock.observe(TRUTH, clock.now());
  expect(clock.now()).toBe(TRUTH + 1_900);
});

test("a reply that was long under way, or tells no time, is not believed", () => {
  const clock = createStoreClock(createManualClock(TRUTH));
  clock.observe(TRUTH - 5_000, clock.now() - 4_000);
  clock.observe(Number.NaN, clock.now());
  expect(clock.now()).toBe(TRUTH);
});

test("a reply that was asked for before the clock was set back is not believed", () => {
  const clock = createStoreClock(createManualClock(TRUTH + 30_000));
  const askedAt = clock.now();
  clock.observe(TRUTH, askedAt);
  clock.observe(TRUTH - 20_000, askedAt);
  expect(Math.abs(clock.now() - TRUTH)).toBeLessThanOrEqual(500);
});

test("the store on DynamoDB sets the clock by the dates of its replies", async () => {
  const server = createServer((_request, response) => {
    response.setHeader("date", new Date(TRUTH).toUTCString());
    response.setHeader("content-type", "application/x-amz-json-1.0");
    response.end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  vi.stubEnv("AWS_ACCESS_KEY_ID", "test").stubEnv("AWS_SECRET_ACCESS_KEY", "test");
  try {
    const clock = createStoreClock(createManualClock(TRUTH + 30_000));
    const { port } = server.address() as AddressInfo;
    const options = { region: "eu-central-1", endpoint: `http://127.0.0.1:${port}`, clock };
    using door = await openDynamoDoor(options, "table");
    await door.call((abortSignal) =>
      door.client.send(new GetItemCommand({ TableName: "table", Key: { pk: { S: "a" } } }), { abortSignal }),
    );
    expect(Math.abs(clock.now() - TRUTH)).toBeLessThanOrEqual(500);
  } finally {
    vi.unstubAllEnvs();
    server.closeAllConnections();
    server.close();
  }
});
