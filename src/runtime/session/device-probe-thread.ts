import { parentPort, workerData } from "node:worker_threads";
import { GraphBuilder } from "../../graph/onnx/graph-builder.ts";
import { encodeModel } from "../../graph/onnx/serialise.ts";
import { float32 } from "../../graph/onnx/tensors.ts";
import type { DeviceKind } from "../engine.ts";
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
}

/** A product of two SIZE x SIZE matrices: small enough for a software device, large enough to tell one from a real one. */
const SIZE = 256;
const REPEATS = 3;

/** Tries one kind of device. */
async function probe(kind: DeviceKind, threads: number): Promise<ProbeResult> {
  try {
    const session = await OrtSession.create(matrixProduct(), { device: kind, threads });
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

function matrixProduct(): Uint8Array {
  const graph = new GraphBuilder("probe");
  const x = graph.input("x", "float32", [SIZE, SIZE]);
  const w = graph.initializer("w", float32([SIZE, SIZE], new Float32Array(SIZE * SIZE).fill(0.5)));
  graph.output(graph.op("MatMul", [x, w]), "float32", [SIZE, SIZE], "y");
  return encodeModel(graph).bytes;
}

// The thread that devices.ts starts: drivers are loaded there, not on the thread of the event loop.
if (parentPort !== null) {
  const { kinds, threads } = workerData as ProbeTask;
  for (const kind of kinds) parentPort.postMessage(await probe(kind, threads));
}
