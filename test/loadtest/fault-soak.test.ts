import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const SOAK = join(import.meta.dirname, "../../loadtest/scenarios/fault-soak.ts");

/** The report of a short run. */
async function run(seconds: number, control: string): Promise<Record<string, unknown>> {
  const args = ["--import", "tsx", SOAK, "--seconds", String(seconds), "--control", control];
  const { stdout } = await promisify(execFile)(process.execPath, args).catch((error: unknown) => {
    if (error instanceof Error && "stdout" in error && error.stdout !== "") return error as Error & { stdout: string };
    throw error;
  });
  return JSON.parse(stdout);
}

it("a short soak with every disturbance loses and confuses nothing, and would say so", {
  timeout: 240_000,
}, async () => {
  const [sound, confused] = await Promise.all([run(10, "none"), run(2, "wrong")]);
  expect(sound).toMatchObject({ wrong: 0, lost: 0, failed: 0, refused: 0, hung: false, passed: true, examples: [] });
  const did = sound["did"] as Record<string, number>;
  for (const what of ["swaps", "jobs", "cancelled calls", "bad inputs", "new connections", "faults"]) {
    expect(did[what], what).toBeGreaterThanOrEqual(2);
  }
  expect(confused).toMatchObject({ passed: false });
  expect(confused["wrong"]).toBeGreaterThan(10);
});
