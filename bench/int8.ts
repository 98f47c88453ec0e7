import { setTimeout as pause } from "node:timers/promises";
import { buildServingGraph, type ServingModel } from "../src/graph/serving/serving-graph.ts";
import { type ActivationScales, trunkProducts } from "../src/model/activation-scales.ts";
import { openModelDirectory } from "../src/model/directory/open-model-directory.ts";
import { packBatch } from "../src/runtime/batch/packed-batch.ts";
import { placeholders } from "../src/runtime/batch/placeholder.ts";
import { availableThreads } from "../src/runtime/cpu-quota.ts";
import { findOpenVino } from "../src/runtime/openvino/find-library.ts";
import { OpenVinoSession } from "../src/runtime/openvino/openvino-session.ts";
import { removeModelFiles, writeModelFiles } from "../src/runtime/session/model-files.ts";
import { OrtSession } from "../src/runtime/session/ort.ts";
import { randomAlbert } from "./random-albert.ts";
import { rounded, type Timing, timingOf } from "./timing.ts";

// int8 with scales that are known beforehand against scales found as it runs, and against float32, in each runtime of the processor.

const SHAPES = { "1x16": [16], "1x128": [128], "8x128": new Array<number>(8).fill(128) } as const;
const ROUNDS = 25;
/** Threads of a session wait actively for more work for a while; the next one's run begins when they have stopped. */
const PAUSE_MS = 30;

type Way = "fp32" | "dynamic" | "static";

/** Times the ways in turn, for the model of `--model` (its own scales) or ALBERT-base's shape with random weights. */
export async function benchInt8(_: ReadonlySet<string>, { model: path }: Readonly<Record<string, unknown>>) {
  const model: ServingModel = typeof path === "string" ? await openModelDirectory(path) : randomAlbert("base");
  const { scales = anyScales(model), ...plain } = model;
  const report: Record<string, unknown> = {};
  for (const device of ["cpu", "openvino"] as const) {
    if (device === "openvino" && findOpenVino() === undefined) {
      report[device] = "not on this machine";
      continue;
    }
    const sessions = {
      fp32: await sessionOf(plain, device, "fp32"),
      dynamic: await sessionOf(plain, device, "int8"),
      static: await sessionOf({ ...plain, scales }, device, "int8"),
    } satisfies Record<Way, unknown>;
    for (const [shape, lengths] of Object.entries(SHAPES)) {
      const { feeds } = packBatch({ target: device, heads: plain.heads }, placeholders(plain, lengths));
      const times: Record<Way, number[]> = { fp32: [], dynamic: [], static: [] };
      for (let round = -2; round < ROUNDS; round++) {
        for (const way of Object.keys(times) as Way[]) {
          await pause(PAUSE_MS);
          const startedAt = performance.now();
          await sessions[way].run(feeds);
          if (round >= 0) times[way].push(performance.now() - startedAt);
        }
      }
      const timings = Object.fromEntries(Object.entries(times).map(([way, ms]) => [way, timingOf(ms)])) as Record<
        Way,
        Timing
      >;
      const gain = (of: keyof Timing) => rounded(timings.dynamic[of] / timings.static[of]);
      report[`${device} ${shape}`] = { ms: timings, staticAgainstDynamic: { best: gain("best"), p50: gain("p50") } };
    }
    for (const session of Object.values(sessions)) await session.dispose();
  }
  return report;
}

async function sessionOf(model: ServingModel, device: "cpu" | "openvino", precision: "fp32" | "int8") {
  const files = await writeModelFiles(buildServingGraph(model, { target: device, precision }));
  const [{ modelPath, outputs }, threads] = [files, availableThreads()];
  const session =
    device === "cpu"
      ? await OrtSession.create(modelPath, { device, threads })
      : await OpenVinoSession.create(modelPath, { device, threads, outputs, precision });
  await removeModelFiles(files);
  return session;
}

/** Scales that are not right, but take as long. */
function anyScales({ config }: ServingModel): ActivationScales {
  return new Map(
    trunkProducts(config).map(({ name, applications }) => [
      name,
      { applications: Array.from({ length: applications }, (_, at) => ({ scale: 0.02 + at / 1e4, zeroPoint: 128 })) },
    ]),
  );
}
