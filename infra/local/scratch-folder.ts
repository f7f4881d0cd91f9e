import { mkdir, rm } from "node:fs/promises";

/** Makes a folder for files in work; gone with everything in it when disposed. */
export async function openScratchFolder(path: string): Promise<AsyncDisposable & { readonly path: string }> {
  await mkdir(path, { recursive: true });
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
