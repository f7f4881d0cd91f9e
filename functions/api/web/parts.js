/** Small steps with elements, shared by the parts of a card. */

/**
 * @param {HTMLElement} element
 * @returns {(selector: string) => HTMLElement}
 */
export function partsOf(element) {
  return (selector) => /** @type {HTMLElement} */ (element.querySelector(selector));
}

/**
 * Only what changes is written: a screen reader reads every change of a status aloud.
 * @param {HTMLElement} element
 * @param {string} text
 */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {string} tag
 * @param {string} className
 * @param {string} [text]
 */
export function part(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}
