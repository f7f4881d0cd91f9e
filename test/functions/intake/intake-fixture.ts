import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { createQuarantine, type DecodedPhotograph, type Quarantine } from "#functions/intake/decode.ts";
import { Fault } from "#shared/domain/fault.ts";

export interface IntakeFixture extends AsyncDisposable {
  readonly folder: string;
  readonly quarantine: Quarantine;
  /** Writes the bytes as an upload of that name and decodes it into a folder of its own. */
  intake(
    bytes: Uint8Array,
    name?: string,
    options?: { keepsCredits: boolean },
  ): Promise<DecodedPhotograph & { outDir: string }>;
  /** The fault with which an upload is refused. Nothing of it may be left behind. */
  refused(bytes: Uint8Array, name?: string): Promise<Fault>;
}

export async function createIntakeFixture(): Promise<IntakeFixture> {
  const folder = await mkdtemp(join(tmpdir(), "intake-"));
  const quarantine = createQuarantine({ spare: 1 });
  let uploads = 0;

  const intake: IntakeFixture["intake"] = async (
    bytes,
    name = "upload.jpg",
    options = { keepsCredits: false },
  ) => {
    const outDir = join(folder, String(uploads++));
    await mkdir(outDir);
    const path = join(outDir, name);
    await writeFile(path, bytes);
    return { ...(await quarantine.decode({ path, outDir, ...options })), outDir };
  };
  return {
    folder,
    quarantine,
    intake,
    async refused(bytes, name = "upload.jpg") {
      const fault = await intake(bytes, name).catch((error: unknown) => error);
      expect(fault).toBeInstanceOf(Fault);
      expect(await readdir(join(folder, String(uploads - 1)))).toEqual([name]);
      return fault as Fault;
    },
    async [Symbol.asyncDispose]() {
      await quarantine[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The samples of a plain TIFF: one block from byte 8, in the order of this machine. */
export async function samplesOf(file: { path: string }, count: number, bits: 8 | 16): Promise<Uint16Array> {
  const bytes = await readFile(file.path);
  expect(bytes.subarray(0, 4).toString("latin1")).toBe("II*\0");
  const block = Uint8Array.from(bytes.subarray(8, 8 + (count * bits) / 8));
  return bits === 8 ? Uint16Array.from(block) : new Uint16Array(block.buffer);
}
