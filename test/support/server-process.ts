import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { albertCommand } from "./albert-command.ts";

/** Settings by section and key, as a configuration file has them. */
export type Settings = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** `albert serve` in a process of its own. */
export interface ServerProcess {
  readonly pid: number;
  /** Resolves when it says that it is ready; rejects when it ends before. */
  readonly ready: Promise<{ readonly public: string; readonly admin: string }>;
  /** Resolves with the end of the process. */
  readonly ended: Promise<unknown>;
  /** SIGKILL, as from the system's memory killer. @returns when it is gone */
  kill(): Promise<void>;
  /** SIGINT: an orderly end. @returns its exit code */
  stop(): Promise<number | null>;
}

const ANYWHERE = "127.0.0.1:0";

/** How the process is run. */
export interface ProcessOptions {
  /** Most files and connections that it may have open; what this process may have unless given. */
  readonly openFiles?: number;
  /** Gets what it logs; this process's stderr unless given. */
  readonly onLog?: (text: string) => void;
}

/** Starts a server on free ports of this machine that logs errors. */
export function startServerProcess(settings: Settings, { openFiles, onLog }: ProcessOptions = {}): ServerProcess {
  const all: Settings = {
    ...settings,
    server: {
      public_address: ANYWHERE,
      admin_address: ANYWHERE,
      metrics_address: "",
      console_address: "",
      drain_delay_ms: 0,
      ...settings["server"],
    },
    log: { level: "error", ...settings["log"] },
  };
  const environment = Object.entries(all).flatMap(([group, values]) =>
    Object.entries(values).map(([key, value]) => [`ALBERT_${group}_${key}`.toUpperCase(), String(value)]),
  );
  const command = [process.execPath, ...albertCommand("serve")];
  const limited =
    openFiles === undefined ? command : ["sh", "-c", `ulimit -n ${openFiles} && exec "$0" "$@"`, ...command];
  const child = spawn(limited[0]!, limited.slice(1), {
    stdio: ["ignore", "pipe", onLog === undefined ? "inherit" : "pipe"],
    env: { ...process.env, ...Object.fromEntries(environment) },
  });
  if (onLog !== undefined) child.stderr!.setEncoding("utf8").on("data", onLog);
  const ended = once(child, "exit");
  const ready = addresses(child);
  ready.catch(() => {}); // a process that is to be killed may never be ready
  return {
    pid: child.pid!,
    ready,
    ended,
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
    async stop() {
      child.kill("SIGINT");
      await ended;
      return child.exitCode;
    },
  };
}

/** The addresses that a server prints when it is ready. */
async function addresses(child: ChildProcess) {
  const found = { public: "", admin: "" };
  for await (const line of createInterface({ input: child.stdout! })) {
    const [, address, services] = /^ {2}gRPC {3}(\S+) {2}(.*)$/.exec(line) ?? [];
    if (address === undefined) continue;
    if (services?.includes("InferenceService")) found.public = address;
    else found.admin = address;
    if (found.admin !== "") {
      child.stdout!.resume();
      return found;
    }
  }
  throw new Error("the server ended before it was ready");
}
