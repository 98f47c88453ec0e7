import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { spawnAlbert } from "../support/command-line.ts";
import { missing } from "../support/fixtures.ts";

// A program that listens and, stopped with a full queue, lets the system drop every further packet of a connection; or that
// accepts and says nothing.
const LISTENER = `
const net = require("node:net");
const server = net.createServer((socket) => socket.on("error", () => {}));
server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => console.log(server.address().port));
`;

/** Fills the queue of a stopped listener until the system answers no more. @returns whether it does not */
async function fillQueue(port: number): Promise<boolean> {
  const { connect } = await import("node:net");
  for (let attempt = 0; attempt < 16; attempt++) {
    const socket = connect(port, "127.0.0.1").unref();
    socket.on("error", () => {});
    const connected = await Promise.race([
      once(socket, "connect").then(() => true),
      new Promise<boolean>((resolve) => setTimeout(resolve, 300, false)),
    ]);
    if (!connected) return true;
  }
  return false;
}

async function listen(): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, ["-e", LISTENER], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  return { child, port: Number(line) };
}

const COMMANDS: Readonly<Record<string, (address: string) => string[]>> = {
  health: (address) => ["health", "--server", address, "--timeout-ms", "700"],
  classify: (address) => ["classify", "a cat", "--server", address, "--connect-timeout-ms", "700"],
  "models list": (address) => ["models", "list", "--admin", address, "--connect-timeout-ms", "700"],
  "jobs list": (address) => ["jobs", "list", "--admin", address, "--connect-timeout-ms", "700"],
};

describe.each(["that accepts and never answers", "whose packets are dropped"])("with an address %s", (kind) => {
  let child: ChildProcess;
  let address: string;
  let holds = true;
  beforeAll(async () => {
    const listener = await listen();
    child = listener.child;
    address = `127.0.0.1:${listener.port}`;
    if (kind === "whose packets are dropped") {
      child.kill("SIGSTOP");
      holds = await fillQueue(listener.port);
    }
  });
  afterAll(() => child.kill("SIGKILL"));

  it.each(Object.keys(COMMANDS))("albert %s gives up in time, and ends", { timeout: 60_000 }, async (name) => {
    if (missing("a system that drops connections to a full queue", holds)) return;
    const startedAt = performance.now();
    const { status, out, err } = await spawnAlbert(COMMANDS[name]!(address));
    // Starting Node takes its time; connecting would take the system two minutes.
    expect(performance.now() - startedAt).toBeLessThan(25_000);
    expect(status).toBe(5);
    expect(out).toBe("");
    expect(err).toMatch(
      name === "health"
        ? /^albert: 127\.0\.0\.1:\d+ did not answer within 700 ms \(DEADLINE_EXCEEDED\): .*\n$/
        : /^albert: no connection to 127\.0\.0\.1:\d+ stood within 700 ms: .*, or wait longer with --connect-timeout-ms\n$/,
    );
  });
});
