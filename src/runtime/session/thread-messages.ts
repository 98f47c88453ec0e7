import type { OpenVinoOptions } from "../openvino/openvino-session.ts";
import type { HostTensors, SessionOptions } from "./ort.ts";

// The messages between a session's host and its thread.

/** What a session worker is started with. */
export interface WorkerTask {
  /** Path of the model file; its constants lie next to it. */
  readonly modelPath: string;
  readonly session: SessionOptions | OpenVinoOptions;
  /** Whether the session yields to other threads. */
  readonly background?: boolean;
}

/** Main thread -> worker. Arrays move, they are not copied. */
export type WorkerRequest =
  /** Runs each feed in turn, as one batch. */
  { readonly kind: "run"; readonly id: number; readonly feeds: readonly HostTensors[] } | { readonly kind: "close" };

/** Worker -> main thread. */
export type WorkerReply =
  | { readonly kind: "ready" }
  /** The runtime refused the model; the worker ends by itself. */
  | { readonly kind: "refused"; readonly message: string }
  /** From here on the batch may have had effects: a worker that dies now loses it. */
  | { readonly kind: "begun"; readonly id: number }
  | {
      readonly kind: "done";
      readonly id: number;
      readonly outputs: readonly HostTensors[];
      /** For each feed: float outputs that hold a NaN or an infinity somewhere. */
      readonly nonFinite: readonly (readonly string[])[];
      /** Milliseconds of each run. */
      readonly runMs: readonly number[];
    }
  | { readonly kind: "failed"; readonly id: number; readonly message: string };

/** The distinct buffers behind tensors, to be moved to another thread. */
export function buffersOf(tensors: readonly HostTensors[]): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const each of tensors) {
    for (const { data } of Object.values(each)) {
      if (data.buffer instanceof ArrayBuffer && data.byteLength > 0) buffers.add(data.buffer);
    }
  }
  return [...buffers];
}
