/** The part of a card that tells what is done to the photograph. */
import { hasEnded } from "./follow.js";
import { part, partsOf, say } from "./parts.js";
import { duration, remarkOf, STAGE_NAMES } from "./words.js";

/** @typedef {import("../restoration-schema.ts").Restoration} Restoration */
/** @typedef {Restoration["stages"][number]} Stage */

/**
 * @param {HTMLElement} list
 * @param {Restoration} restoration
 */
export function showStages(list, restoration) {
  const stages = hasEnded(restoration)
    ? restoration.stages.filter(({ status }) => status === "done" || status === "failed")
    : restoration.stages.filter(({ status }) => status !== "skipped");
  const rows = new Map(
    [...list.children].map((row) => [row.getAttribute("data-kind"), /** @type {HTMLElement} */ (row)]),
  );
  list.replaceChildren(
    ...stages.map((stage) => showStage(rows.get(stage.kind) ?? newStage(stage.kind), stage)),
  );
}

/** @param {Stage["kind"]} kind */
function newStage(kind) {
  const row = document.createElement("li");
  row.dataset["kind"] = kind;
  row.append(
    part("span", "mark"),
    part("span", "stage-name"),
    part("span", "seconds"),
    part("p", "remark"),
    bar(STAGE_NAMES[kind]),
  );
  return row;
}

/**
 * @param {HTMLElement} row
 * @param {Stage} stage
 */
function showStage(row, stage) {
  const find = partsOf(row);
  row.dataset["status"] = stage.status;
  say(find(".stage-name"), STAGE_NAMES[stage.kind]);
  say(find(".seconds"), stage.seconds === null ? "" : duration(stage.seconds));
  say(find(".remark"), remarkOf(stage));
  const progress = /** @type {HTMLProgressElement} */ (find("progress"));
  progress.hidden = stage.status !== "running";
  // Without a figure the bar only moves: nothing is known yet.
  if (stage.progress !== null && stage.progress.percent > 0) progress.value = stage.progress.percent;
  else progress.removeAttribute("value");
  return row;
}

/** @param {string} label */
function bar(label) {
  const progress = document.createElement("progress");
  progress.max = 100;
  progress.ariaLabel = label;
  return progress;
}

/**
 * @param {HTMLElement} place
 * @param {Restoration} restoration
 */
export function showSkipped(place, { stages }) {
  const skipped = stages.filter(({ status }) => status === "skipped");
  place.hidden = skipped.length === 0;
  const find = partsOf(place);
  say(find("summary"), `Left alone: ${skipped.length}`);
  find("ul").replaceChildren(
    ...skipped.map(({ kind, reason, enable }) => {
      const row = document.createElement("li");
      row.append(part("span", "stage-name", STAGE_NAMES[kind]), part("p", "remark", reason ?? ""));
      if (enable !== null) row.append(part("code", "enable", enable));
      return row;
    }),
  );
}

/**
 * @param {HTMLElement} list
 * @param {readonly string[]} warnings
 */
export function showWarnings(list, warnings) {
  list.hidden = warnings.length === 0;
  list.replaceChildren(...warnings.map((warning) => part("li", "warning", warning)));
}
