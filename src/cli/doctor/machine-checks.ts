import { statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { availableParallelism, tmpdir } from "node:os";
import { freeDiskBytes } from "../../platform/disk-space.ts";
import { availableMemoryBytes, memoryLimitBytes } from "../../platform/memory-limit.ts";
import { openFileLimit } from "../../platform/open-files.ts";
import { makeTemporaryDirectory } from "../../platform/temporary-directories.ts";
import { availableThreads } from "../../runtime/cpu-quota.ts";
import { obstacleOf } from "../obstacles.ts";
import type { Finding } from "./finding.ts";

// What `albert doctor` looks at of the machine itself, whatever is configured.

const GIB = 2 ** 30;
/** A bundled model serves in less; training a base model takes more. */
const LEAST_MEMORY = 0.5 * GIB;
const ROOMY_MEMORY = 2 * GIB;
const LEAST_DISK = GIB;
/** Connections, models and data sets have files open. */
const LEAST_FILES = 1024;

export function nodeFinding(version: string = process.versions.node): Finding {
  const obstacle = obstacleOf(undefined, version);
  const says = `Node ${version} on ${process.platform} ${process.arch}`;
  return obstacle === undefined
    ? { name: "node", state: "ok", says }
    : { name: "node", state: "fail", says, advice: `albert ${obstacle}: https://nodejs.org` };
}

/** @param limit  bytes that the process may have, by machine and cgroup; @param free  what is left of them */
export function memoryFinding(limit: number = memoryLimitBytes(), free: number = availableMemoryBytes()): Finding {
  const says = `${gib(free)} of ${gib(limit)} GiB free`;
  if (free < LEAST_MEMORY) {
    const advice = "end other programs, or raise the limit of the container: a small model needs half a GiB";
    return { name: "memory", state: "fail", says, advice };
  }
  return free < ROOMY_MEMORY
    ? { name: "memory", state: "warn", says, advice: "enough to serve small models; training a base model needs 2 GiB" }
    : { name: "memory", state: "ok", says };
}

/** @param machine  processors that are there; @param usable  those that the cgroup's quota leaves */
export function processorsFinding(
  machine: number = availableParallelism(),
  usable: number = availableThreads(),
): Finding {
  const says = usable < machine ? `${usable} of ${machine} by the limit of the cgroup` : `${machine}`;
  return usable < 2
    ? { name: "processors", state: "warn", says, advice: "give it two: answers wait for each other on one" }
    : { name: "processors", state: "ok", says };
}

export function openFilesFinding(limit: number = openFileLimit()): Finding {
  const says = Number.isFinite(limit) ? `up to ${limit}` : "no limit";
  return limit < LEAST_FILES
    ? { name: "open files", state: "warn", says, advice: `raise the limit: ulimit -n ${LEAST_FILES * 4}` }
    : { name: "open files", state: "ok", says };
}

/** Whether temporary files can be written, and how much room there is for them. */
export async function temporaryFinding(): Promise<Finding> {
  const name = "temporary files";
  try {
    const directory = await makeTemporaryDirectory("doctor");
    await rm(directory, { recursive: true, force: true });
  } catch (error) {
    const says = `${tmpdir()} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`;
    return { name, state: "fail", says, advice: "set TMPDIR to a folder that can be written" };
  }
  const free = await freeDiskBytes(tmpdir());
  const says = `${tmpdir()}, ${gib(free)} GiB free`;
  return free < LEAST_DISK
    ? { name, state: "warn", says, advice: "free some space, or set TMPDIR to a folder on another disk" }
    : { name, state: "ok", says };
}

/** Certificates, tokens and leases need the right time: a clock before the program's own files is wrong. */
export function clockFinding(
  nowMs: number = Date.now(),
  programMs: number = statSync(import.meta.filename).mtimeMs,
): Finding {
  const says = new Date(nowMs).toISOString();
  const day = 86_400_000;
  return nowMs + day < programMs
    ? {
        name: "clock",
        state: "fail",
        says: `${says} is before albert was installed`,
        advice: "set the clock, best by NTP",
      }
    : { name: "clock", state: "ok", says };
}

const OPTIONAL: Readonly<Record<string, string>> = {
  koffi: "OpenVINO can be used, and memory goes back to the system after a peak",
  "@opentelemetry/api": "traces can be sent",
};

/** Packages that an installation may leave out. */
export function optionalPackages(): Finding[] {
  const { resolve } = createRequire(import.meta.url);
  return Object.entries(OPTIONAL).map(([name, gives]) => {
    try {
      resolve(name);
      return { name: `package ${name}`, state: "ok", says: `installed: ${gives}` };
    } catch {
      const advice = `npm install ${name}, if you want that: ${gives}`;
      return { name: `package ${name}`, state: "warn", says: "not installed", advice };
    }
  });
}

function gib(bytes: number): string {
  return (bytes / GIB).toFixed(1);
}
