import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What running a test file came to. */
export interface TestRun {
  readonly file: string;
  readonly outcome: "passed" | "failed" | "timed out";
  readonly seconds: number;
  /** The first test that failed, and the first line of its error. */
  readonly failed?: string;
}

/** Runs a test file up to its first failure, and ends it and what it started at the limit. */
export async function runTestFile(root: string, file: string, limitMs: number): Promise<TestRun> {
  const report = join(mkdtempSync(join(root, ".report-")), "report.json");
  const began = performance.now();
  const args = [
    "--bail=1",
    "--maxWorkers=1",
    "--experimental.fsModuleCache",
    "--reporter=json",
    `--outputFile=${report}`,
  ];
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const child = spawn(process.execPath, [vitest, "run", file, ...args], { cwd: root, stdio: "ignore", detached: true });
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    process.kill(-child.pid!, "SIGKILL");
  }, limitMs);
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  clearTimeout(timer);
  const seconds = Math.round((performance.now() - began) / 100) / 10;
  if (timedOut) return { file, outcome: "timed out", seconds };
  return code === 0
    ? { file, outcome: "passed", seconds }
    : { file, outcome: "failed", seconds, failed: firstFailure(report) };
}

interface Report {
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

function firstFailure(path: string): string {
  if (!existsSync(path)) return "the run ended without a report";
  const { testResults } = JSON.parse(readFileSync(path, "utf8")) as Report;
  const test = testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .find(({ status }) => status === "failed");
  const [name, message] = test ? [test.fullName, test.failureMessages[0]] : ["the file", testResults[0]?.message];
  return `${name}: ${message?.split("\n")[0]}`;
}
