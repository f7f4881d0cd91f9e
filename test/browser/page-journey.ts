import { basename } from "node:path";
import type { Page } from "playwright-core";

export interface Journey {
  /** As the page said them, in order, without repetition. */
  readonly statuses: readonly string[];
  readonly stages: readonly string[];
  readonly downloadName: string;
  readonly downloadPath: string;
  /** Shown widths of before and after, in pixels of their files. */
  readonly previewWidths: readonly number[];
  /** Position of the divider before and after an arrow key. */
  readonly divider: readonly [number, number];
  /** The card as it is found again after a reload. */
  readonly afterReload: string;
  /** Whatever the browser complained of. */
  readonly complaints: readonly string[];
}

const LONGEST_MS = 240_000;

// Run in the browser; as text, because the types of this project are Node's.
const RECORD_STATUSES = `{
  const status = document.querySelector(".card .status");
  window.told = [status.textContent];
  new MutationObserver(() => {
    if (told.at(-1) !== status.textContent) told.push(status.textContent);
  }).observe(status, { subtree: true, childList: true, characterData: true });
}`;
const DECODED_WIDTHS = `Promise.all(
  [...document.querySelectorAll("img-comparison-slider img")].map((image) => image.decode().then(() => image.naturalWidth)),
)`;

/**
 * What a person does on the page: choose options, hand over a photograph, watch, compare by keyboard, download, come
 * back later. Works against any server of the page that restores for real or pretends to.
 */
export async function pageJourney(page: Page, baseUrl: string, photoPath: string): Promise<Journey> {
  const complaints = collectComplaints(page);
  await page.goto(baseUrl);
  await page.getByRole("radio", { name: "JPEG" }).check();
  await page.getByRole("radio", { name: "Faithful" }).check();
  await page.locator("#files").setInputFiles(photoPath);

  const card = page
    .locator(".card")
    .filter({ hasText: basename(photoPath) })
    .first();
  await card.waitFor();
  await page.evaluate(RECORD_STATUSES);

  await page.locator('.card[data-status="succeeded"]').first().waitFor({ timeout: LONGEST_MS });
  const slider = card.locator("img-comparison-slider");
  await slider.locator("img").last().waitFor();
  const previewWidths = await page.evaluate<number[]>(DECODED_WIDTHS);
  const value = async (): Promise<number> => Number(await slider.getAttribute("aria-valuenow"));
  await slider.focus();
  const first = await value();
  await page.keyboard.press("ArrowRight", { delay: 300 });
  const divider = [first, await value()] as const;

  const downloading = page.waitForEvent("download");
  await card.getByRole("link", { name: "Download" }).click();
  const download = await downloading;

  const statuses = await page.evaluate<string[]>("told");
  const stages = await card.locator(".stages .stage-name").allTextContents();
  await page.reload();
  const found = page
    .locator(".card")
    .filter({ hasText: basename(photoPath) })
    .first();
  await found.locator("img-comparison-slider").waitFor();
  return {
    statuses,
    stages,
    downloadName: download.suggestedFilename(),
    downloadPath: await download.path(),
    previewWidths,
    divider,
    afterReload: (await found.getAttribute("data-status")) ?? "",
    complaints,
  };
}

/** Errors of scripts, refused or failed requests and breaches of the content policy, as they come. */
export function collectComplaints(page: Page): readonly string[] {
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(`thrown: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning")
      complaints.push(`console: ${message.text()}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) complaints.push(`answered ${response.status()}: ${response.url()}`);
  });
  return complaints;
}
