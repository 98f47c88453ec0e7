import * as ort from "onnxruntime-node";
import { AlbertError } from "../../errors.ts";
import type { OnnxData, OnnxType } from "../../graph/onnx/tensors.ts";
import { nativeCall } from "../../platform/threads/native-calls.ts";
import type { DeviceKind } from "../engine.ts";

// An ONNX Runtime session and its tensors. Only this file and `training-session.ts` import the runtime.

/** A tensor in this process's memory, ready to be fed to a session or handed to another thread. */
export interface HostTensor {
  readonly dtype: OnnxType;
  readonly dims: readonly number[];
  readonly data: OnnxData;
}

export type HostTensors = Readonly<Record<string, HostTensor>>;

/** A device that ONNX Runtime computes on. */
export type OrtDevice = Exclude<DeviceKind, "openvino">;

export interface SessionOptions {
  readonly device: OrtDevice;
  /** Threads inside one operator (CPU only); 0 lets the runtime decide. */
  readonly threads: number;
  /** WebGPU only: outputs that stay on the device, to be fed back by a later run without being copied. */
  readonly deviceOutputs?: readonly string[];
}

/** A value that lives on the device. Its holder must call `dispose`. */
export type DeviceTensor = ort.Tensor;

/**
 * One ONNX Runtime session. `run` blocks the calling thread for as long as the model takes, so serving and training keep
 * sessions on worker threads. This file and `training-session.ts`, which keeps its tensors between runs, are the program's
 * only doors to onnxruntime-node.
 */
export class OrtSession {
  readonly #session: ort.InferenceSession;

  private constructor(session: ort.InferenceSession) {
    this.#session = session;
  }

  /**
   * @param model  an encoded model, or the path of a model file (needed when its constants are in a file next to it)
   * @throws AlbertError backend when the runtime refuses the model or lacks the device
   */
  static async create(model: Uint8Array | string, options: SessionOptions): Promise<OrtSession> {
    const settings: ort.InferenceSession.SessionOptions = {
      executionProviders: options.device === "cpu" ? ["cpu"] : [options.device, "cpu"],
      intraOpNumThreads: options.threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: "all",
      // Batches differ in shape from run to run: a memory plan per shape would only collect.
      enableMemPattern: false,
      logSeverityLevel: 4,
    };
    if (options.deviceOutputs !== undefined) {
      settings.preferredOutputLocation = Object.fromEntries(options.deviceOutputs.map((name) => [name, "gpu-buffer"]));
    }
    // Every error also reaches the caller as an exception; the runtime need not print it as well.
    ort.env.logLevel = "fatal";
    try {
      // The two overloads of `create` differ only in how the model is given.
      const session =
        typeof model === "string"
          ? await nativeCall(() => ort.InferenceSession.create(model, settings))
          : await nativeCall(() => ort.InferenceSession.create(model, settings));
      return new OrtSession(session);
    } catch (cause) {
      throw refused("create a session", cause);
    }
  }

  get inputNames(): readonly string[] {
    return this.#session.inputNames;
  }

  get outputNames(): readonly string[] {
    return this.#session.outputNames;
  }

  /**
   * Runs the model once and brings every output to the host.
   *
   * @param into  outputs that are written into existing memory of the right size
   * @throws AlbertError backend
   */
  async run(feeds: HostTensors, into?: HostTensors): Promise<Record<string, HostTensor>> {
    const outputs = await this.#run(feeds, into);
    return Object.fromEntries(
      Object.entries(outputs).map(([name, value]) => [
        name,
        // Our graphs publish only types that `OnnxType` lists.
        { dtype: value.type as OnnxType, dims: value.dims, data: value.data as OnnxData },
      ]),
    );
  }

  /** Runs the model once, feeding and returning values on the device where they are (see `deviceOutputs`). */
  async runOnDevice(feeds: Readonly<Record<string, HostTensor | DeviceTensor>>): Promise<Record<string, DeviceTensor>> {
    return { ...(await this.#run(feeds)) };
  }

  /** Frees the session's memory. */
  async dispose(): Promise<void> {
    await nativeCall(() => this.#session.release());
  }

  async #run(
    feeds: Readonly<Record<string, HostTensor | DeviceTensor>>,
    into?: HostTensors,
  ): Promise<ort.InferenceSession.OnnxValueMapType> {
    try {
      if (into === undefined) return await nativeCall(() => this.#session.run(toOrt(feeds)));
      const names = Object.fromEntries(this.#session.outputNames.map((name) => [name, null]));
      return await nativeCall(() => this.#session.run(toOrt(feeds), { ...names, ...toOrt(into) }));
    } catch (cause) {
      throw refused("run the model", cause);
    }
  }
}

function toOrt(tensors: Readonly<Record<string, HostTensor | DeviceTensor>>): Record<string, ort.Tensor> {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, value]) => {
      if (!("dtype" in value)) return [name, value];
      // The constructor's overloads pair each element type with its array, as `HostTensor` does.
      return [name, new ort.Tensor(value.dtype as "float32", value.data as Float32Array, value.dims)];
    }),
  );
}

function refused(what: string, cause: unknown): AlbertError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new AlbertError("backend", `ONNX Runtime could not ${what}: ${text}`, { reason: "RUNTIME_REFUSED", cause });
}
