import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { GraphBuilder } from "../../../src/graph/onnx/graph-builder.ts";
import { encodeModel } from "../../../src/graph/onnx/serialise.ts";
import { float32 } from "../../../src/graph/onnx/tensors.ts";
import { nativeCall } from "../../../src/platform/threads/native-calls.ts";
import { endThread, spawnWorker } from "../../../src/platform/threads/worker.ts";
import { OrtSession } from "../../../src/runtime/session/ort.ts";

// A process of its own for native-calls.test.ts, `native-thread.ts WORK END`: a thread that is at WORK is ended while it is
// inside a native library, or the process is, or it ends itself, as END says.

const SIZE = 600;
const PRODUCTS = 10;
/** Into the first run, and well before its end. */
const PAUSE_MS = 50;
/** Longer than a process that ends waits for its threads. */
const SLOW_MS = 1500;

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
  /** Ends while a thread of its own is inside a library for longer than a process would wait. */
  async "thread's slow call, and ends itself"() {
    start("slow call").on("message", () => process.exit());
  },
  async "slow call"() {
    await nativeCall(() => {
      parentPort?.postMessage("inside");
      const until = performance.now() + SLOW_MS;
      while (performance.now() < until);
    });
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
  const survived = () => console.log("the thread ended, the process did not");
  if (end === "itself") worker.once("exit", survived);
  worker.once("message", () =>
    setTimeout(() => {
      if (end === "process") process.exit(7);
      void endThread(worker).then(survived);
    }, PAUSE_MS),
  );
} else {
  await WORK[workerData as string]!();
}
