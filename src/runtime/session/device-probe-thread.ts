import { parentPort, workerData } from "node:worker_threads";
import { GraphBuilder } from "../../graph/onnx/graph-builder.ts";
import { encodeModel } from "../../graph/onnx/serialise.ts";
import { float32 } from "../../graph/onnx/tensors.ts";
import type { DeviceKind } from "../engine.ts";
import type { OpenVinoPlaces } from "../openvino/openvino-session.ts";
import { removeModelFiles, writeModelFiles } from "./model-files.ts";
import { OrtSession } from "./ort.ts";

// The entry point of the thread that tries devices, since a driver may end or block its thread.

/** What probing one kind of device found. */
export type ProbeResult =
  | { readonly kind: DeviceKind; readonly available: true; readonly gflops: number }
  | { readonly kind: DeviceKind; readonly available: false; readonly reason: string };

/** What the probing thread is started with. */
export interface ProbeTask {
  readonly kinds: readonly DeviceKind[];
  readonly threads: number;
  readonly openVino?: OpenVinoPlaces;
}

/** A product of two SIZE x SIZE matrices: small enough for a software device, large enough to tell one from a real one. */
const SIZE = 256;
const REPEATS = 3;

/** Tries one kind of device. */
async function probe(kind: DeviceKind, task: ProbeTask): Promise<ProbeResult> {
  try {
    const session = await openSession(kind, task);
    const data = new Float32Array(SIZE * SIZE).fill(0.5);
    const x = { dtype: "float32", dims: [SIZE, SIZE], data } as const;
    let best = Number.POSITIVE_INFINITY;
    for (let run = 0; run < REPEATS; run++) {
      const startedAt = performance.now();
      await session.run({ x });
      best = Math.min(best, performance.now() - startedAt);
    }
    await session.dispose();
    return { kind, available: true, gflops: (2 * SIZE ** 3) / best / 1e6 };
  } catch (error) {
    const reason = error instanceof Error ? error.message.trim() : String(error);
    return { kind, available: false, reason };
  }
}

async function openSession(device: DeviceKind, { threads, openVino }: ProbeTask) {
  const graph = matrixProduct();
  if (device !== "openvino") return OrtSession.create(encodeModel(graph).bytes, { device, threads });
  const { OpenVinoSession } = await import("../openvino/openvino-session.ts");
  const files = await writeModelFiles(graph);
  try {
    const { modelPath, outputs } = files;
    return await OpenVinoSession.create(modelPath, { device, threads, outputs, precision: "fp32", ...openVino });
  } finally {
    await removeModelFiles(files);
  }
}

function matrixProduct(): GraphBuilder {
  const graph = new GraphBuilder("probe");
  const x = graph.input("x", "float32", [SIZE, SIZE]);
  const w = graph.initializer("w", float32([SIZE, SIZE], new Float32Array(SIZE * SIZE).fill(0.5)));
  graph.output(graph.op("MatMul", [x, w]), "float32", [SIZE, SIZE], "y");
  return graph;
}

// The thread that devices.ts starts: drivers are loaded there, not on the thread of the event loop.
if (parentPort !== null) {
  const task = workerData as ProbeTask;
  for (const kind of task.kinds) parentPort.postMessage(await probe(kind, task));
}
