// Starts a server and asks both of its probes every 50 ms, from before its start to after its end: `/readyz`, and the real
// grpc-health-probe as Kubernetes runs it. Meanwhile a second version is made, promoted and rolled back. Fails where the probes
// disagreed, but for moments in which `/readyz` itself changed.
//
//   node scripts/kubernetes/probes-agree.mjs        needs grpc-health-probe in PATH or GRPC_HEALTH_PROBE, and a build (npm run build)
import { execFile, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "../..");
const albert = join(root, "bin/albert");
const probe = process.env.GRPC_HEALTH_PROBE ?? "grpc-health-probe";
const EVERY_MS = 50;
const run = promisify(execFile);

/** A free address of this machine, found by taking and releasing it. */
async function freeAddress() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

const [publicAddress, admin, metrics, console_] = await Promise.all([1, 2, 3, 4].map(freeAddress));
const store = mkdtempSync(join(tmpdir(), "albert-probes-"));

// What does not answer gets no traffic either, which is all that the one who probes decides by.
const readyz = () =>
  fetch(`http://${metrics}/readyz`).then(
    ({ status }) => status === 200,
    () => false,
  );
const health = () =>
  run(probe, ["-addr", publicAddress, "-connect-timeout", "2s", "-rpc-timeout", "2s"]).then(
    () => true,
    () => false,
  );

let phase = "before the start";
let stopped = false;
const counts = new Map();
const disagreements = [];
let changed = 0;

async function sample() {
  const before = await readyz();
  const asked = await health();
  const after = await readyz();
  if (before !== after) {
    changed += 1;
    return;
  }
  const count = counts.get(phase) ?? { serving: 0, not: 0 };
  count[before ? "serving" : "not"] += 1;
  counts.set(phase, count);
  if (asked !== before) disagreements.push(`${phase}: /readyz says ${before}, grpc-health-probe ${asked}`);
}

async function sampling() {
  const running = new Set();
  while (!stopped) {
    const one = sample().finally(() => running.delete(one));
    running.add(one);
    await sleep(EVERY_MS);
  }
  await Promise.all(running);
}

execFileSync(probe, ["-version"], { stdio: "ignore" });
const sampled = sampling();
await sleep(500);
phase = "start";
const addresses = {
  "public-address": publicAddress,
  "admin-address": admin,
  "metrics-address": metrics,
  "console-address": console_,
};
const options = Object.entries(addresses).flatMap(([name, address]) => [`--server-${name}`, address]);
const server = spawn(albert, ["serve", "--store", store, ...options], { stdio: ["ignore", "ignore", "inherit"] });
const ended = new Promise((resolve) => server.once("exit", (code) => resolve(code)));
try {
  for (let tries = 0; !(await readyz()); tries++) {
    if (tries === 600 || server.exitCode !== null) throw new Error("the server never was ready");
    await sleep(100);
  }
  phase = "ready";
  await sleep(1000);
  phase = "a version is made";
  await run(join(root, "loadtest/second-version.sh"), ["sentiment", admin]);
  phase = "promotion";
  await run(albert, [
    "models",
    "promote",
    "--admin",
    admin,
    "--override",
    "--reason",
    "a trial of probes",
    "sentiment",
    "2",
  ]);
  await sleep(1000);
  phase = "rollback";
  await run(albert, ["models", "rollback", "--admin", admin, "sentiment"]);
  await sleep(1000);
} finally {
  phase = "drain";
  server.kill("SIGTERM");
  const status = await ended;
  phase = "after the end";
  await sleep(500);
  stopped = true;
  await sampled;
  rmSync(store, { recursive: true, force: true });
  for (const [name, { serving, not }] of counts) console.log(`${name}: ${serving} samples serving, ${not} not`);
  console.log(`${changed} samples in which /readyz changed, server ended with ${status}`);
  for (const line of disagreements.slice(0, 20)) console.error(line);
  console.log(`${disagreements.length} disagreements`);
  if (disagreements.length > 0 || status !== 0) process.exitCode = 1;
}
