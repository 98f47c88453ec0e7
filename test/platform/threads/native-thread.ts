import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { GraphBuilder } from "../../../src/graph/onnx/graph-builder.ts";
import { encodeModel } from "../../../src/graph/onnx/serialise.ts";
import { float32 } from "../../../src/graph/onnx/tensors.ts";
import { nativeCall } from "../../../src/platform/threads/native-calls.ts";
import { endThread, spawnWorker } from "../../../src/platform/threads/worker.ts";
import { OrtSession } from "../../../src/runtime/session/ort.ts";

// A process of its own for native-calls.test.ts, `native-thread.ts WORK END`: a thread that is at WORK is ended while it is
// inside a native library, or the process is, as END says.

const SIZE = 600;
const PRODUCTS = 10;
/** Into the first run, and well before its end. */
const PAUSE_MS = 50;

const WORK: Readonly<Record<string, () => Promise<void>>> = {
  /** Runs a model that takes some hundredths of a second, again and again. */
  async model() {
    const graph = new GraphBuilder("products");
    const x = graph.input("x", "float32", [SIZE, SIZE]);
    const w = graph.initializer("w", float32([SIZE, SIZE], new Float32Array(SIZE * SIZE).fill(1 / SIZE)));
    let y = x;
    for (let product = 0; product < PRODUCTS; product++) y = graph.op("MatMul", [y, w]);
    graph.output(y, "float32", [SIZE, SIZE], "y");
    const session = await OrtSession.create(encodeModel(graph).bytes, { device: "cpu", threads: 1 });
    parentPort?.postMessage("inside");
    const feed = { dtype: "float32", dims: [SIZE, SIZE], data: new Float32Array(SIZE * SIZE) } as const;
    for (;;) await session.run({ x: feed });
  },
  /** Runs the model on a thread of this thread. */
  async "thread's model"() {
    const worker = start("model");
    worker.on("message", (message) => parentPort?.postMessage(message));
  },
  /** Stays where it is. */
  async "endless call"() {
    parentPort?.postMessage("inside");
    await nativeCall(() => {
      for (;;);
    });
  },
};

function start(work: string) {
  return spawnWorker(new URL("./native-thread", import.meta.url), import.meta.url, { workerData: work });
}

if (isMainThread) {
  const [work = "", end = ""] = process.argv.slice(2);
  const worker = start(work);
  worker.once("message", () =>
    setTimeout(() => {
      if (end === "process") process.exit(7);
      void endThread(worker).then(() => console.log("the thread ended, the process did not"));
    }, PAUSE_MS),
  );
} else {
  await WORK[workerData as string]!();
}
