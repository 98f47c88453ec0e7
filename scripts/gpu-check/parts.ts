import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cardMemoryMiB } from "./machine.ts";
import type { Outcome } from "./report.ts";

// The parts of the check: each a process of its own with a limit of time, whose card memory is watched while it runs.

const root = join(import.meta.dirname, "../..");

export type CheckedDevice = "cpu" | "webgpu" | "cuda";

/** One part, not begun. */
export interface Part {
  readonly name: string;
  readonly device: CheckedDevice;
  /** Longest run in seconds; about what a data centre's card needs, several times over. */
  readonly limitSeconds: number;
  run(limitMs: number): Promise<Outcome>;
}

export interface PartOptions {
  /** Shape of the model whose speed is measured. */
  readonly shape: "tiny" | "base";
  /** An interpreter that may have PyTorch. */
  readonly python: string;
}

/** Golden numbers, and the tests that compare devices with the processor. */
const GOLDEN_TESTS = [
  "test/golden/models.test.ts",
  "test/golden/heads.test.ts",
  "test/runtime/graphics.test.ts",
  "test/training/executors/graphics.test.ts",
];

/** Everything that is to be known of a device, in the order of its worth. */
export function partsOf(device: CheckedDevice, options: PartOptions): Part[] {
  const precisions = device === "cpu" ? ["fp32"] : ["fp32", "fp16"];
  const common = ["--shape", options.shape, "--device", device];
  const own = (name: string, limitSeconds: number, flags: readonly string[]): Part => ({
    name: `${device} ${name}`,
    device,
    limitSeconds,
    run: (limitMs) => runOwn([...flags, ...common], limitMs),
  });
  return [
    { name: `${device} goldens`, device, limitSeconds: 150, run: (limitMs) => runGoldens(device, limitMs) },
    ...precisions.map((precision) => own(`serving ${precision}`, 120, ["--part", "serving", "--precision", precision])),
    own("training", 150, ["--part", "training"]),
    ...(device === "cuda"
      ? [
          {
            name: "cuda pytorch",
            device,
            limitSeconds: 120,
            run: (limitMs: number) => runPytorch(options.python, limitMs),
          },
        ]
      : []),
  ];
}

async function runOwn(flags: readonly string[], limitMs: number): Promise<Outcome> {
  const ended = await ending(
    process.execPath,
    ["--import", "tsx", "scripts/gpu-check/run-part.ts", ...flags],
    {},
    limitMs,
  );
  if (ended.problem !== undefined) return { status: "failed", seconds: ended.seconds, reason: ended.problem };
  const result = { ...(JSON.parse(lastLine(ended.output)) as object), ...ended.card };
  return { status: "ran", seconds: ended.seconds, result };
}

/** The numbers of golden tests that hold on the device; with float32 products, which CUDA libraries round to TF32 otherwise. */
async function runGoldens(device: CheckedDevice, limitMs: number): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "albert-goldens-"));
  const report = join(folder, "report.json");
  try {
    const only = device === "cpu" ? [] : ["-t", `on ${device}`];
    const ended = await ending(
      process.execPath,
      ["node_modules/vitest/vitest.mjs", "run", ...GOLDEN_TESTS, ...only, "--reporter=json", `--outputFile=${report}`],
      { ALBERT_TEST_DEVICES: device, NVIDIA_TF32_OVERRIDE: "0" },
      limitMs,
    );
    const { seconds } = ended;
    let counts: GoldenReport;
    try {
      counts = JSON.parse(readFileSync(report, "utf8")) as GoldenReport;
    } catch {
      return { status: "failed", seconds, reason: ended.problem ?? "the tests left no report" };
    }
    const { numPassedTests: passed, numFailedTests: failed, testResults } = counts;
    const messages = testResults
      .flatMap(({ assertionResults, message }) => [
        ...assertionResults.flatMap(({ fullName, failureMessages }) =>
          failureMessages.map((each) => `${fullName}: ${each.split("\n")[0]}`),
        ),
        ...(message === "" ? [] : [message.split("\n")[0]!]),
      ])
      .slice(0, 20);
    if (failed > 0 || messages.length > 0) {
      return { status: "failed", seconds, reason: `${failed} of ${passed + failed} tests: ${messages.join("; ")}` };
    }
    if (passed === 0) return { status: "not run", reason: "no golden test is named for this device" };
    return { status: "ran", seconds, result: { passed, tf32: "off", ...ended.card } };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What vitest's JSON reporter writes. */
interface GoldenReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly failureMessages: readonly string[] }[];
  }[];
}

/** The same shapes in PyTorch. That it is not there is no failure. */
async function runPytorch(python: string, limitMs: number): Promise<Outcome> {
  const ended = await ending(python, ["bench/gpu_pytorch.py"], {}, limitMs);
  if (ended.problem !== undefined) {
    if (/ENOENT/.test(ended.problem)) return { status: "not run", reason: `there is no ${python}` };
    return { status: "failed", seconds: ended.seconds, reason: ended.problem };
  }
  const result = JSON.parse(lastLine(ended.output)) as { absent?: string };
  if (result.absent !== undefined) return { status: "not run", reason: `${python}: ${result.absent}` };
  return { status: "ran", seconds: ended.seconds, result: { ...result, ...ended.card } };
}

interface Ended {
  readonly output: string;
  readonly seconds: number;
  /** Why it did not end well; undefined where it did. */
  readonly problem?: string;
  /** The cards' memory before, and at most while it ran. */
  readonly card: { readonly cardMemoryMiB?: { readonly before: number; readonly peak: number } };
}

/** Runs a command to its end, or ends it at its limit. */
async function ending(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  limitMs: number,
): Promise<Ended> {
  const startedAt = performance.now();
  const before = cardMemoryMiB();
  let peak = before ?? 0;
  const watch =
    before === undefined ? undefined : setInterval(() => (peak = Math.max(peak, cardMemoryMiB() ?? 0)), 500);
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const limit = setTimeout(() => child.kill("SIGKILL"), limitMs);
  try {
    const { output, problem } = await outputOf(child, limitMs);
    const seconds = Number(((performance.now() - startedAt) / 1000).toFixed(1));
    const card = before === undefined ? {} : { cardMemoryMiB: { before, peak } };
    return { output, seconds, card, ...(problem === undefined ? {} : { problem }) };
  } finally {
    clearTimeout(limit);
    clearInterval(watch);
  }
}

function outputOf(child: ChildProcess, limitMs: number): Promise<{ output: string; problem?: string }> {
  let [output, complaints] = ["", ""];
  child.stdout!.on("data", (chunk) => {
    output += String(chunk);
  });
  child.stderr!.on("data", (chunk) => {
    complaints = (complaints + String(chunk)).slice(-2000);
  });
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ output, problem: error.message }));
    child.once("close", (code, signal) => {
      if (code === 0) resolve({ output });
      else if (signal === "SIGKILL") {
        resolve({ output, problem: `no end within ${Math.round(limitMs / 1000)} s: ${complaints.trim()}` });
      } else resolve({ output, problem: `it ended with ${signal ?? code}: ${complaints.trim()}` });
    });
  });
}

function lastLine(output: string): string {
  return output.trimEnd().split("\n").at(-1) ?? "";
}
