// Walks the tutorial's path (docs/tutorial.md) through the console in Chromium, from a table of tickets to a model that is taught,
// corrected, compared, promoted and rolled back: `npm run tutorial [-- --rows 3000 --start multiple-choice --steps 80 --screenshots]`.
// It fails where the browser's console complains or a page jumps. `--screenshots` takes the pictures and writes docs/results/tutorial.md.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Locator, Page } from "playwright-core";
import { startBundledApp } from "../bundled-app.ts";
import { findChromium, launchChromium } from "../chromium.ts";
import { smallPicture } from "./small-png.ts";
import { laterTickets, tableOf, tickets } from "./tickets.ts";

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "3000" },
    /** The model to start from. The smallest that is bundled is taught in seconds. */
    start: { type: "string", default: "multiple-choice" },
    steps: { type: "string", default: "80" },
    seed: { type: "string", default: "1" },
    screenshots: { type: "boolean", default: false },
  },
});

const ROOT = join(import.meta.dirname, "../..");
const MAX_BYTES = 60_000;
/** What a page may jump: the bound that web vitals call good. */
const MAX_SHIFT = 0.1;
const TAUGHT_WITHIN_MS = 700_000;
const MODEL = "tickets";

/** How much a page jumped, and what of it. */
interface Shift {
  /** Of all layout shifts without recent input. */
  readonly sum: number;
  readonly what: readonly string[];
}

interface Step {
  readonly name: string;
  readonly seconds: number;
  /** By the page's address. */
  readonly shifts: readonly (readonly [page: string, Shift])[];
}

const chromium = findChromium();
if (chromium === undefined) throw new Error("no Chromium was found: name one in the environment variable CHROMIUM");
const directory = mkdtempSync(join(tmpdir(), "albert-tutorial-"));
const app = await startBundledApp(directory);
const browser = await launchChromium(chromium);
const steps: Step[] = [];
const facts: string[] = [];
const tooLarge: string[] = [];
try {
  const context = await browser.newContext({ viewport: { width: 1000, height: 640 }, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.addInitScript(`window.shifts = {};
    new PerformanceObserver((list) => {
      for (const { hadRecentInput, value, sources } of list.getEntries()) {
        if (hadRecentInput) continue;
        const page = (window.shifts[location.hash.replace(/[?].*/, "")] ??= { sum: 0, what: [] });
        page.sum += value;
        for (const { node } of sources) page.what.push(value.toFixed(3) + " " + (node?.outerHTML ?? node?.parentElement?.outerHTML ?? "gone by now").slice(0, 80));
      }
    }).observe({ type: "layout-shift", buffered: true });`);
  await page.goto(`http://${app.addresses.console}/`);
  await page.locator("form").waitFor();
  await walk(page);
  const jumps = steps.filter((one) => largestOf(one) > MAX_SHIFT);
  if (complaints.length > 0) throw new Error(`the browser's console complained: ${complaints.join("; ")}`);
  if (jumps.length > 0)
    throw new Error(`the page jumped: ${jumps.map((one) => `${one.name} ${largestOf(one)}`).join("; ")}`);
  if (tooLarge.length > 0) throw new Error(`pictures of more than ${MAX_BYTES} bytes: ${tooLarge.join(", ")}`);
  if (values.screenshots) writeFileSync(join(ROOT, "docs/results/tutorial.md"), result());
} finally {
  for (const fact of facts) console.log(fact);
  await browser.close();
  await app.close(0);
  rmSync(directory, { recursive: true, force: true });
}

async function walk(page: Page): Promise<void> {
  const button = (name: string | RegExp) => page.getByRole("button", { name, exact: true });
  const submit = (name: string) => page.locator('button[type="submit"]', { hasText: name }).click();
  const go = async (name: string) => {
    await page.getByRole("link", { name, exact: true }).first().click();
    await page.getByRole("heading", { level: 1, name }).waitFor();
  };
  const table = join(directory, "tickets.csv");
  writeFileSync(table, tableOf(tickets(Number(values.rows), Number(values.seed))));

  await step(page, "upload, and see what is wrong", async () => {
    await go("Data");
    await page.getByLabel("A file").setInputFiles(table);
    await page.getByText(/rows can be used, 2 cannot/).waitFor();
    await button("Write billing").waitFor();
    await picture(page, "problems");
  });
  await step(page, "mend the broken rows", async () => {
    await button("Write billing").click();
    await page.getByLabel("Show").selectOption("rows with an error or a warning");
    await button("Edit row 11").click();
    await page
      .getByRole("textbox", { name: "text", exact: true })
      .fill("I was charged for the lamp, and again for the lamp");
    await page.getByRole("combobox", { name: "label", exact: true }).fill("billing");
    await button("Change row 11").click();
    await button(/^Leave out row 2\d$/).click();
    await page.getByRole("region", { name: "Changes" }).getByText("1 row changed, 1 row left out").waitFor();
    await picture(page, "mend", page.getByRole("region", { name: "Changes" }));
    await button("Store as a new data set").click();
    await page.getByRole("heading", { level: 2, name: /^tickets-edited-/ }).waitFor();
    await page.locator(".badge", { hasText: /^usable$/ }).waitFor();
  });
  await step(page, "hold a part out", async () => {
    await page.getByLabel("Hold out").fill("20");
    await submit("Split");
    await page.getByRole("link", { name: "Teach a model from them" }).waitFor();
  });
  await step(page, "plan", async () => {
    await page.getByRole("link", { name: "Teach a model from them" }).click();
    await page.locator(".badge", { hasText: /^usable$/ }).waitFor();
    await page.getByPlaceholder("tickets").fill(MODEL);
    await page.getByLabel("Starts from").selectOption(`${values.start}@1`);
    await page.getByLabel("Steps").fill(values.steps);
    await button("Plan it first").click();
    await page.getByText(/tokens, \d+ % of them padding/).waitFor({ timeout: 300_000 });
    await picture(page, "plan", button("Teach it"));
  });
  await step(page, "teach, and read what it has become", async () => {
    await submit("Teach it");
    await taught(page);
    await page.getByText("It serves now.").waitFor();
    facts.push(`first: ${await page.locator(".become .answer").textContent()}`);
    facts.push(`first: ${await page.locator(".become .verdict").first().textContent()}`);
    await picture(page, "verdict", page.locator(".become .actions"));
  });
  await step(page, "read the report", async () => {
    await page.getByRole("link", { name: "Where it is wrong" }).click();
    const figures = page.getByRole("heading", { name: "Figures" });
    await figures.waitFor();
    await picture(page, "report", figures);
  });
  await step(page, "correct five answers", async () => {
    const later = laterTickets(7);
    await go("Feedback");
    await page.getByRole("combobox", { name: "Model" }).selectOption(MODEL);
    await page.getByLabel("Texts").fill(later.map(({ text }) => text).join("\n"));
    await submit("Answer them");
    let corrected = 0;
    for (let judged = 0; judged < later.length && corrected < 5; judged++) {
      await page
        .getByRole("status")
        .filter({ hasText: `${judged} of ${later.length} judged` })
        .waitFor();
      const text = await page.locator(".to-judge").textContent();
      const right = later.find((ticket) => ticket.text === text)!.label;
      const said = await page
        .locator("section p", { hasText: `${MODEL} says` })
        .locator("b")
        .textContent();
      if (said !== right) corrected++;
      const key = await page.locator(".label-keys button", { hasText: right }).locator("kbd").textContent();
      if (corrected === 3) await picture(page, "feedback", page.locator("h1"));
      await page.keyboard.press(said === right ? "Enter" : key!);
    }
    if (corrected < 5) throw new Error(`only ${corrected} answers were wrong: the tutorial corrects five`);
    await button(/^Store \d+ as a data set$/).click();
    await page.getByText(/^Stored as feedback-/).waitFor();
  });
  await step(page, "teach again", async () => {
    await go("Teach");
    const choose = async (label: string, name: RegExp) => {
      const select = page.getByLabel(label);
      await select.locator("option", { hasText: name }).first().waitFor({ state: "attached" });
      const options = await select.locator("option").allTextContents();
      await select.selectOption({ label: options.find((text) => name.test(text))! });
    };
    await choose("Or one that is stored", /^tickets-train/);
    await page.locator(".badge", { hasText: /^usable$/ }).waitFor();
    await page.getByPlaceholder("tickets").fill(MODEL);
    await page.getByLabel("Starts from").selectOption({ label: `what serves as ${MODEL}` });
    await choose("Judged on", /^tickets-held-out/);
    await choose("Also taught", /^feedback-tickets/);
    await page.getByLabel("Steps").fill(values.steps);
    await page.getByRole("checkbox", { name: /Let it serve/ }).uncheck();
    await submit("Teach it");
    await taught(page);
    facts.push(`second: ${await page.locator(".become .answer").textContent()}`);
  });
  await step(page, "compare", async () => {
    await go("Versions");
    await page.getByRole("region", { name: MODEL }).getByRole("link", { name: "Compare two" }).click();
    const select = page.getByRole("combobox", { name: "Data" });
    await select.locator("option", { hasText: "tickets-held-out" }).first().waitFor({ state: "attached" });
    const options = await select.locator("option").allTextContents();
    await select.selectOption({ label: options.find((text) => text.startsWith("tickets-held-out"))! });
    await submit("Compare");
    const answer = page.getByRole("region", { name: "Answer" });
    await answer.locator(".compared tbody tr").nth(1).waitFor({ timeout: 300_000 });
    facts.push(`compared: ${await answer.locator(".answer").textContent()}`);
    await picture(page, "compare", page.locator("h1"));
  });
  await step(page, "promote", async () => {
    await go("Versions");
    await button("Promote 2").click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: "Make it serve" }).and(page.locator(":enabled")).waitFor();
    const reason = dialog.getByLabel("Reason");
    if ((await reason.count()) > 0) await reason.fill("it knows whose tickets about subscriptions are");
    await dialog.getByRole("button", { name: "Make it serve" }).click();
    await page.getByRole("region", { name: MODEL }).locator(".card-head", { hasText: "version 2 serves" }).waitFor();
  });
  await step(page, "roll back", async () => {
    await button("Roll back to 1").click();
    await page.getByRole("region", { name: MODEL }).locator(".card-head", { hasText: "version 1 serves" }).waitFor();
    await page.locator(".notice", { hasText: "0 requests failed" }).waitFor();
  });
}

/** Waits until the job of the page is over and its result is told. */
async function taught(page: Page): Promise<void> {
  const status = page.locator("section[aria-label^='Job '] [role=status]");
  await status.filter({ hasText: /succeeded|failed|rejected|cancelled/ }).waitFor({ timeout: TAUGHT_WITHIN_MS });
  const said = (await status.textContent()) ?? "";
  if (!said.includes("succeeded")) throw new Error(`the job did not succeed: ${said}`);
  await page.locator(".become .answer").waitFor();
}

/** Does one part of the path, and notes how long it took and how much the page jumped meanwhile. */
async function step(page: Page, name: string, run: () => Promise<void>): Promise<void> {
  const began = performance.now();
  await page.evaluate("window.shifts = {}");
  await run();
  const shifts = Object.entries((await page.evaluate("window.shifts")) as Readonly<Record<string, Shift>>);
  const done = { name, seconds: (performance.now() - began) / 1000, shifts };
  steps.push(done);
  console.log(`${name}: ${done.seconds.toFixed(1)} s, layout shift ${largestOf(done).toFixed(3)}`);
  for (const [at, { sum, what }] of shifts)
    if (sum > MAX_SHIFT / 2) console.log(`  ${at} ${sum.toFixed(3)}: ${what.join("; ")}`);
}

/** Of the pages that a step met, the most that one of them jumped. */
function largestOf({ shifts }: Step): number {
  return Math.max(0, ...shifts.map(([, { sum }]) => sum));
}

/** Takes a picture for the tutorial. @param from  what is to be at the top of it */
async function picture(page: Page, name: string, from?: Locator): Promise<void> {
  if (!values.screenshots) return;
  await from?.scrollIntoViewIfNeeded();
  const images = join(ROOT, "docs/images");
  mkdirSync(images, { recursive: true });
  const path = join(images, `tutorial-${name}.png`);
  const png = await smallPicture(page);
  writeFileSync(path, png);
  if (png.length > MAX_BYTES) tooLarge.push(`${path} (${png.length} bytes)`);
}

function result(): string {
  const rows = steps.map((one) => `| ${one.name} | ${one.seconds.toFixed(1)} | ${largestOf(one).toFixed(3)} |`);
  return `# The tutorial, walked by a script

\`npm run tutorial -- --screenshots\`: ${values.rows} tickets of seed ${values.seed} with five labels, two broken rows and a mistyped label; ${values.steps} steps from *${values.start}*, twice; Chromium, one thread of
${cpus()[0]?.model ?? "an unknown processor"}, shared with other work, so that the seconds are an upper bound. Nothing was written to the browser's console. A layout shift is the sum of
a page's [shifts](https://web.dev/articles/cls) without recent input, of the page of a step that jumped most; 0.1 is the bound.

| step | seconds | layout shift |
|---|---|---|
${rows.join("\n")}

${facts.map((fact) => `- ${fact}`).join("\n")}
`;
}
