/** The page: takes photographs, creates a restoration of each, and shows the recent ones. */
import { CallFailure, cancelRestoration, createRestoration, listRestorations, sendFile } from "./calls.js";
import { createCard } from "./card.js";
import { follow, hasEnded } from "./follow.js";
import { PRESET_NOTES, titleOf } from "./words.js";

/** @typedef {import("../restoration-schema.ts").Restoration} Restoration */
/** @typedef {import("./card.js").Card} Card */
/** @typedef {import("./calls.js").Options} Options */

const RECENT = 12;
/** More files at once are refused with a word. */
const FILES_MAX = 100;
const SENDING_MAX = 2;

const form = /** @type {HTMLFormElement} */ (document.getElementById("request"));
const drop = /** @type {HTMLElement} */ (document.getElementById("drop"));
const files = /** @type {HTMLInputElement} */ (document.getElementById("files"));
const notice = /** @type {HTMLElement} */ (document.getElementById("notice"));
const photographs = /** @type {HTMLElement} */ (document.getElementById("photographs"));

/** Photographs that wait to be sent, oldest first. @type {(() => Promise<void>)[]} */
const waiting = [];
let sendingNow = 0;

/** @returns {Options} */
function chosenOptions() {
  const chosen = new Map(
    [...new FormData(form)].map(([name, value]) => [name, typeof value === "string" ? value : ""]),
  );
  return {
    preset: chosen.get("preset") ?? "balanced",
    operations: {
      upscale: Number(chosen.get("upscale")),
      repair: chosen.has("repair") || "auto",
      colorize: chosen.has("colorize"),
    },
    output: { format: chosen.get("format") ?? "png", keep_credits: chosen.has("keep_credits") },
  };
}

/** @param {readonly File[]} chosen */
function take(chosen) {
  say(
    chosen.length > FILES_MAX
      ? `Of ${chosen.length} photographs the first ${FILES_MAX} were taken; please add the others afterwards.`
      : "",
  );
  const options = chosenOptions();
  for (const file of chosen.slice(0, FILES_MAX)) {
    const card = createCard(file.name, file);
    photographs.prepend(card.element);
    enqueue(card, file, options);
  }
}

/**
 * @param {Card} card
 * @param {File} file
 * @param {Options} options
 */
function enqueue(card, file, options) {
  const left = new AbortController();
  card.showSending(0, () => {
    left.abort();
    card.element.remove();
  });
  waiting.push(async () => {
    if (!left.signal.aborted)
      await restore(card, file, { options, retry: () => enqueue(card, file, options) });
  });
  sendNext();
}

function sendNext() {
  while (sendingNow < SENDING_MAX) {
    const next = waiting.shift();
    if (next === undefined) return;
    sendingNow += 1;
    void next().finally(() => {
      sendingNow -= 1;
      sendNext();
    });
  }
}

/**
 * Creates the restoration and sends the file; following it goes on by itself.
 * @param {Card} card
 * @param {File} file
 * @param {{ options: Options, retry: () => void }} how
 */
async function restore(card, file, { options, retry }) {
  const canceled = new AbortController();
  /** @type {Restoration | undefined} */
  let restoration;
  try {
    restoration = await createRestoration(file, options);
    const created = restoration;
    const cancel = () => canceled.abort();
    card.showSending(0, cancel);
    if (created.upload !== null)
      await sendFile(created.upload, file, {
        onProgress: (percent) => card.showSending(percent, cancel),
        signal: canceled.signal,
      });
    keepShowing(card, created, retry);
  } catch (error) {
    if (restoration !== undefined) await cancelRestoration(restoration).catch(() => undefined);
    if (canceled.signal.aborted) card.element.remove();
    else card.showFailure(sentenceOf(error), retry);
  }
}

/**
 * @param {Card} card
 * @param {Restoration} restoration
 * @param {() => void} [retry]
 */
function keepShowing(card, restoration, retry) {
  /** @param {Restoration} current */
  const show = (current) =>
    card.show(current, {
      cancel: () => void cancelRestoration(current).then(show, (error) => say(sentenceOf(error))),
      ...(retry === undefined ? {} : { retry }),
    });
  show(restoration);
  if (!hasEnded(restoration)) void follow(restoration, show);
}

async function showRecent() {
  try {
    for (const restoration of await listRestorations(RECENT)) {
      const card = createCard(titleOf(restoration));
      photographs.append(card.element);
      keepShowing(card, restoration);
    }
  } catch (error) {
    say(sentenceOf(error));
  }
}

/** @param {string} message */
function say(message) {
  notice.textContent = message;
  notice.hidden = message === "";
}

/** @param {unknown} error */
function sentenceOf(error) {
  if (error instanceof CallFailure) return error.message;
  reportError(error);
  return "Something went wrong on this page. Please reload it.";
}

function showPresetNote() {
  const note = /** @type {HTMLElement} */ (document.getElementById("preset-note"));
  const preset = /** @type {keyof typeof PRESET_NOTES} */ (chosenOptions().preset);
  note.textContent = PRESET_NOTES[preset];
}

files.addEventListener("change", () => {
  take([...(files.files ?? [])]);
  files.value = "";
});
form.addEventListener("change", showPresetNote);
form.addEventListener("submit", (event) => event.preventDefault());

// The whole window takes what is dropped: a photograph let go beside the target must not replace the page.
window.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
window.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) drop.classList.remove("over");
});
window.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  take([...(event.dataTransfer?.files ?? [])]);
});

showPresetNote();
void showRecent();
