import type { DeviceKind } from "../engine.ts";
import type { OpenVinoPlaces } from "../openvino/openvino-session.ts";
import { OpenVinoTrainingSession } from "../openvino/openvino-training-session.ts";
import { TrainingSession, type TrainingSessionOptions } from "./training-session.ts";

// Opens a graph for training on the library that a device names.

/** A graph loaded for training, on whichever library. While `run` works, the thread does nothing else. */
export type StepSession = Pick<TrainingSession, "run" | "close">;

/** An encoded graph, and what goes in and comes out of it, in its order. */
export interface TrainingGraph {
  readonly bytes: Uint8Array;
  readonly inputs: readonly { readonly name: string }[];
  /** All float32. */
  readonly outputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
}

export interface StepSessionOptions extends Omit<TrainingSessionOptions, "device" | "profile"> {
  readonly device: DeviceKind;
  /** bf16: the graph has values in bfloat16, which only `openvino` computes, on a processor that has it. */
  readonly precision: "fp32" | "bf16";
  readonly openVino?: Pick<OpenVinoPlaces, "library">;
}

/**
 * @throws AlbertError backend (RUNTIME_REFUSED) when the library refuses the graph; precondition (DEVICE_UNAVAILABLE,
 *   PRECISION_UNAVAILABLE) saying what to install or choose
 */
export function openTrainingSession(graph: TrainingGraph, options: StepSessionOptions): Promise<StepSession> {
  const { device, precision, openVino, ...session } = options;
  if (device !== "openvino") return TrainingSession.open(graph.bytes, { ...session, device });
  const { threads } = session;
  return OpenVinoTrainingSession.open(graph.bytes, {
    precision: precision === "bf16" ? "bf16-products" : precision,
    inputs: graph.inputs.map(({ name }) => name),
    outputs: graph.outputs,
    ...openVino,
    ...(threads === undefined ? {} : { threads }),
  });
}
