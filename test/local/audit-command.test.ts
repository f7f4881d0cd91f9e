import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { run, START } from "./command.ts";
import { temporaryFolder } from "../contract/temporary-folder.ts";
import { painted } from "../functions/intake/bad-input.ts";
import type { Restoration } from "#functions/api/restoration-schema.ts";

const AUDIT = fileURLToPath(new URL("../../infra/local/audit/cli.ts", import.meta.url));

async function auditOf(data: string, ...args: string[]) {
  await using command = run(AUDIT, ["--data", data, ...args]);
  const { code, out, err } = await command.ended;
  const lines = out.trimEnd().split("\n");
  return { code, err, lines, last: JSON.parse(lines.at(-1) || "{}") as Record<string, number> };
}

test("a running stack is audited without being disturbed; what is broken by hand is found, and exits with 1", async () => {
  await using folder = await temporaryFolder();
  {
    await using stack = run(START, ["--port", "0", "--data", folder.path, "--models", "none"]);
    const out = await stack.printed(/PhotoKeep is at (\S+)/);
    const url = new URL("/v1/restorations", /PhotoKeep is at (\S+)/.exec(out)?.[1]);
    const photo = await painted(24, 24).png().toBuffer();
    const file = { content_type: "image/png", content_length: photo.length };
    const headers = { "content-type": "application/json" };
    const created = await fetch(url, { method: "POST", headers, body: JSON.stringify({ input: { file } }) });
    const { id, upload } = (await created.json()) as Restoration;
    await fetch(upload?.url ?? "", { method: "PUT", headers: upload?.headers ?? {}, body: photo });
    for (let status = ""; status !== "succeeded"; await sleep(50))
      ({ status } = (await (await fetch(`${url.href}/${id}`)).json()) as Restoration);

    const { code, lines, last } = await auditOf(folder.path, "--bytes");
    expect(lines).toHaveLength(1);
    // The job with its plan, what its customer used, and whatever the stack keeps of its own.
    expect(last).toMatchObject({ jobs: 1, findings: 0, not_compared: 0 });
    expect(code).toBe(0);
    stack.kill("SIGTERM");
    await stack.ended;
  }
  using database = new DatabaseSync(join(folder.path, "jobs.db"));
  database.exec(`UPDATE item SET body = json_remove(body, '$.endedAt') WHERE sk = 'JOB'`);
  const { code, lines, last } = await auditOf(folder.path, "--json");
  expect(code).toBe(1);
  expect(last).toMatchObject({ jobs: 1, findings: lines.length - 1 });
  const kinds = lines.slice(0, -1).map((line) => (JSON.parse(line) as { kind: string }).kind);
  expect(kinds).toContain("end_inconsistent");
});

test("a folder without a store, one of another time, and a wrong call are one sentence each", async () => {
  await using folder = await temporaryFolder();
  const missing = await auditOf(folder.path);
  expect(missing).toMatchObject({ code: 1, err: expect.stringContaining("[data_missing]") as unknown });
  await writeFile(join(folder.path, "jobs.db"), "");
  const older = await auditOf(folder.path);
  expect(older).toMatchObject({ code: 1, err: expect.stringContaining("[schema_older]") as unknown });
  const wrong = await auditOf(folder.path, "--doors", "cellar");
  expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining("[usage_invalid]") as unknown });
  await using help = run(AUDIT, ["--help"]);
  expect((await help.ended).out).toContain("npm run audit");
});
