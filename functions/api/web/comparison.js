/** Before and after, one over the other, with a divider to drag. */
import { nearAddress } from "./calls.js";

/** @typedef {import("../restoration-schema.ts").Restoration} Restoration */
/** @typedef {NonNullable<Restoration["before"]>} Preview */

/**
 * @param {{ before: Preview, after: Preview, title: string }} photograph
 * @returns {HTMLElement}
 */
export function comparison({ before, after, title }) {
  const figure = document.createElement("figure");
  figure.className = "comparison";
  const slider = document.createElement("img-comparison-slider");
  slider.tabIndex = 0;
  slider.setAttribute("role", "slider");
  slider.setAttribute("aria-label", `Before and after of ${title}`);
  slider.setAttribute("aria-valuemin", "0");
  slider.setAttribute("aria-valuemax", "100");
  slider.append(
    photograph(before, { slot: "first", alt: `${title}, before` }),
    photograph(after, { slot: "second", alt: `${title}, after` }),
  );
  const tell = () => {
    const value = Math.round(Number(Reflect.get(slider, "value") ?? 50));
    slider.setAttribute("aria-valuenow", String(value));
    slider.setAttribute("aria-valuetext", `${value} % before`);
  };
  tell();
  slider.addEventListener("slide", tell);
  figure.append(slider, corner("Before"), corner("After"));
  return figure;
}

/**
 * @param {Preview} preview
 * @param {{ slot: string, alt: string }} as
 */
function photograph({ url, width, height }, { slot, alt }) {
  const image = document.createElement("img");
  image.slot = slot;
  image.alt = alt;
  image.loading = "lazy";
  if (width !== null && height !== null) {
    image.width = width;
    image.height = height;
  }
  image.src = nearAddress(url);
  return image;
}

/** @param {string} text */
function corner(text) {
  const label = document.createElement("span");
  label.className = "corner";
  label.ariaHidden = "true";
  label.textContent = text;
  return label;
}
