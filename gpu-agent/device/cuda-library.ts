import { access } from "node:fs/promises";
import { findPackageJSON } from "node:module";
import { dirname, join } from "node:path";

/** Beside the binding, on the one platform that has CUDA. The package's install script fetches both or none. */
const FOLDER = "bin/napi-v6/linux/x64";
const LIBRARIES = ["libonnxruntime_providers_cuda.so", "libonnxruntime_providers_shared.so"];

/**
 * Whether the CUDA provider's libraries lie in an installed onnxruntime-node (by default this project's). They are no
 * part of the npm package, and the binding does not say whether they were fetched.
 */
export async function isCudaLibraryHere(packageFolder = installedRuntime()): Promise<boolean> {
  if (packageFolder === undefined) return false;
  const found = await Promise.all(
    LIBRARIES.map((name) =>
      access(join(packageFolder, FOLDER, name)).then(
        () => true,
        () => false,
      ),
    ),
  );
  return !found.includes(false);
}

function installedRuntime(): string | undefined {
  const path = findPackageJSON("onnxruntime-node", import.meta.url);
  return path === undefined ? undefined : dirname(path);
}
