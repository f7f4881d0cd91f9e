import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { execPath } from "node:process";
import { expect, test } from "vitest";
import { CATALOGUE } from "#shared/domain/catalogue.ts";
import { temporaryFolder } from "../../contract/temporary-folder.ts";

const CLI = resolve(import.meta.dirname, "../../../gpu-agent/models/cli.ts");

type Outcome = { code: number; out: string; err: string };

/** Runs the command as a person would; never finds a stack trace in what it says. */
async function models(...args: string[]): Promise<Outcome> {
  const outcome = await new Promise<Outcome>((done) => {
    const child = execFile(execPath, [CLI, ...args], (_, out, err) =>
      done({ code: child.exitCode ?? -1, out, err }),
    );
  });
  expect(outcome.err).not.toMatch(/^\s+at /m);
  return outcome;
}

test("help is given on request, and with the complaint about a wrong use", async () => {
  const help = await models("--help");
  expect(help).toMatchObject({ code: 0, err: "" });
  for (const word of ["list", "pull", "import", "verify", "prepare", "--models", "--json"])
    expect(help.out).toContain(word);
  for (const wrong of [[], ["fetch"], ["list", "--nope"], ["import"], ["toString"]]) {
    const { code, err, out } = await models(...wrong);
    expect(code, wrong.join(" ")).toBe(2);
    expect(err).toContain("Usage:");
    expect(out).toBe("");
  }
});

test("the list shows every model once, for people and for programs", async () => {
  await using folder = await temporaryFolder();
  const table = await models("list", "--models", folder.path);
  expect(table.code).toBe(0);
  expect(table.out.trimEnd().split("\n")).toHaveLength(CATALOGUE.length + 1);
  const json = await models("list", "--json", "--models", folder.path);
  const rows = JSON.parse(json.out) as { id: string; state: string; get: string }[];
  expect(rows.map(({ id }) => id)).toEqual(CATALOGUE.map(({ id }) => id));
  expect(rows.find(({ id }) => id === "blazeface")).toMatchObject({
    state: "missing",
    get: "npm run models -- pull blazeface",
  });
});

test("a model can be pulled, prepared and verified, and what fails is said in a sentence", async () => {
  await using folder = await temporaryFolder();
  const at = ["--models", folder.path];
  expect(await models("pull", "blazeface", ...at)).toMatchObject({ code: 0, err: "" });
  expect(await models("prepare", ...at)).toMatchObject({ code: 0, err: "" });
  const verified = await models("verify", "--json", ...at);
  expect(JSON.parse(verified.out)).toMatchObject([{ id: "blazeface", ok: true }]);

  const failed = await models("pull", "blazeface", "no-such-model", "hat-l-x4", ...at);
  expect(failed.code).toBe(1);
  expect(failed.out).toContain("blazeface is here");
  expect(failed.err.trimEnd().split("\n")).toHaveLength(2);
  expect(await models("import", resolve(folder.path, "nowhere"), ...at)).toMatchObject({ code: 1, out: "" });
});
