/** How the page says things. Pure text; figures keep to their units by unbreakable spaces. */

/** @typedef {import("../restoration-schema.ts").Restoration} Restoration */
/** @typedef {Restoration["stages"][number]} Stage */

/** @type {Readonly<Record<Stage["kind"], string>>} */
export const STAGE_NAMES = {
  analyze: "Look closely",
  repair: "Mend scratches",
  denoise: "Calm the grain",
  colorize: "Add colour",
  faces: "Restore faces",
  upscale: "Enlarge",
  finish: "Finish",
};

/** @type {Readonly<Record<NonNullable<Restoration["progress"]>["stage"], string>>} */
const DOING_NAMES = {
  intake: "Reading the file",
  analyze: "Looking closely",
  repair: "Mending scratches",
  denoise: "Calming the grain",
  colorize: "Adding colour",
  faces: "Restoring faces",
  upscale: "Enlarging",
  finish: "Finishing",
};

/** @type {Readonly<Record<Restoration["options"]["preset"], string>>} */
export const PRESET_NOTES = {
  faithful: "Keeps to what is there: cleans and enlarges, and invents nothing.",
  balanced: "Cleans and enlarges with care; reconstructs only where it must.",
  enhanced: "Reconstructs lost detail. The clearest picture, and the one that guesses most.",
};

/** @type {Readonly<Record<NonNullable<Restoration["progress"]>["doing"], string>>} */
const STEP_NAMES = {
  starting: "starting",
  reading: "reading",
  fetching: "fetching the pixels",
  loading: "loading the model",
  running: "working",
  writing: "writing",
};

/** @param {Restoration} restoration */
export function titleOf({ metadata, created_at }) {
  const name = metadata["file_name"];
  if (name !== undefined && name !== "") return name;
  return `Photograph of ${new Date(created_at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}`;
}

/**
 * One sentence on where a restoration stands.
 * @param {Restoration} restoration
 */
export function statusOf(restoration) {
  switch (restoration.status) {
    case "awaiting_upload":
      return "Waiting for its file";
    case "queued":
    case "processing":
      return restoration.progress === null
        ? "Waiting for its turn"
        : `${DOING_NAMES[restoration.progress.stage]} …`;
    case "succeeded":
      return resultOf(restoration);
    case "failed":
      return restoration.error?.message ?? "It could not be restored.";
    case "canceled":
      return "Canceled";
    case "expired":
      if (restoration.queued_at === null) return "Its file never arrived";
      return restoration.error?.message ?? "Deleted, as its time here was over";
  }
}

/** @param {Restoration} restoration */
function resultOf({ output, started_at, completed_at }) {
  const parts = [];
  if (started_at !== null && completed_at !== null)
    parts.push(`Restored in ${duration((Date.parse(completed_at) - Date.parse(started_at)) / 1000)}`);
  if (output === null) return parts.join("");
  if (output.width !== null && output.height !== null)
    parts.push(`${output.width}\u00a0×\u00a0${output.height}`);
  return [...parts, `${output.format.toUpperCase()},\u00a0${size(output.bytes)}`].join(" · ");
}

/**
 * What is known of a stage beside its name.
 * @param {Stage} stage
 */
export function remarkOf({ status, progress, reason, model }) {
  if (status === "running" && progress !== null) {
    const { tiles_done: done, tiles_total: total, doing } = progress;
    const step = doing === "running" && total > 1 ? `tile ${done} of ${total}` : STEP_NAMES[doing];
    return [step, progress.model].filter((part) => part !== null).join(" · ");
  }
  return [reason, model].filter((part) => part !== null).join(" · ");
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)}\u00a0s`;
  if (seconds < 120) return `${Math.round(seconds)}\u00a0s`;
  return `${Math.floor(seconds / 60)}\u00a0min ${Math.floor(seconds % 60)}\u00a0s`;
}

/** @param {number} bytes */
export function size(bytes) {
  return bytes < 1e6
    ? `${Math.max(1, Math.round(bytes / 1e3))}\u00a0kB`
    : `${(bytes / 1e6).toFixed(1)}\u00a0MB`;
}
