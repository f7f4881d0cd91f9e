import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

/** The walls of docs/architecture.md, read off the imports. */
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const ROOMS = ["shared", "functions", "gpu-agent", "infra", "examples"];
const ALIASES: Record<string, string> = {
  "#shared/": "shared/",
  "#functions/": "functions/",
  "#agent/": "gpu-agent/",
  "#local/": "infra/local/",
};

interface Source {
  readonly path: string;
  readonly text: string;
  /** Project files by path from the root; packages by name. */
  readonly imports: readonly string[];
}

const sources = ROOMS.flatMap((room) => files(join(ROOT, room))).map(read);
const product = sources.filter((source) => !source.path.startsWith("examples/"));

function files(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : /\.m?tsx?$/.test(name) ? [path] : [];
  });
}

function read(path: string): Source {
  const text = readFileSync(path, "utf8");
  const specifiers = [
    ...text.matchAll(
      /(?:^|\n)\s*(?:import|export)\b[^;'"`]*?from\s*["']([^"']+)["']|import\(\s*["']([^"']+)["']|(?:^|\n)\s*import\s*["']([^"']+)["']/g,
    ),
  ];
  const imports = specifiers.map((match) => resolved(match[1] ?? match[2] ?? match[3] ?? "", path));
  return { path: relative(ROOT, path), text, imports };
}

function resolved(specifier: string, from: string): string {
  for (const [alias, folder] of Object.entries(ALIASES))
    if (specifier.startsWith(alias)) return folder + specifier.slice(alias.length);
  return specifier.startsWith(".") ? relative(ROOT, resolve(dirname(from), specifier)) : specifier;
}

/** Every import of `name` (a package, or a folder with a trailing slash) from outside the rooms allowed to. */
function breaches(name: RegExp, allowed: (path: string) => boolean): string[] {
  return product.flatMap((source) =>
    allowed(source.path)
      ? []
      : source.imports.filter((each) => name.test(each)).map((each) => `${source.path} → ${each}`),
  );
}

const under =
  (...folders: string[]) =>
  (path: string): boolean =>
    folders.some((folder) => path.startsWith(folder));

test("the checker sees the house", () => {
  expect(sources.length).toBeGreaterThan(60);
  expect(sources.flatMap((source) => source.imports).length).toBeGreaterThan(200);
  for (const room of ["shared/domain/", "shared/adapters/", "functions/", "gpu-agent/", "infra/"]) {
    expect(
      sources.some((source) => source.path.startsWith(room)),
      room,
    ).toBe(true);
  }
  // Each rule below bites on something: the imports it restricts do exist where they are allowed.
  for (const name of ["sharp", "onnxruntime-node", "node:sqlite", "zod", "hono"]) {
    expect(
      sources.some((source) => source.imports.includes(name)),
      name,
    ).toBe(true);
  }
});

test("the domain imports zod and itself", () => {
  const strangers = product
    .filter((source) => source.path.startsWith("shared/domain/"))
    .flatMap((source) =>
      source.imports
        .filter((each) => each !== "zod" && !each.startsWith("shared/domain/"))
        .map((each) => `${source.path} → ${each}`),
    );
  expect(strangers).toEqual([]);
});

test("the domain knows no clock and no chance", () => {
  const domain = product.filter((source) => source.path.startsWith("shared/domain/"));
  expect(
    domain
      .filter((source) =>
        /Date\.now|new Date\(\)|Math\.random|performance\.now|setTimeout|\bprocess\.\w/.test(source.text),
      )
      .map((source) => source.path),
  ).toEqual([]);
});

test("the control plane and the agent meet only in shared", () => {
  expect(breaches(/^gpu-agent\//, (path) => !path.startsWith("functions/"))).toEqual([]);
  expect(breaches(/^functions\//, (path) => !path.startsWith("gpu-agent/"))).toEqual([]);
  expect(breaches(/^(functions|gpu-agent|infra)\//, (path) => !path.startsWith("shared/"))).toEqual([]);
  expect(breaches(/^infra\//, under("infra/"))).toEqual([]);
});

test("engines are reached through adapters only", () => {
  expect(breaches(/^(node:sqlite|@aws-sdk\/|stripe$)/, under("shared/adapters/"))).toEqual([]);
});

test("models run in the worker only, pixels are coded in the image rooms only", () => {
  expect(breaches(/^onnxruntime/, under("gpu-agent/worker/"))).toEqual([]);
  expect(breaches(/^sharp$/, under("gpu-agent/image/", "functions/intake/"))).toEqual([]);
});

test("the environment is read at the edges only", () => {
  const edge = /(^|\/)(handler|main|cli|prepare|decoder)\.ts$/;
  expect(
    product
      .filter((source) => source.text.includes("process.env") && !edge.test(source.path))
      .map((source) => source.path),
  ).toEqual([]);
});

test("no cycles", () => {
  const graph = new Map(
    product.map((source) => [
      source.path,
      source.imports.filter((each) => product.some((other) => other.path === each)),
    ]),
  );
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): string[] => {
    if (trail.includes(path)) return [[...trail.slice(trail.indexOf(path)), path].join(" → ")];
    if (done.has(path)) return [];
    const found = (graph.get(path) ?? []).flatMap((next) => visit(next, [...trail, path]));
    done.add(path);
    return found;
  };
  expect([...graph.keys()].flatMap((path) => visit(path, []))).toEqual([]);
});

test("no default exports, no barrels, no drawers", () => {
  expect(
    product.filter((source) => /^export default/m.test(source.text)).map((source) => source.path),
  ).toEqual([]);
  expect(
    product
      .filter((source) => /(^|\/)(index|utils?|helpers?|common|manager|misc|types)\.ts$/.test(source.path))
      .map((source) => source.path),
  ).toEqual([]);
});

test("no file has become a department", () => {
  expect(
    product.filter((source) => source.text.split("\n").length > 400).map((source) => source.path),
  ).toEqual([]);
});
