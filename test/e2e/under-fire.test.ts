import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, expect, it } from "vitest";
import { connectAlbert } from "../../src/client/albert-client.ts";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { startServerProcess } from "../support/server-process.ts";

// The short form of scripts/attacks, whose numbers are in docs/results/under-fire.md.

const MAIN = join(import.meta.dirname, "../../scripts/attacks/main.ts");
const UNDER_FIRE_MS = 3000;
const MOST_GROWTH_MB = 400;

const directory = mkdtempSync(join(tmpdir(), "albert-fire-"));
const undo: (() => unknown)[] = [];
afterAll(async () => {
  for (const again of undo) await again();
  rmSync(directory, { recursive: true, force: true });
});

it("a server under every attack at once answers its good caller, and is as before when they end", async () => {
  const server = startServerProcess({
    models: { load: `tiny=${await writeTinyModel()}` },
    store: { directory },
    runtime: { device: "cpu" },
    log: { level: "fatal" },
  });
  undo.push(() => server.kill());
  const { public: address } = await server.ready;
  const client = connectAlbert(address, { maxAttempts: 1 });
  undo.push(() => client.close());
  const ask = async () => {
    const startedAt = performance.now();
    await client.tokenize({ text: "a good call" }, { deadlineMs: 30_000 });
    return performance.now() - startedAt;
  };
  const memory = () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))?.[1]) / 1024;
  await ask();
  const before = memory();

  const args = ["--import", "tsx", MAIN, "--attack", "all", "--port", "public", "--at", address];
  const attacker = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  undo.push(() => attacker.kill("SIGKILL"));
  await new Promise((resolve) => attacker.stdout.once("data", resolve));
  let calls = 0;
  for (const until = performance.now() + UNDER_FIRE_MS; performance.now() < until; calls++) await ask();
  expect(calls).toBeGreaterThan(0);
  expect(memory() - before).toBeLessThan(MOST_GROWTH_MB);
  attacker.kill("SIGKILL");

  await wait(1000);
  const after: number[] = [];
  for (let call = 0; call < 30; call++) after.push(await ask());
  expect(after.sort((a, b) => a - b)[15]).toBeLessThan(200);
}, 60_000);
