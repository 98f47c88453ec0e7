import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { exitStatus, type Outcome, type Report, resumed } from "../../scripts/gpu-check/report.ts";
import { likelyDevices } from "../../src/runtime/session/devices.ts";

const root = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "albert-gpu-check-"));
afterAll(() => rmSync(folder, { recursive: true }));

const RAN: Outcome = { status: "ran", seconds: 1, result: {} };
const FAILED: Outcome = { status: "failed", seconds: 1, reason: "wrong numbers" };
const NOT_RUN: Outcome = { status: "not run", reason: "no card" };

function check(...flags: string[]) {
  const output = join(folder, "report.json");
  const args = ["--import", "tsx", "scripts/gpu-check/main.ts", "--output", output, ...flags];
  const { VK_DRIVER_FILES: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, env, encoding: "utf8" });
  const report = () => JSON.parse(readFileSync(output, "utf8")) as Report;
  return { status, stdout, stderr, report };
}

describe("the check of graphics cards", () => {
  it.runIf(likelyDevices().length === 1)(
    "says of every part why it did not run where there is no card, and ends with a status of its own",
    { timeout: 120_000 },
    () => {
      const { status, stdout, report } = check("--devices", "cuda");
      expect(status).toBe(3);
      const { parts } = report();
      expect(Object.keys(parts)).toEqual([
        "cuda goldens",
        "cuda serving fp32",
        "cuda serving fp16",
        "cuda training",
        "cuda pytorch",
      ]);
      for (const [name, outcome] of Object.entries(parts)) {
        expect(outcome).toMatchObject({ status: "not run", reason: expect.stringMatching(/NVIDIA card|Linux x64/) });
        expect(stdout).toContain(`${name}: did not run: `);
      }
    },
  );

  it("runs its parts on the processor too, and does not run twice what ran", { timeout: 240_000 }, () => {
    const flags = ["--devices", "cpu", "--only", "ing"]; // serving and training
    const first = check(...flags);
    expect(first.stderr).toBe("");
    expect(first.status).toBe(0);
    const { parts } = first.report();
    expect(parts["cpu serving fp32"]).toMatchObject({
      status: "ran",
      result: {
        shape: "tiny",
        ms: { mixed: { best: expect.any(Number) }, padded: { best: expect.any(Number) } },
        hiddenStatesOff: 0,
        bundledModel: { texts: 256, changedAnswers: 0, largestLogitDifference: 0 },
      },
    });
    expect(parts["cpu training"]).toMatchObject({
      status: "ran",
      result: { steps: { "8x128": { secondsPerStep: { best: expect.any(Number) } } } },
    });
    const second = check(...flags);
    expect(second.status).toBe(0);
    expect(second.stdout.match(/in an earlier run/g)).toHaveLength(2);
    expect(second.report()).toEqual(first.report());
  });

  it("says what its options take", () => {
    const { status, stderr } = check("--devices", "tpu");
    expect(status).toBe(2);
    expect(stderr).toContain("--devices takes cuda, webgpu, cpu, got tpu");
  });
});

describe("its report", () => {
  it("lets a failure count more than what did not run", () => {
    const statusOf = (...outcomes: Outcome[]) => exitStatus({ machine: {}, parts: { ...outcomes } as never });
    expect([statusOf(RAN, RAN), statusOf(RAN, NOT_RUN, FAILED), statusOf(RAN, NOT_RUN)]).toEqual([0, 1, 3]);
  });

  it("keeps what ran on the same machine and program, and tries the rest again", () => {
    const path = join(folder, "earlier.json");
    const machine = { commit: "abc", cards: ["A100"] };
    const parts = { goldens: RAN, serving: FAILED, training: NOT_RUN };
    writeFileSync(path, JSON.stringify({ machine, parts }));
    expect(resumed(path, machine).parts).toEqual({ goldens: RAN });
    expect(resumed(path, { ...machine, commit: "abd" }).parts).toEqual({});
    writeFileSync(path, "not JSON");
    expect(resumed(path, machine).parts).toEqual({});
  });
});
