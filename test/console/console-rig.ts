import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { AxeResults } from "axe-core";
import type { Browser, Page } from "playwright-core";
import { findChromium, launchChromium } from "../../scripts/chromium.ts";
import type { Head } from "../../src/model/heads.ts";
import { openEngine } from "../../src/runtime/packed-engine.ts";
import { ALL_HEADS, writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";
import { newIndexFile, writeIndexBy } from "../support/search-index.ts";

const root = resolve(import.meta.dirname, "../..");
/** Tokens that the small models take: enough for the console's own examples in a vocabulary that knows few words. */
const MAX_LENGTH = 256;

/** A head that judges labels of a person's own. */
const JUDGE: Head = {
  ...{ kind: "classification", name: "judge", problemType: "single-label" },
  labels: ["entailment", "neutral", "contradiction"],
};

/** Texts that the server's index holds. */
export const INDEXED: Readonly<Record<string, string>> = {
  "harbour.txt": "Ünïcode 😀 first.\n\nThe first tower of the harbour was made in 1759.",
  "guide/cats.md": "# Cats\n\nThe cat sat on the mat. The dog ran to the house.",
};

/** A page of the console with everything it complained of. */
export interface OpenPage {
  readonly page: Page;
  /** Errors in the browser's console, exceptions, and requests to anywhere but the server. */
  readonly complaints: string[];
}

/** A browser, and a server with a store and a small model for every task. */
export interface ConsoleRig {
  readonly server: RunningServer;
  /** A directory that is removed with the rig. */
  readonly directory: string;
  open(view?: string, options?: { readonly width?: number }): Promise<OpenPage>;
  /** A page of another server. */
  openAt(origin: string): Promise<OpenPage>;
  close(): Promise<void>;
}

export const chromiumPath = findChromium();

/** Starts everything; the built page is brought up to date first. */
export async function openConsoleRig(): Promise<ConsoleRig> {
  execFileSync(process.execPath, [join(root, "scripts/build.mjs")], { cwd: root, stdio: "inherit" });
  const directory = mkdtempSync(join(tmpdir(), "albert-console-"));
  const heads = (kind: string) => ALL_HEADS.filter((head) => head.kind === kind).slice(0, 1);
  const tiny = async (name: string, kind: string) => ({
    name,
    directory: await writeTinyModel(heads(kind), 3, MAX_LENGTH),
  });
  const encoder = await writeTinyModel([], 4, MAX_LENGTH);
  const index = await writeIndexBy(encoder, INDEXED);
  const foreign = await writeIndexBy(await writeTinyModel([], 5), INDEXED);
  const [browser, server] = await Promise.all([
    launchChromium(chromiumPath!),
    runServer({
      models: [
        { name: "sentiment", directory: join(root, "models/sentiment") },
        await tiny("answers", "span"),
        await tiny("choices", "multiple-choice"),
        await tiny("reviews", "classification"),
        { name: "vectors", directory: encoder },
        { name: "judge", directory: await writeTinyModel([JUDGE], 3, MAX_LENGTH) },
      ],
      config: {
        search: { indexes: [`docs=${index}`, `foreign=${foreign}`, `missing=${newIndexFile()}`] },
        store: { directory: join(directory, "store"), pollMs: 50, checkpointRoots: [] },
        training: { threads: 1 },
        feedback: { answers: 100 },
      },
      openEngine: (model) => openEngine(model, { threads: 1, calibrationMs: 0 }),
    }),
  ]);
  const origin = `http://${server.app.addresses.console}`;
  return {
    server,
    directory,
    open: (view = "try", options = {}) => openPage(browser, origin, view, options),
    openAt: (other) => openPage(browser, other, "try", {}),
    close: async () => {
      await browser.close();
      await server.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function openPage(
  browser: Browser,
  origin: string,
  view: string,
  { width = 1280 }: { readonly width?: number },
): Promise<OpenPage> {
  const context = await browser.newContext({
    viewport: { width, height: 800 },
    colorScheme: "light",
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith("data:")) complaints.push(request.url());
  });
  await page.goto(`${origin}/#/${view}`);
  return { page, complaints };
}

/** Runs axe-core in a page, then its rules of colour once more in the dark. @returns serious and critical findings */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  // Evaluated by the debugger: the page's own policy lets no foreign script in.
  await page.evaluate(readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8"));
  const light = await axe(page, '{ resultTypes: ["violations"] }');
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await axe(page, '{ resultTypes: ["violations"], runOnly: ["color-contrast"] }');
  await page.emulateMedia({ colorScheme: "light" });
  return [...light, ...dark.map((problem) => `dark: ${problem}`)];
}

async function axe(page: Page, options: string): Promise<string[]> {
  const results = (await page.evaluate(`axe.run(${options})`)) as AxeResults;
  return results.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
}

/** How many pixels a page is wider than its window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
}
