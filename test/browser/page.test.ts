import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { apply } from "#functions/apply.ts";
import { collectComplaints, pageJourney } from "./page-journey.ts";
import { startStub } from "./page-stub.ts";

const CHROMIUM = "/usr/bin/chromium";
const PHOTO = fileURLToPath(new URL("../../examples/portrait.jpg", import.meta.url));
const here = existsSync(CHROMIUM);
const inBrowser = test.skipIf(!here);

let browser: Browser;
beforeAll(async () => {
  if (here) browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
});
afterAll(async () => {
  if (here) await browser.close();
});

/** The page of a fresh stub, in a fresh profile. */
async function opened() {
  const stub = await startStub(await readFile(PHOTO));
  const context = await browser.newContext({ acceptDownloads: true });
  const page = await context.newPage();
  const complaints = collectComplaints(page);
  return {
    stub,
    page,
    complaints,
    async [Symbol.asyncDispose]() {
      await context.close();
      await stub[Symbol.asyncDispose]();
    },
  };
}

async function handOver(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.locator("#files").setInputFiles(PHOTO);
}

test.runIf(!here)(`SKIPPED: the page is not tried, as there is no browser at ${CHROMIUM}`, () => {
  expect(here).toBe(false);
});

inBrowser(
  "a photograph goes from the file dialog to its comparison and its download, and is found again after a reload",
  async () => {
    await using all = await opened();
    const work = all.stub.arrived().then(async (id) => all.stub.finish(await all.stub.agent.claim(id)));
    const journey = await pageJourney(all.page, all.stub.url, PHOTO);
    await work;
    expect(journey.statuses.at(-1)).toMatch(/^Restored in .* · \d+\s×\s\d+ · JPEG,\s/);
    expect(journey.stages).toEqual(["Look closely", "Calm the grain", "Enlarge", "Finish"]);
    expect(journey.downloadName).toBe("portrait-restored.jpeg");
    expect((await readFile(journey.downloadPath)).byteLength).toBeGreaterThan(1_000);
    expect(journey.previewWidths.every((width) => width > 0)).toBe(true);
    expect(journey.divider[1]).toBeGreaterThan(journey.divider[0]);
    expect(journey.afterReload).toBe("succeeded");
    expect(journey.complaints).toEqual([]);
  },
);

inBrowser("the options chosen are the options asked for", async () => {
  await using all = await opened();
  await all.page.goto(all.stub.url);
  await all.page.getByRole("radio", { name: "Enhanced" }).check();
  await all.page.getByRole("radio", { name: "×4" }).check();
  await all.page.getByRole("radio", { name: "WebP" }).check();
  await all.page.getByLabel("Try to mend scratches").check();
  await all.page.getByLabel("Colour black-and-white photographs").check();
  await all.page.getByLabel("Keep author, copyright and date").check();
  await all.page.locator("#files").setInputFiles(PHOTO);
  const id = await all.stub.arrived();
  const answer = await all.page.request.get(`${all.stub.url}/v1/restorations/${id}`);
  expect(await answer.json()).toMatchObject({
    options: {
      preset: "enhanced",
      operations: { upscale: 4, repair: true, colorize: true },
      output: { format: "webp", keep_credits: true },
    },
    metadata: { file_name: "portrait.jpg" },
  });
});

inBrowser("a running stage shows its tiles, its model and its progress as they change", async () => {
  await using all = await opened();
  await handOver(all.page, all.stub.url);
  const lease = await all.stub.agent.claim(await all.stub.arrived());
  await all.page.getByText("Looking closely …").waitFor();
  await all.stub.agent.beat(lease, {
    fraction: 0.3,
    tilesDone: 12,
    tilesTotal: 40,
    model: "some-model",
    doing: "running",
  });
  await all.page.getByText("tile 12 of 40 · some-model").waitFor();
  const bar = all.page.getByRole("progressbar", { name: "Look closely" });
  expect(await bar.getAttribute("value")).toBe("30");
  await all.stub.agent.beat(lease, {
    fraction: 0.7,
    tilesDone: 28,
    tilesTotal: 40,
    model: "some-model",
    doing: "running",
  });
  await all.page.getByText("tile 28 of 40 · some-model").waitFor();
  expect(all.complaints).toEqual([]);
});

inBrowser("without a stream the page asks, and gets there all the same", async () => {
  await using all = await opened();
  await all.page.route("**/events", (route) => route.abort());
  await handOver(all.page, all.stub.url);
  await all.stub.finish(await all.stub.agent.claim(await all.stub.arrived()));
  await all.page.locator('.card[data-status="succeeded"]').waitFor();
});

inBrowser("a restoration can be canceled from its card", async () => {
  await using all = await opened();
  await handOver(all.page, all.stub.url);
  await all.stub.agent.claim(await all.stub.arrived());
  await all.page.getByText("Looking closely …").waitFor();
  await all.page.getByRole("button", { name: "Cancel" }).click();
  await all.page.locator('.card[data-status="canceled"]').waitFor();
  expect(await all.page.getByRole("button", { name: "Cancel" }).count()).toBe(0);
});

inBrowser("a failure is told in a sentence, and can be tried again with the file still at hand", async () => {
  await using all = await opened();
  await handOver(all.page, all.stub.url);
  const id = await all.stub.arrived();
  const { stage, epoch } = await all.stub.agent.claim(id);
  const { job } = await apply(all.stub.world.doors, id, {
    type: "looked",
    stage,
    epoch,
    held: true,
    lookAt: 0,
  });
  const agent = job.stages.find(({ kind }) => kind === stage)?.agent ?? "";
  const message = "The file ends in the middle. Please copy it again.";
  await apply(all.stub.world.doors, id, {
    type: "failed",
    stage,
    epoch,
    agent,
    failure: "bad_image",
    message,
  });
  await all.page.getByText(message).waitFor();
  await all.page.getByRole("button", { name: "Try again" }).click();
  await all.stub.finish(await all.stub.agent.claim(await all.stub.arrived()));
  await all.page.locator('.card[data-status="succeeded"]').waitFor();
});

inBrowser("an empty file is refused with a sentence that helps", async () => {
  await using all = await opened();
  await all.page.goto(all.stub.url);
  await all.page
    .locator("#files")
    .setInputFiles({ name: "empty.jpg", mimeType: "image/jpeg", buffer: Buffer.alloc(0) });
  await all.page.getByText("The file is empty (0 bytes).").waitFor();
});

inBrowser("a hostile file name and an unreadable photograph are only shown", async () => {
  await using all = await opened();
  await all.page.goto(all.stub.url);
  const name = `<img src=x onerror=document.title='owned'>.tif`;
  await all.page
    .locator("#files")
    .setInputFiles({ name, mimeType: "image/tiff", buffer: Buffer.from("II*\0") });
  await all.page.getByText(name).waitFor();
  await all.page.locator(".no-picture").waitFor();
  expect(await all.page.title()).toBe("PhotoKeep");
});

inBrowser("everything can be reached and done by keyboard", async () => {
  await using all = await opened();
  await all.page.goto(all.stub.url);
  const focused: string[] = [];
  for (let i = 0; i < 7; i++) {
    await all.page.keyboard.press("Tab");
    focused.push(await all.page.evaluate<string>("document.activeElement.name || document.activeElement.id"));
  }
  expect(focused).toEqual(["files", "preset", "upscale", "format", "repair", "colorize", "keep_credits"]);
  await all.page.getByRole("radio", { name: "Balanced" }).focus();
  await all.page.keyboard.press("ArrowRight");
  expect(await all.page.getByRole("radio", { name: "Enhanced" }).isChecked()).toBe(true);
  await all.page.getByText("the one that guesses most").waitFor();
});

inBrowser("the page fits a phone without scrolling sideways", async () => {
  await using all = await opened();
  await all.page.setViewportSize({ width: 360, height: 740 });
  await handOver(all.page, all.stub.url);
  await all.stub.finish(await all.stub.agent.claim(await all.stub.arrived()));
  await all.page.locator("img-comparison-slider.rendered").waitFor();
  expect(await all.page.evaluate<number>("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
});
