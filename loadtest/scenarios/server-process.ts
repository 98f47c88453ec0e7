import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { createInterface } from "node:readline";

const ALBERT = join(import.meta.dirname, "../../bin/albert");
/** A start that takes longer has failed. */
const START_MS = 120_000;

/** A server in a process of its own, on free ports of this machine. */
export interface ServerProcess {
  /** host:port of inference, administration and metrics. */
  readonly addresses: { readonly public: string; readonly admin: string; readonly metrics: string };
  /** From the start of the process to the line that says it is ready, in seconds. */
  readonly startSeconds: number;
  /** Memory of the process that is held in RAM, now and at its most. */
  rss(): { readonly bytes: number; readonly peakBytes: number };
  /** The newest value of a metric of this name and these labels, as its page prints them. */
  metric(series: string): Promise<number | undefined>;
  /** Ends the server as SIGINT does. @returns its exit status */
  stop(): Promise<number | null>;
}

/** Starts `albert serve` from the built program and waits until it is ready. */
export async function startServer(flags: readonly string[]): Promise<ServerProcess> {
  const addresses = ["public", "admin", "metrics"].flatMap((name) => [`--server-${name}-address`, "127.0.0.1:0"]);
  const began = performance.now();
  const child = spawn(ALBERT, ["serve", ...addresses, "--server-console-address", "", ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = await readyLines(child);
  const startSeconds = (performance.now() - began) / 1000;
  const addressOf = (service: string) => {
    const line = lines.find((candidate) => candidate.includes(service));
    const address = line?.match(/\d+\.\d+\.\d+\.\d+:\d+/)?.[0];
    if (address === undefined) throw new Error(`the server does not say where ${service} listens`);
    return address;
  };
  const found = {
    public: addressOf("InferenceService"),
    admin: addressOf("TrainingService"),
    metrics: addressOf("/metrics"),
  };
  return {
    addresses: found,
    startSeconds,
    rss: () => {
      const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
      const kilobytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1]);
      return { bytes: kilobytes("VmRSS") * 1024, peakBytes: kilobytes("VmHWM") * 1024 };
    },
    metric: async (series) => {
      const page = await (await fetch(`http://${found.metrics}/metrics`)).text();
      const line = page.split("\n").find((candidate) => candidate.startsWith(`${series} `));
      return line === undefined ? undefined : Number(line.slice(series.length));
    },
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null) resolve(child.exitCode);
        else {
          child.once("exit", resolve);
          child.kill("SIGINT");
        }
      }),
  };
}

/** What the server prints, up to the last of its lines about listeners. */
function readyLines(child: ChildProcess): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const lines: string[] = [];
    const timer = setTimeout(() => reject(new Error("the server did not start in time")), START_MS);
    child.once("exit", (code) => reject(new Error(`the server ended with ${code} before it was ready`)));
    createInterface({ input: child.stdout! }).on("line", (line) => {
      lines.push(line);
      if (!line.includes("/metrics")) return;
      clearTimeout(timer);
      resolve(lines);
    });
  });
}
