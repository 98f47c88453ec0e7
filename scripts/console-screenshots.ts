// Makes the pictures of the console in docs/: `npm run screenshots [view ...]`. Serves the bundled models, fine-tunes one of them
// on a few sentences, and photographs every view, dark and light, wide and narrow. Needs a Chromium.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { openEncoder } from "../src/cli/search/search-models.ts";
import type { HeadKind } from "../src/model/heads.ts";
import { buildIndex } from "../src/search/index/build-index.ts";
import { writeIndexFile } from "../src/search/index/index-file.ts";
import { servedModels } from "../src/server/inference/models.ts";
import { startBundledApp } from "./bundled-app.ts";
import { findChromium, launchChromium } from "./chromium.ts";

const OUTPUT = join(import.meta.dirname, "../docs/images");
const MAX_BYTES = 150_000;

/** What is photographed: a name, the look of the page, and how to get there. */
interface Picture {
  readonly name: string;
  readonly dark?: boolean;
  readonly width?: number;
  readonly height?: number;
  /** Photographed only where a bundled model has a head of this kind. */
  readonly head?: HeadKind;
  readonly show: (page: Page) => Promise<void>;
}

const submit = (page: Page, name: string) => page.locator('button[type="submit"]', { hasText: name }).click();
const view = (page: Page, name: string) => page.getByRole("link", { name, exact: true }).click();

async function classify(page: Page): Promise<void> {
  await submit(page, "Classify");
  await page.locator(".pieces summary").click();
}

async function ask(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Ask a document" }).click();
  await submit(page, "Find the answer");
  await page.locator(".meta").waitFor();
}

async function search(page: Page): Promise<void> {
  await view(page, "Search");
  await page.getByLabel("Question").fill(QUESTION);
  await submit(page, "Ask");
  await page.locator(".meta").waitFor();
}

async function feedback(page: Page): Promise<void> {
  await view(page, "Feedback");
  await page.getByRole("combobox", { name: "Model" }).selectOption("sentiment");
  await page.getByLabel("Texts").fill(TEXTS.join("\n"));
  await submit(page, "Answer them");
  await page.locator(".to-judge").waitFor();
  await page.keyboard.press("Enter");
}

async function job(page: Page): Promise<void> {
  await view(page, "Jobs");
  await page.locator("button.job").first().click();
  await page.locator(".events li", { hasText: "succeeded" }).waitFor();
}

/** Long enough for the tiles' lines, under calls that come and go. */
async function health(page: Page): Promise<void> {
  await view(page, "Health");
  await page.locator(".tile").nth(8).waitFor();
  await page.evaluate(`(async () => {
    const body = JSON.stringify({ options: { model: "sentiment" }, text: "A gripping, honest film." });
    const call = () => fetch("/albert.v1.InferenceService/Classify",
      { method: "POST", headers: { "content-type": "application/json" }, body });
    for (let round = 0; round < 60; round++) {
      await Promise.all(Array.from({ length: 3 + Math.round(9 * Math.sin(round / 7) ** 2) }, call));
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
  })()`);
}

const TEXTS = [
  "A gripping film with a wonderful cast.",
  "The story is thin, but the pictures are beautiful.",
  "Two hours of my life that I will never get back.",
  "Nobody will remember it, and nobody will regret having seen it.",
];

const PICTURES: readonly Picture[] = [
  { name: "try-it", show: classify },
  { name: "ask", head: "span-answerability", show: ask },
  { name: "search", head: "span-answerability", show: search },
  { name: "job", dark: true, height: 1000, show: job },
  {
    name: "models",
    height: 420,
    show: async (page) => {
      await view(page, "Versions");
      await page.locator(".versions").first().waitFor();
    },
  },
  {
    name: "version",
    height: 1000,
    show: async (page) => {
      await view(page, "Versions");
      // Of the version that the job made: the bundled ones came without a report.
      await page.locator("a[href='#/versions?of=sentiment%402']").click();
      await page.getByRole("heading", { name: "Figures" }).waitFor();
    },
  },
  { name: "feedback", height: 520, show: feedback },
  { name: "health", dark: true, height: 520, show: health },
  { name: "narrow", dark: true, width: 360, height: 900, show: classify },
];

const DOCS = join(import.meta.dirname, "../docs");
/** The pages that are indexed, and what is asked of them. */
const INDEXED = ["search.md", "console.md", "security.md", "docker.md", "store.md"];
const QUESTION = "How often does Health read metrics?";

/** Makes the index that the server answers from. @returns its file */
async function indexOf(directory: string): Promise<string> {
  const folder = join(directory, "docs");
  mkdirSync(folder);
  for (const page of INDEXED) copyFileSync(join(DOCS, page), join(folder, page));
  const encoder = await openEncoder(undefined, undefined, { device: "cpu" });
  try {
    const { contents } = await buildIndex({ folder, encoder, rule: { version: 1, maxTokens: 128 } });
    const file = join(directory, "docs.index");
    await writeIndexFile(file, contents);
    return file;
  } finally {
    await encoder.close();
  }
}

/** Sentences of two kinds, enough for a fine-tune of half a minute. */
function reviews(): string {
  const subjects = ["The film", "This story", "The cast", "Her performance", "The ending", "Every scene"];
  const praise = ["is a quiet triumph", "glows with warmth", "moved me deeply", "is a joy from start to end"];
  const blame = ["falls flat", "wastes a good idea", "is dull beyond belief", "left me cold"];
  const lines = subjects.flatMap((subject) => [
    ...praise.map((words) => ({ text: `${subject} ${words}.`, label: "positive" })),
    ...blame.map((words) => ({ text: `${subject} ${words}.`, label: "negative" })),
  ]);
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

async function fineTune(page: Page, directory: string): Promise<void> {
  const file = join(directory, "reviews.jsonl");
  writeFileSync(file, reviews());
  await view(page, "Jobs");
  await page.getByRole("combobox", { name: "Model" }).selectOption("sentiment");
  await page.getByLabel(/^Training data/).setInputFiles(file);
  await page.getByLabel("Steps").fill("120");
  await page.getByLabel("Learning rate").fill("0.0001");
  await submit(page, "Start");
  await page
    .locator("section[aria-label^='Job '] [role=status]")
    .filter({ hasText: /succeeded|failed|rejected/ })
    .waitFor({ timeout: 300_000 });
}

const chromium = findChromium();
if (chromium === undefined) throw new Error("no Chromium was found: name one in the environment variable CHROMIUM");
const directory = mkdtempSync(join(tmpdir(), "albert-screenshots-"));
const app = await startBundledApp(directory, [`docs=${await indexOf(directory)}`]);
const browser = await launchChromium(chromium);
try {
  const chosen = process.argv.slice(2);
  const open = async ({ dark = false, width = 1280, height = 720 }: Omit<Picture, "name" | "show">) => {
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: dark ? "dark" : "light",
      reducedMotion: "reduce",
    });
    const page = await context.newPage();
    await page.goto(`http://${app.addresses.console}/`);
    await page.locator("form").waitFor();
    return page;
  };
  mkdirSync(OUTPUT, { recursive: true });
  const kinds = servedModels(app.serving.models).flatMap(({ model }) => model.heads.map(({ kind }) => kind));
  const pictures = PICTURES.filter(
    ({ name, head }) => (chosen.length === 0 || chosen.includes(name)) && (head === undefined || kinds.includes(head)),
  );
  if (pictures.some(({ name }) => name === "job" || name === "models" || name === "version"))
    await fineTune(await open({}), directory);
  for (const picture of pictures) {
    const page = await open(picture);
    await picture.show(page);
    await page.mouse.move(0, 0);
    const path = join(OUTPUT, `console-${picture.name}.png`);
    await page.screenshot({ path });
    const { size } = statSync(path);
    console.log(`${path} ${size} bytes`);
    if (size > MAX_BYTES) throw new Error(`${path} is larger than ${MAX_BYTES} bytes`);
    await page.context().close();
  }
} finally {
  await browser.close();
  await app.close(0);
  rmSync(directory, { recursive: true, force: true });
}
