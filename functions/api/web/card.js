/** One photograph on the page: its picture, where it stands, what is done to it, what can be done with it. */
import { nearAddress } from "./calls.js";
import { comparison } from "./comparison.js";
import { hasEnded } from "./follow.js";
import { part, partsOf, say } from "./parts.js";
import { showSkipped, showStages, showWarnings } from "./stages.js";
import { statusOf, titleOf } from "./words.js";

/** @typedef {import("../restoration-schema.ts").Restoration} Restoration */
/** @typedef {{ cancel?: () => void, retry?: () => void }} Actions */
/** @typedef {{ text: string, press: () => void }} Press */

/**
 * @typedef {object} Card
 * @property {HTMLElement} element
 * @property {(restoration: Restoration, actions: Actions) => void} show
 * @property {(percent: number, cancel: () => void) => void} showSending
 * @property {(message: string, retry: () => void) => void} showFailure
 */

/**
 * @param {string} title
 * @param {File} [file] shown until the restored photograph is there
 * @returns {Card}
 */
export function createCard(title, file) {
  const element = /** @type {HTMLElement} */ (template().querySelector(".card"));
  const find = partsOf(element);
  const sending = /** @type {HTMLProgressElement} */ (find(".sending"));
  find(".name").textContent = title;
  showPicture(find(".picture"), file === undefined ? placeholder() : preview(file, title));
  const buttons = buttonsIn(find(".actions"));
  let compared = false;

  return {
    element,

    show(restoration, actions) {
      element.dataset["status"] = restoration.status;
      element.dataset["id"] = restoration.id;
      sending.hidden = true;
      say(find(".name"), titleOf(restoration));
      say(find(".status"), statusOf(restoration));
      showStages(find(".stages"), restoration);
      showSkipped(find(".left-alone"), restoration);
      showWarnings(find(".warnings"), restoration.warnings);
      const { before, after, output, links } = restoration;
      if (before !== null && after !== null && !compared) {
        compared = true;
        showPicture(find(".picture"), comparison({ before, after, title: titleOf(restoration) }));
      }
      if (output === null) buttons(possible(restoration, actions));
      else showDownload(find(".actions"), { result: links.result, full: nearAddress(output.url) });
    },

    showSending(percent, cancel) {
      element.dataset["status"] = "sending";
      say(find(".status"), percent < 100 ? "Uploading" : "Uploaded");
      sending.hidden = false;
      sending.value = percent;
      buttons([{ text: "Cancel", press: cancel }]);
    },

    showFailure(message, retry) {
      element.dataset["status"] = "failed";
      sending.hidden = true;
      say(find(".status"), message);
      find(".stages").replaceChildren();
      buttons([{ text: "Try again", press: retry }]);
    },
  };
}

function template() {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById("card"));
  return /** @type {DocumentFragment} */ (template.content.cloneNode(true));
}

// ---------------------------------------------------------------------------------------------------------- picture

/**
 * @param {HTMLElement} place
 * @param {HTMLElement} picture
 */
function showPicture(place, picture) {
  place.replaceChildren(picture);
}

/**
 * @param {File} file
 * @param {string} title
 */
function preview(file, title) {
  const image = document.createElement("img");
  image.alt = `${title}, as uploaded`;
  image.loading = "lazy";
  image.src = URL.createObjectURL(file);
  image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
  // TIFF and HEIC are shown by few browsers.
  image.addEventListener("error", () => image.replaceWith(placeholder()), { once: true });
  return image;
}

function placeholder() {
  const empty = document.createElement("div");
  empty.className = "no-picture";
  return empty;
}

// ---------------------------------------------------------------------------------------------------------- actions

/**
 * @param {Restoration} restoration
 * @param {Actions} actions
 * @returns {Press[]}
 */
function possible(restoration, { cancel, retry }) {
  if (!hasEnded(restoration)) return cancel === undefined ? [] : [{ text: "Cancel", press: cancel }];
  return restoration.status === "failed" && retry !== undefined ? [{ text: "Try again", press: retry }] : [];
}

/**
 * @param {HTMLElement} place
 * @param {{ result: string, full: string }} addresses
 */
function showDownload(place, { result, full }) {
  if (place.querySelector("a") !== null) return;
  place.replaceChildren(
    anchor("Download", { href: result, className: "button primary", download: "" }),
    anchor("Full size", { href: full, className: "button", target: "_blank" }),
  );
}

/**
 * @param {string} text
 * @param {Partial<Pick<HTMLAnchorElement, "href" | "className" | "download" | "target">>} as
 */
function anchor(text, as) {
  const link = document.createElement("a");
  Object.assign(link, as);
  link.textContent = text;
  return link;
}

/**
 * Buttons that are there already stay, so that a focus is not lost at every change.
 * @param {HTMLElement} place
 * @returns {(wanted: readonly Press[]) => void}
 */
function buttonsIn(place) {
  /** @type {readonly Press[]} */
  let current = [];
  return (wanted) => {
    const same = wanted.length === current.length && wanted.every(({ text }, i) => text === current[i]?.text);
    current = wanted;
    if (same) return;
    place.replaceChildren(
      ...wanted.map(({ text }, i) => {
        const button = /** @type {HTMLButtonElement} */ (part("button", "button", text));
        button.type = "button";
        button.addEventListener("click", () => current[i]?.press());
        return button;
      }),
    );
  };
}
