import { dirname, join } from "node:path";
import { execPath } from "node:process";
import { fileURLToPath } from "node:url";
import { installPython, installUpscaler, peerVersions } from "./peer-installation.ts";
import type { Weights } from "./peer-protocol.ts";
import project from "../../../package.json" with { type: "json" };

export type PeerKey = "photokeep" | "python" | "upscalerjs";
/** How each contender that is here is started; PhotoKeep first. */
export type Contenders = ReadonlyMap<PeerKey, readonly [string, ...string[]]>;

/** What of the peers is here. */
export interface InstalledPeers {
  /** Path of the interpreter. */
  readonly python?: string;
  /** Path of the node_modules folder. */
  readonly upscaler?: string;
}

/** What all of them run, and how. */
export interface Contest {
  readonly weights: Weights;
  /** Path of the ONNX file that the product's converter made of the weights. */
  readonly model: string;
  readonly tilePixelsMax: number;
  /** Pixels that a tile sees beyond what it shows. */
  readonly context: number;
  readonly threads: number;
}

const program = (url: URL): string => fileURLToPath(url);
const PHOTOKEEP = program(new URL("./photokeep-peer.ts", import.meta.url));
const PYTHON = program(new URL("./python_peer.py", import.meta.url));
const UPSCALERJS = program(new URL("./upscaler-peer.ts", import.meta.url));

/**
 * Installs in `cache` what is missing of the peers.
 * @param say one line of progress for a person; told of every peer that is left out, and why.
 */
export async function installPeers(cache: string, say: (line: string) => void): Promise<InstalledPeers> {
  // The same runtime and the same codec as the project: what is compared is what is built around them.
  const versions = peerVersions({
    onnxruntime: project.dependencies["onnxruntime-node"],
    sharp: project.dependencies.sharp,
  });
  const orLeaveOut = async (name: string, install: () => Promise<string>): Promise<string | undefined> => {
    say(`${name}: looking, and installing what is missing …`);
    try {
      return await install();
    } catch (error) {
      say(`${name} is left out, it cannot be installed here: ${(error as Error).message}`);
      return undefined;
    }
  };
  const python = await orLeaveOut("Python", () => installPython(cache, versions));
  const upscaler = await orLeaveOut("UpscalerJS", async () =>
    join(await installUpscaler(cache, versions), "node_modules"),
  );
  return { ...(python === undefined ? {} : { python }), ...(upscaler === undefined ? {} : { upscaler }) };
}

/** PhotoKeep, and the peers that are installed. */
export function contendersOf({ python, upscaler }: InstalledPeers, contest: Contest): Contenders {
  const { weights, model, tilePixelsMax, context, threads } = contest;
  const contenders = new Map<PeerKey, readonly [string, ...string[]]>();
  // Its own weights lie where the product keeps them; others stand in for them.
  contenders.set("photokeep", [execPath, PHOTOKEEP, ...(weights === "esrgan-thick" ? [] : [dirname(model)])]);
  if (python !== undefined) contenders.set("python", [python, PYTHON, model, String(threads)]);
  if (upscaler !== undefined) {
    const limits = [String(tilePixelsMax), String(context)];
    contenders.set("upscalerjs", [execPath, UPSCALERJS, upscaler, weights, ...limits]);
  }
  return contenders;
}
