import { execFile, execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ServerProcess, startServer } from "../../loadtest/scenarios/server-process.ts";
import { missing } from "../support/fixtures.ts";

const root = resolve(import.meta.dirname, "../..");
const env = { ...process.env, PATH: [process.env["PATH"], join(homedir(), "go/bin")].join(delimiter) };

const k6 = (() => {
  try {
    execFileSync("k6", ["version"], { stdio: "ignore", env });
    return true;
  } catch {
    return false;
  }
})();

/** What a script's summary says, as far as the tests read it. */
interface Summary {
  readonly held: boolean;
  readonly thresholds: readonly { readonly metric: string; readonly rule: string; readonly held: boolean }[];
  readonly metrics: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

describe.skipIf(missing("k6", k6))("the k6 scripts against a real server", { timeout: 120_000 }, () => {
  let directory: string;
  let server: ServerProcess;
  beforeAll(async () => {
    execFileSync(process.execPath, [join(root, "scripts/build.mjs")], { cwd: root, stdio: "inherit" });
    directory = await mkdtemp(join(tmpdir(), "albert-k6-"));
    server = await startServer([
      ...["--store", join(directory, "store"), "--device", "cpu", "--log-level", "fatal"],
      // So short that a few callers are too many.
      ...["--serving-max-queue-ms", "150"],
      ...["sentiment", "question-answering"].flatMap((name) => ["--model", join(root, "models", name)]),
    ]);
  }, 600_000);
  afterAll(async () => {
    await server?.stop();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  });

  /** Runs a script for a few seconds; bounds on times are far too wide to matter on a busy machine. */
  async function load(script: string, settings: Readonly<Record<string, string | number>>) {
    const { addresses } = server;
    const all = {
      ADDRESS: addresses.public,
      ADMIN: addresses.admin,
      METRICS: addresses.metrics,
      OUT: directory,
      BOUND_FACTOR: 40,
      TIMEOUT_MS: 60_000,
      ...settings,
    };
    const words = Object.entries(all).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
    const run = promisify(execFile)("k6", ["run", "--quiet", ...words, `loadtest/${script}.js`], { cwd: root, env });
    const exitCode = await run.then(
      () => 0,
      (error: { code: number }) => error.code,
    );
    const summary: Summary = JSON.parse(await readFile(join(directory, `${script}.json`), "utf8"));
    return { exitCode, summary, page: await readFile(join(directory, `${script}.html`), "utf8") };
  }

  const expectHeld = ({ exitCode, summary, page }: Awaited<ReturnType<typeof load>>) => {
    expect(summary.thresholds.filter(({ held }) => !held)).toEqual([]);
    expect(exitCode).toBe(0);
    expect(summary.metrics["albert_answered"]!["count"]).toBeGreaterThan(0);
    expect(page).toContain("every threshold held");
  };

  // The bound on waiting is short here, so that these may be refused now and then; three at a time are not.
  it.each(["classify", "question-answering", "mixed-lengths"])("%s holds its thresholds", async (script) => {
    const { exitCode, summary } = await load(script, { RATE: 3, DURATION: "3s" });
    const broken = summary.thresholds.filter(({ held }) => !held).map(({ metric }) => metric);
    expect(broken.filter((metric) => metric !== "albert_refused" && metric !== "dropped_iterations")).toEqual([]);
    expect([0, 99]).toContain(exitCode);
    expect(summary.metrics["albert_answered"]!["count"]).toBeGreaterThan(0);
  });

  it("streaming gets each item back once", async () => {
    const outcome = await load("streaming", { STREAMS: 1, ITEMS: 12, DURATION: "1s" });
    expectHeld(outcome);
    const { metrics } = outcome.summary;
    expect(metrics["albert_answered"]!["count"]).toBe(12 * metrics["albert_streams_complete"]!["count"]!);
  });

  it("overload is refused with advice, and what is accepted is answered", async () => {
    expectHeld(await load("overload", { POLITE: 8, RUDE: 2, DURATION: "4s", SPREAD: 0 }));
  });

  it("swap says what it needs where there is one version", async () => {
    const { addresses } = server;
    const words = ["-e", `ADDRESS=${addresses.public}`, "-e", `ADMIN=${addresses.admin}`, "-e", `OUT=${directory}`];
    const run = promisify(execFile)("k6", ["run", "--quiet", ...words, "loadtest/swap.js"], { cwd: root, env });
    await expect(run).rejects.toMatchObject({ stderr: expect.stringContaining("run loadtest/second-version.sh") });
  });

  it("swap changes versions and loses nothing", async () => {
    await promisify(execFile)("loadtest/second-version.sh", ["sentiment", server.addresses.admin], { cwd: root });
    const outcome = await load("swap", { RATE: 2, SWAPS: 2, PAUSE: 1, LONGEST_SWAP: 3 });
    const broken = outcome.summary.thresholds.filter(({ held }) => !held).map(({ metric }) => metric);
    expect(broken.filter((metric) => metric !== "albert_refused")).toEqual([]);
    expect(outcome.summary.metrics["albert_swaps"]!["count"]).toBe(2);
  });

  it("soak watches the server's memory", async () => {
    const outcome = await load("soak", { RATE: 2, DURATION: "5s", LOOK_EVERY: 1, MEMORY_GROWTH: 2 });
    const broken = outcome.summary.thresholds.filter(({ held }) => !held).map(({ metric }) => metric);
    expect(broken.filter((metric) => metric !== "albert_refused")).toEqual([]);
    expect(outcome.summary.metrics["albert_memory_bytes"]!["value"]).toBeGreaterThan(2 ** 20);
  });

  it("fail when requests fail", async () => {
    const { exitCode, summary, page } = await load("classify", { CLASSIFIER: "nobody", RATE: 2, DURATION: "1s" });
    expect(exitCode).toBe(99);
    expect(summary.held).toBe(false);
    expect(summary.metrics["albert_failed"]!["count"]).toBeGreaterThan(0);
    expect(page).toContain("a threshold broke");
  });
});
