import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Fault } from "#shared/domain/fault.ts";

/** Where one machine keeps everything. The same folder again is the same system again. */
export interface DataFolder {
  readonly root: string;
  /** Jobs and agents; the control plane alone opens it. */
  readonly storeFile: string;
  /** Doorbells; agents may open it. */
  readonly queueFile: string;
  readonly blobs: string;
  readonly scratch: string;
  readonly logFile: string;
  /** The running stack's address, for other commands on the same folder. */
  readonly addressFile: string;
  /** Signs upload and download URLs; made once, so that URLs survive a restart. */
  readonly urlSecret: Buffer;
}

/** Makes the folder if need be. @throws Fault input `data_unwritable`. */
export async function openDataFolder(root: string): Promise<DataFolder> {
  const at = (name: string): string => join(root, name);
  try {
    await mkdir(root, { recursive: true });
    await rm(at("scratch"), { recursive: true, force: true });
    await mkdir(at("scratch"), { recursive: true });
    return {
      root,
      storeFile: at("jobs.db"),
      queueFile: at("queue.db"),
      blobs: at("blobs"),
      scratch: at("scratch"),
      logFile: at("photokeep.log"),
      addressFile: at("address.json"),
      urlSecret: await readOrMakeSecret(at("url-secret")),
    };
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? "unknown";
    if (reason === "ENOSPC")
      throw new Fault("busy", "disk_full", `The disk of ${root} is full; free some space and try again.`, {
        cause: error,
      });
    throw new Fault(
      "input",
      "data_unwritable",
      `The data folder ${root} cannot be used (${reason}); choose another with --data DIR.`,
      { cause: error },
    );
  }
}

async function readOrMakeSecret(path: string): Promise<Buffer> {
  const found = await readFile(path).catch(() => undefined);
  if (found?.length === 32) return found;
  const secret = randomBytes(32);
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, secret, { mode: 0o600 });
  await chmod(draft, 0o600);
  await rename(draft, path);
  return secret;
}
