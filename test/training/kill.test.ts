import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RandomStream } from "../../src/model/random.ts";

const KILLS = 20;
const script = join(import.meta.dirname, "interrupted-run.ts");

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "albert-kill-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Runs or resumes a training process; kills it that long after its first step could begin. */
async function runProcess(run: string, killAfterMs?: number): Promise<"finished" | "killed"> {
  const child = spawn(process.execPath, ["--import", "tsx", script, run], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  if (killAfterMs !== undefined) {
    await Promise.race([once(child.stdout, "data"), ended]);
    await Promise.race([wait(killAfterMs), ended]);
    child.kill("SIGKILL");
  }
  const [code] = await ended;
  if (code === 0) return "finished";
  expect(child.signalCode).toBe("SIGKILL");
  return "killed";
}

describe("a training process killed with SIGKILL", () => {
  it(`ends in the same bytes after ${KILLS} kills at random instants`, { timeout: 120_000 }, async () => {
    const whole = join(directory, "whole");
    await runProcess(whole);
    const expected = await readFile(`${whole}.weights`);
    const random = new RandomStream([Date.now() >>> 0, process.pid]);
    let kills = 0;
    // Several runs share the kills: each begins anew when the one before it has come to its end.
    for (let run = 0; kills < KILLS; run++) {
      const killed = join(directory, `killed-${run}`);
      while (!existsSync(`${killed}.weights`)) {
        const end = await runProcess(killed, kills < KILLS ? random.below(400) : undefined);
        if (end === "killed") kills++;
      }
      expect((await readFile(`${killed}.weights`)).equals(expected), `run ${run} after ${kills} kills`).toBe(true);
    }
  });
});
