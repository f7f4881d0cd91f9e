import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

/** The versions that are compared with. */
export interface PeerVersions {
  readonly npm: Readonly<Record<string, string>>;
  /** What may be missing afterwards. */
  readonly npmOptional: Readonly<Record<string, string>>;
  readonly pip: Readonly<Record<string, string>>;
}

/**
 * TensorFlow.js at the version that UpscalerJS asks for.
 * @param project the project's own packages: the same runtime and the same codec everywhere, so that what is compared
 *   is what is built around them.
 */
export function peerVersions(project: { onnxruntime: string; sharp: string }): PeerVersions {
  return {
    npm: {
      upscaler: "1.0.0",
      "@upscalerjs/esrgan-slim": "1.0.0",
      "@upscalerjs/esrgan-thick": "1.0.0",
      "@tensorflow/tfjs": "4.11.0",
      "@tensorflow/tfjs-backend-wasm": "4.11.0",
      sharp: project.sharp,
    },
    npmOptional: { "@tensorflow/tfjs-node": "4.11.0" },
    pip: { onnxruntime: project.onnxruntime, numpy: "2.2.6", pillow: "12.0.0" },
  };
}

const INSTALL_MS_MAX = 15 * 60_000;
const WORDS_BYTES_MAX = 16 << 20;
/** Written last: a folder without it was not finished. */
const DONE_FILE = "installed.json";
const run = promisify(execFile);

/**
 * Installs UpscalerJS in the cache folder, once for these versions.
 * @returns the folder whose node_modules holds it.
 * @throws Error where npm cannot reach what it needs.
 */
export function installUpscaler(cache: string, { npm, npmOptional }: PeerVersions): Promise<string> {
  const manifest = { private: true, dependencies: npm, optionalDependencies: npmOptional };
  return installOnce(cache, { kind: "npm", manifest }, async (folder) => {
    await writeFile(join(folder, "package.json"), JSON.stringify(manifest));
    await command("npm", [
      "install",
      "--prefix",
      folder,
      "--no-audit",
      "--no-fund",
      "--loglevel=error",
      "--fetch-retries=1",
    ]);
  });
}

/**
 * Makes a Python environment in the cache folder, once for these versions.
 * @returns the path of its interpreter.
 * @throws Error where there is no Python or pip cannot reach what it needs.
 */
export async function installPython(cache: string, { pip }: PeerVersions): Promise<string> {
  const folder = await installOnce(cache, { kind: "python", manifest: pip }, async (environment) => {
    await command("python3", ["-m", "venv", environment]);
    const packages = Object.entries(pip).map(([name, version]) => `${name}==${version}`);
    await command(interpreterOf(environment), [
      "-m",
      "pip",
      "install",
      "--quiet",
      "--retries",
      "1",
      ...packages,
    ]);
  });
  return interpreterOf(folder);
}

const interpreterOf = (environment: string): string => join(environment, "bin/python");

async function installOnce(
  cache: string,
  { kind, manifest }: { kind: string; manifest: object },
  install: (folder: string) => Promise<void>,
): Promise<string> {
  const versions = JSON.stringify(manifest);
  const folder = join(cache, `${kind}-${createHash("sha256").update(versions).digest("hex").slice(0, 12)}`);
  if (existsSync(join(folder, DONE_FILE))) return folder;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await install(folder);
  await writeFile(join(folder, DONE_FILE), versions);
  return folder;
}

/** @throws Error with the first line of the command that tells of an error. */
async function command(program: string, args: readonly string[]): Promise<void> {
  try {
    await run(program, args, { timeout: INSTALL_MS_MAX, maxBuffer: WORDS_BYTES_MAX });
  } catch (error) {
    const { stderr = "", message } = error as Error & { stderr?: string };
    const words = stderr.split("\n").find((line) => /error/i.test(line)) ?? message;
    throw new Error(`${program}: ${words}`, { cause: error });
  }
}
