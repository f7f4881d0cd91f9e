/**
 * A process of its own for tests: `writer-process.ts <store file> <name> <task>`. Prints a line per acknowledged write.
 * `append`: puts items 0, 1, 2, … until it is killed, or until nobody listens. `add`: adds 1 to the counter two hundred times.
 */
import { writeSync } from "node:fs";
import { openSqliteStore } from "#shared/adapters/sqlite-store.ts";
import { systemClock } from "#shared/adapters/system-clock.ts";
import { systemEntropy } from "#shared/adapters/system-entropy.ts";
import type { Write } from "#shared/ports.ts";

const [path = "", name = "", task = ""] = process.argv.slice(2);
await using store = await openSqliteStore({ path, clock: systemClock, entropy: systemEntropy });

const entry = (n: number): Write[] => [
  {
    op: "put",
    item: {
      pk: name,
      sk: String(n).padStart(8, "0"),
      body: { n },
      indexes: { due: { pk: name, sk: String(n) } },
    },
    when: "absent",
  },
  { op: "add", key: { pk: "count", sk: name }, add: { n: 1 } },
];
const add: Write[] = [{ op: "add", key: { pk: "count", sk: "shared" }, add: { n: 1 } }];

const writes = task === "append" ? 100_000 : 200;
for (let n = 0; n < writes; n++) {
  const committed = await store.transact(task === "append" ? entry(n) : add);
  if (!committed.ok) throw new Error(`write ${n} was refused`);
  writeSync(1, `${n}\n`);
}
