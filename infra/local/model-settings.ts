/** What an operator may say about the agents' models and memory (gpu-agent/config.ts); handed on as it is. */
const SETTINGS = [
  "PHOTOKEEP_DEVICE",
  "PHOTOKEEP_MODEL_MEMORY_MB",
  "PHOTOKEEP_WARM_MEMORY_MB",
  "PHOTOKEEP_MODEL_DISK_MB",
  "PHOTOKEEP_POLICY",
  "PHOTOKEEP_PINNED_MODELS",
  "PHOTOKEEP_SPARE_WORKER",
];

/** Those of them that the environment has. */
export function readModelSettings(
  variables: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  return Object.fromEntries(
    SETTINGS.flatMap((name) => {
      const value = variables[name];
      return value === undefined || value === "" ? [] : [[name, value]];
    }),
  );
}
