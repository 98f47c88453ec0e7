import { InferenceSession, Tensor } from "onnxruntime-node";
import { AlbertError } from "../../errors.ts";
import { sizeOf } from "../../model/tensor.ts";
import { nativeCall } from "../../platform/threads/native-calls.ts";
import type { OrtDevice } from "./ort.ts";

// A session for training on the thread that calls it. It knows no optimizer and no model.

/** A tensor that a session can read or fill: over memory of this process, or on a device. */
export type SessionTensor = Tensor;

/** A tensor over existing memory. Nothing is copied: a session reads, or writes, that memory. */
export function hostTensor(data: Float32Array | Int32Array, shape: readonly number[]): SessionTensor {
  return data instanceof Float32Array ? new Tensor("float32", data, shape) : new Tensor("int32", data, shape);
}

export interface TrainingSessionOptions {
  readonly device: OrtDevice;
  readonly threads?: number;
  /** Outputs that stay on the device (webgpu), to be fed back to the next run. */
  readonly deviceOutputs?: readonly string[];
  /**
   * Keep the memory of a run for the next one, which saves the system the work of handing it out again. Without it a session
   * holds nothing between runs. Default true.
   */
  readonly keepMemory?: boolean;
  /** Writes a profile with this file prefix, for measurements. */
  readonly profile?: string;
}

/**
 * A graph loaded for training on the thread that calls it. ONNX Runtime computes synchronously: while `run` works, this
 * thread does nothing else.
 */
export class TrainingSession {
  readonly #session: InferenceSession;

  private constructor(session: InferenceSession) {
    this.#session = session;
  }

  /** @throws AlbertError backend when the runtime refuses the graph or has no such device */
  static async open(model: Uint8Array, options: TrainingSessionOptions): Promise<TrainingSession> {
    const { device, threads, deviceOutputs = [], keepMemory = true, profile } = options;
    try {
      const settings: InferenceSession.SessionOptions = {
        executionProviders: device === "cpu" ? ["cpu"] : [device, "cpu"],
        graphOptimizationLevel: "all",
        enableCpuMemArena: keepMemory,
        // A plan of a run's memory is one more block as large as all that the first run took piece by piece.
        enableMemPattern: false,
        // Training graphs turn an operand beforehand where that is faster; these rewrites would undo it.
        extra: { optimization: { disable_specified_optimizers: "MatmulTransposeFusion;GemmTransposeFusion" } },
        // Every error also reaches the caller as an exception; the runtime need not print it as well.
        logSeverityLevel: 4,
        ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
        ...(deviceOutputs.length === 0
          ? {}
          : {
              preferredOutputLocation: Object.fromEntries(deviceOutputs.map((name) => [name, "gpu-buffer" as const])),
            }),
        ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
      };
      const session = await nativeCall(() => InferenceSession.create(model, settings));
      return new TrainingSession(session);
    } catch (cause) {
      throw backendFailure(`the ${device} device cannot run the training graph`, cause);
    }
  }

  /** Names the graph reads, in its order. */
  get inputNames(): readonly string[] {
    return this.#session.inputNames;
  }

  /**
   * Runs the graph once.
   *
   * @param outputs the outputs to compute: a tensor whose memory takes the values, or null to let the runtime allocate
   */
  async run(
    feeds: Readonly<Record<string, SessionTensor>>,
    outputs: Readonly<Record<string, SessionTensor | null>>,
  ): Promise<Readonly<Record<string, SessionTensor>>> {
    try {
      // The declared result type also allows sequences and maps, which no training graph has.
      return (await nativeCall(() => this.#session.run(feeds, outputs))) as Readonly<Record<string, SessionTensor>>;
    } catch (cause) {
      throw backendFailure("the runtime failed in a training step", cause);
    }
  }

  /** Frees the session. */
  async close(): Promise<void> {
    await nativeCall(() => this.#session.release());
  }

  /** Ends profiling and writes the file. */
  endProfiling(): void {
    this.#session.endProfiling();
  }
}

function backendFailure(message: string, cause: unknown): AlbertError {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new AlbertError("backend", `${message}: ${detail}`, { reason: "RUNTIME_REFUSED", cause });
}

/** A float32 tensor's values; must lie in this process's memory. */
export function floatValues(tensor: SessionTensor): Float32Array {
  const { data } = tensor;
  if (data instanceof Float32Array && data.length === sizeOf(tensor.dims)) return data;
  throw new AlbertError("internal", `expected float32 values, got ${tensor.type}`, { reason: "TENSOR_TYPE" });
}
