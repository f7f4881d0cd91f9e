import { basename } from "node:path";
import type { Targets } from "./inputs.ts";
import type { Restoration } from "#functions/api/restoration-schema.ts";

/** What NAME.report.json holds: what was done to the photograph, by what, and how to recognise the files again. */
export function reportOf(of: { readonly path: string; readonly targets: Targets }, restoration: Restoration) {
  const { id, input, output, stages, warnings, created_at, completed_at } = restoration;
  return {
    restoration: id,
    input: { file: basename(of.path), ...input },
    output:
      output === null
        ? null
        : {
            file: basename(of.targets.image),
            width: output.width,
            height: output.height,
            format: output.format,
            bytes: output.bytes,
            sha256: output.sha256,
          },
    seconds: completed_at === null ? null : (Date.parse(completed_at) - Date.parse(created_at)) / 1000,
    stages,
    warnings,
  };
}
