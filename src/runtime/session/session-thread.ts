import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { invariant } from "../../errors.ts";
import { lowerThreadPriority } from "../../platform/threads/thread-priority.ts";
import type { HostTensors } from "./ort.ts";
import { buffersOf, type WorkerReply, type WorkerRequest, type WorkerTask } from "./thread-messages.ts";

/**
 * Entry point of a session worker: owns one session and runs batches one after the other, in the order in which they were
 * sent. The thread ends when it is told to close; its memory goes back to the system with it.
 */
export async function serveSession(port: MessagePort, task: WorkerTask): Promise<void> {
  const reply = (message: WorkerReply, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
  let session: Session;
  // Before the runtime is even loaded, and its threads, which inherit the priority, exist.
  if (task.background) lowerThreadPriority();
  try {
    session = await openSession(task);
  } catch (error) {
    reply({ kind: "refused", message: textOf(error) });
    port.close();
    return;
  }
  // Messages that arrive during a run wait in the port; chaining keeps their order.
  let last = Promise.resolve();
  port.on("message", (request: WorkerRequest) => {
    last = last.then(async () => {
      if (request.kind === "close") {
        await session.dispose();
        port.close();
        return;
      }
      reply({ kind: "begun", id: request.id });
      try {
        const { message, transfer } = await runBatch(session, request.id, request.feeds);
        reply(message, transfer);
      } catch (error) {
        reply({ kind: "failed", id: request.id, message: textOf(error) });
      }
    });
  });
  reply({ kind: "ready" });
}

/** A model that runs on this thread. */
interface Session {
  run(feeds: HostTensors): Promise<HostTensors>;
  dispose(): Promise<void>;
}

/** Only the runtime that is asked for is loaded. */
async function openSession({ modelPath, session }: WorkerTask): Promise<Session> {
  if (session.device === "openvino") {
    const { OpenVinoSession } = await import("../openvino/openvino-session.ts");
    return OpenVinoSession.create(modelPath, session);
  }
  const { OrtSession } = await import("./ort.ts");
  return OrtSession.create(modelPath, session);
}

async function runBatch(session: Session, id: number, feeds: readonly HostTensors[]) {
  const outputs: HostTensors[] = [];
  const runMs: number[] = [];
  for (const feed of feeds) {
    const startedAt = performance.now();
    outputs.push(await session.run(feed));
    runMs.push(performance.now() - startedAt);
  }
  const nonFinite = outputs.map((each) => Object.keys(each).filter((name) => hasNonFinite(each[name]!.data)));
  const message: WorkerReply = { kind: "done", id, outputs, nonFinite, runMs };
  return { message, transfer: buffersOf(outputs) };
}

/** x * 0 is 0 for every finite x and NaN for every other, so one sum tells. */
function hasNonFinite(data: HostTensors[string]["data"]): boolean {
  if (!(data instanceof Float32Array)) return false;
  let sum = 0;
  for (let index = 0; index < data.length; index++) sum += data[index]! * 0;
  return sum !== 0;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

if (parentPort !== null) {
  invariant(typeof workerData === "object", "a session worker without a task");
  await serveSession(parentPort, workerData as WorkerTask); // written by session-host.ts
}
