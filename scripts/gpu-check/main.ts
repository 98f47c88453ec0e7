import { mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { describeMachine, type Presence, presenceOf } from "./machine.ts";
import { type CheckedDevice, partsOf } from "./parts.ts";
import { EXIT, exitStatus, type Outcome, type Report, resumed, writeReport } from "./report.ts";

const USAGE = `usage: npm run gpu-check -- [options]

Tries this program on the machine's graphics cards and writes what it finds to a JSON file: golden numbers on CUDA and WebGPU, the speed
of serving in fp32 and fp16, packed and padded, what fp16 changes, a training step, memory, and the same in PyTorch where that is.
Each part runs in a process of its own. A run that was ended goes on where it stopped; what ran on the same commit is kept.

  --devices LIST   of cuda,webgpu,cpu (default: cuda,webgpu)
  --output FILE    the report (default: .cache/gpu-check.json)
  --python PATH    an interpreter with PyTorch for CUDA (default: python3)
  --minutes N      begin no part that might not end in this time (default: 10)
  --shape NAME     base or tiny: the model that is timed (default: base on cards, tiny on software and the processor)
  --only TEXT      only the parts whose names contain it
  --fresh          forget an earlier report

exit status: 0 every part ran and held; 1 a part failed; 2 wrong usage; 3 nothing failed, but a part did not run`;

const DEVICES: readonly CheckedDevice[] = ["cuda", "webgpu", "cpu"];

/** Runs the parts that are left, one after the other. @returns the exit status */
async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options === "string") {
    console.error(`${options}\n\n${USAGE}`);
    return EXIT.wrongUsage;
  }
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const startedAt = performance.now();
  const machine = { ...describeMachine(), shape: options.shape ?? "by device" };
  const report: Report = options.fresh ? { machine, parts: {} } : resumed(options.output, machine);
  mkdirSync(dirname(options.output), { recursive: true });
  const parts: Record<string, Outcome> = {};
  for (const device of options.devices) {
    const presence = await presenceOf(device);
    const shape = options.shape ?? (presence.present && presence.kind === "card" ? "base" : "tiny");
    console.log(`${device}: ${describe(presence)}`);
    const all = partsOf(device, { shape, python: options.python });
    for (const part of all.filter(({ name }) => name.includes(options.only))) {
      const kept = report.parts[part.name];
      const leftMs = options.minutes * 60_000 - (performance.now() - startedAt);
      const outcome = await (async (): Promise<Outcome> => {
        if (kept !== undefined) return kept;
        if (!presence.present) return { status: "not run", reason: presence.reason };
        if (leftMs < 20_000) return { status: "not run", reason: "the time is up; run it again to go on" };
        return part.run(Math.min(leftMs, part.limitSeconds * 1000));
      })();
      parts[part.name] = outcome;
      await writeReport(options.output, { machine, parts: { ...report.parts, ...parts } });
      console.log(`  ${part.name}: ${line(outcome)}${kept === undefined ? "" : " (in an earlier run)"}`);
    }
  }
  console.log(`the report is in ${options.output}`);
  return exitStatus({ machine, parts });
}

function readOptions(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        devices: { type: "string", default: "cuda,webgpu" },
        output: { type: "string", default: join(import.meta.dirname, "../../.cache/gpu-check.json") },
        python: { type: "string", default: "python3" },
        minutes: { type: "string", default: "10" },
        shape: { type: "string" },
        only: { type: "string", default: "" },
        fresh: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    const devices = DEVICES.filter((device) => values.devices.split(",").includes(device));
    if (devices.length !== values.devices.split(",").length) {
      return `--devices takes ${DEVICES.join(", ")}, got ${values.devices}`;
    }
    const minutes = Number(values.minutes);
    if (!(minutes > 0 && minutes <= 600)) return `--minutes takes a number up to 600, got ${values.minutes}`;
    const { shape, ...rest } = values;
    if (shape !== undefined && shape !== "base" && shape !== "tiny") return `--shape takes base or tiny, got ${shape}`;
    const output = resolve(values.output);
    return { ...rest, devices, minutes, output, ...(shape === undefined ? {} : { shape: shape as "base" | "tiny" }) };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function describe(presence: Presence): string {
  if (!presence.present) return `not here: ${presence.reason}`;
  const speed = presence.gflops === undefined ? "" : `, ${presence.gflops} GFLOP/s on a small product`;
  return `${{ card: "a graphics card", software: "in software only, so nothing is measured but that it runs", processor: "the processor" }[presence.kind]}${speed}`;
}

function line(outcome: Outcome): string {
  if (outcome.status === "ran") return `ran in ${outcome.seconds} s`;
  return outcome.status === "failed" ? `FAILED: ${outcome.reason}` : `did not run: ${outcome.reason}`;
}

process.exitCode = await main(process.argv.slice(2));
