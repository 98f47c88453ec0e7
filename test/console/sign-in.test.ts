import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launchChromium } from "../../scripts/chromium.ts";
import { formatAccessList } from "../../src/access/access-file.ts";
import { newToken, tokenHash } from "../../src/access/tokens.ts";
import { missing } from "../support/fixtures.ts";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";
import { accessibilityProblems, chromiumPath } from "./console-rig.ts";

const root = resolve(import.meta.dirname, "../..");

describe.skipIf(missing("a Chromium, for the tests of the console", chromiumPath))("the console with tokens", () => {
  let scratch: string;
  let server: RunningServer;
  let browser: Browser;
  const { id, token } = newToken();
  beforeAll(async () => {
    execFileSync(process.execPath, [join(root, "scripts/build.mjs")], { cwd: root, stdio: "inherit" });
    scratch = mkdtempSync(join(tmpdir(), "albert-sign-in-"));
    const tokensFile = join(scratch, "tokens.json");
    const entry = {
      id,
      name: "t",
      sha256: tokenHash(token),
      scopes: ["infer", "read"],
      models: ["*"],
      created: 0,
    } as const;
    writeFileSync(tokensFile, formatAccessList({ tokens: [entry], certificates: [] }));
    server = await runServer({
      models: [{ name: "tiny", directory: await writeTinyModel() }],
      config: { auth: { tokensFile } },
    });
    browser = await launchChromium(chromiumPath ?? "");
  }, 600_000);
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    rmSync(scratch, { recursive: true, force: true });
  }, 60_000);

  it("signs in with a token that no script can read afterwards, answers, and signs out", async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    await page.goto(`http://${server.app.addresses.console}/#/try`);
    const field = page.getByLabel("Token");
    await field.fill("wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").waitFor();
    expect(await page.getByRole("alert").textContent()).toContain("does not take this token");
    expect(await accessibilityProblems(page)).toEqual([]);
    await field.fill(token);
    await page.getByRole("button", { name: "Sign in" }).click();
    const signOut = page.getByRole("button", { name: "Sign out" });
    await signOut.waitFor();
    await page.locator("form").first().waitFor();
    const readable = await page.evaluate(
      "[document.cookie, ...Object.values({ ...localStorage, ...sessionStorage })].join()",
    );
    expect(readable).toBe("");
    await page.reload();
    await signOut.click();
    await field.waitFor();
    await context.close();
  }, 120_000);
});
