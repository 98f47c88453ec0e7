import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");
const store = mkdtempSync(join(tmpdir(), "albert-start-"));
const ANY_PORT = ["public", "admin", "metrics", "console"].flatMap((name) => [
  `--server-${name}-address`,
  "127.0.0.1:0",
]);
let npm: ChildProcess | undefined;

afterEach(() => {
  npm?.kill("SIGTERM");
});
afterAll(() => rmSync(store, { recursive: true, force: true }));

/** Runs `npm start` with a store of its own until it has said this, or has ended. */
async function npmStart(until: string, ...options: string[]) {
  const args = ["start", "--", "--store", store, ...ANY_PORT, "--server-drain-delay-ms", "0", ...options];
  const child = spawn("npm", args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  npm = child;
  const ended = once(child, "close").then(([code, signal]) => code ?? signal);
  let said = "";
  let heard = () => {};
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      heard();
    });
  }
  while (!said.includes(until) && child.exitCode === null && child.signalCode === null) {
    await Promise.race([ended, new Promise<void>((resolve) => (heard = resolve))]);
  }
  return { child, ended, said: () => said };
}

const healthPage = (said: string) => `http://${/HTTP {3}(\S+)/.exec(said)?.[1]}/healthz`;

it.skipIf(process.platform === "win32").each(["SIGTERM", "SIGINT"] as const)(
  "npm start hands %s to the server and ends as it ends",
  async (signal) => {
    const { child, ended, said } = await npmStart(" is ready");
    const page = healthPage(said());
    expect((await fetch(page)).status).toBe(200);
    child.kill(signal);
    expect(await ended).toBe(0);
    await expect(fetch(page)).rejects.toThrow(); // nobody is left on its ports
  },
  120_000,
);

it("npm start ends with the status of a server that cannot start, and npm has nothing to warn of", async () => {
  const { ended, said } = await npmStart("never said", "--server-drain-delay-ms", "soon");
  expect(await ended).toBe(2);
  expect(said()).toContain("server.drain_delay_ms");
  expect(said()).not.toMatch(/npm warn/i);
}, 120_000);
