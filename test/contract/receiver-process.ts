/**
 * A process of its own for tests: `receiver-process.ts <queue file> <visibility in ms>`. Says "ready", then prints each
 * delivery with the time of its arrival and keeps it without deleting it. Ends when a minute brings nothing.
 */
import { openSqliteQueue } from "#shared/adapters/sqlite-queue.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";

const [path = "", visibilityMs = ""] = process.argv.slice(2);
await using queue = await openSqliteQueue({
  path,
  name: "bells",
  clock: systemClock,
  entropy: systemEntropy,
});
process.stdout.write("ready\n");
const ask = { max: 1, waitMs: 60_000, visibilityMs: Number(visibilityMs) };
for (;;) {
  const [delivery] = await queue.receive(ask);
  if (delivery === undefined) break;
  const { body, receives } = delivery;
  const at = performance.timeOrigin + performance.now();
  process.stdout.write(`${JSON.stringify({ body, receives, at })}\n`);
}
