import { AlbertError } from "../../errors.ts";
import { nativeCall } from "../../platform/threads/native-calls.ts";
import type { ModelOutput } from "../session/model-files.ts";
import type { HostTensor, HostTensors } from "../session/ort.ts";
import { loadOpenVino, type OpenVinoLibrary, type Pointer } from "./c-library.ts";
import { findOpenVino } from "./find-library.ts";

// A model compiled by OpenVINO for a processor. It reads the same files as ONNX Runtime's sessions.

/** Where OpenVINO is and what it may write. */
export interface OpenVinoPlaces {
  /** Path of its C library; looked for unless given. */
  readonly library?: string;
  /** Where compiled models are kept for the next start; they are compiled anew unless given. */
  readonly cacheDirectory?: string;
}

export interface OpenVinoOptions extends OpenVinoPlaces {
  readonly device: "openvino";
  /** The outputs of the model, in its order: the library renames them. */
  readonly outputs: readonly ModelOutput[];
  /** Threads of the processor. */
  readonly threads: number;
  /** What matrix products are computed in; bf16 only where the processor has it. */
  readonly precision: "fp32" | "bf16" | "int8";
}

/** OpenVINO's name of the device. */
const DEVICE = "CPU";

/** What `OPTIMIZATION_CAPABILITIES` calls precisions, and settings that make the library compute in them. */
const PRECISIONS = {
  fp32: { capability: "FP32", settings: { INFERENCE_PRECISION_HINT: "f32" } },
  bf16: { capability: "BF16", settings: { INFERENCE_PRECISION_HINT: "bf16" } },
  // The input of a product with a rounded kernel is rounded too, with a scale for each so many values of a row.
  int8: { capability: "INT8", settings: { INFERENCE_PRECISION_HINT: "f32", DYNAMIC_QUANTIZATION_GROUP_SIZE: "32" } },
} as const;

interface Input {
  readonly name: string;
  /** The library's number of its element type, which differs between versions. */
  readonly type: number;
}

/** One compiled model. `run` blocks the calling thread for as long as the model takes. */
export class OpenVinoSession {
  readonly #library: OpenVinoLibrary;
  readonly #core: Pointer;
  readonly #compiled: Pointer;
  readonly #request: Pointer;
  readonly #inputs: readonly Input[];
  readonly #outputs: readonly ModelOutput[];

  private constructor(library: OpenVinoLibrary, core: Pointer, compiled: Pointer, outputs: readonly ModelOutput[]) {
    this.#library = library;
    this.#core = core;
    this.#compiled = compiled;
    this.#request = library.make("request", compiled);
    this.#inputs = inputsOf(library, compiled);
    this.#outputs = outputs;
  }

  /**
   * @param modelPath  of an ONNX model; its weights lie next to it
   * @throws AlbertError precondition (DEVICE_UNAVAILABLE, PRECISION_UNAVAILABLE) saying what to install or choose; backend
   *   (RUNTIME_REFUSED)
   */
  static async create(modelPath: string, options: OpenVinoOptions): Promise<OpenVinoSession> {
    const { library: path = findOpenVino(), threads, precision, cacheDirectory } = options;
    if (path === undefined) {
      throw new AlbertError("precondition", "OpenVINO is not on this machine: pip install openvino", {
        reason: "DEVICE_UNAVAILABLE",
      });
    }
    const library = await loadOpenVino(path);
    try {
      return await nativeCall(() => {
        const core = library.make("core");
        requirePrecision(library, core, precision);
        const model = library.make("model", core, modelPath, null);
        const compiled = library.make("compiled", core, model, DEVICE, {
          ...PRECISIONS[precision].settings,
          INFERENCE_NUM_THREADS: String(threads),
          NUM_STREAMS: "1",
          PERFORMANCE_HINT: "LATENCY",
          ...(cacheDirectory === undefined ? {} : { CACHE_DIR: cacheDirectory }),
        });
        library.free("model", model);
        return new OpenVinoSession(library, core, compiled, options.outputs);
      });
    } catch (cause) {
      throw refused("open the model", cause);
    }
  }

  /**
   * Runs the model once. Inputs are read where they lie, outputs are copied.
   *
   * @throws AlbertError backend (RUNTIME_REFUSED)
   */
  run(feeds: HostTensors): Promise<Record<string, HostTensor>> {
    return nativeCall(() => this.#run(feeds));
  }

  #run(feeds: HostTensors): Record<string, HostTensor> {
    const library = this.#library;
    const tensors: Pointer[] = [];
    try {
      for (const { name, type } of this.#inputs) {
        const feed = feeds[name];
        if (feed === undefined) throw new Error(`input ${name} is absent`);
        const tensor = library.hostTensor(type, feed.dims, memoryOf(feed));
        tensors.push(tensor);
        library.call("setTensor", this.#request, name, tensor);
      }
      library.call("infer", this.#request);
      return Object.fromEntries(this.#outputs.map((output) => [output.name, this.#output(output)]));
    } catch (cause) {
      throw refused("run the model", cause);
    } finally {
      for (const tensor of tensors) library.free("tensor", tensor);
    }
  }

  /** Frees the model's memory. */
  dispose(): Promise<void> {
    return nativeCall(() => {
      this.#library.free("request", this.#request);
      this.#library.free("compiled", this.#compiled);
      this.#library.free("core", this.#core);
    });
  }

  #output({ name, dtype }: ModelOutput): HostTensor {
    const tensor = this.#library.make("tensor", this.#request, name);
    try {
      const dims = this.#library.dims(tensor);
      const bytes = this.#library.bytes(tensor);
      return { dtype, dims, data: dtype === "int32" ? new Int32Array(bytes) : new Float32Array(bytes) };
    } finally {
      this.#library.free("tensor", tensor);
    }
  }
}

function inputsOf(library: OpenVinoLibrary, compiled: Pointer): Input[] {
  return Array.from({ length: library.size("inputs", compiled) }, (_, index) => {
    const port = library.make("input", compiled, index);
    const found = { name: library.text("portName", port), type: library.size("portType", port) };
    library.free("port", port);
    return found;
  });
}

/** Without this check the library would silently compute in another precision. */
function requirePrecision(library: OpenVinoLibrary, core: Pointer, precision: OpenVinoOptions["precision"]): void {
  const able = library.text("coreProperty", core, DEVICE, "OPTIMIZATION_CAPABILITIES");
  if (able.split(/\s+/).includes(PRECISIONS[precision].capability)) return;
  throw new AlbertError("precondition", `this processor does not compute in ${precision}; choose precision fp32`, {
    reason: "PRECISION_UNAVAILABLE",
  });
}

/** Memory that stays where it is: a small array may lie in the heap, until its buffer is asked for. */
function memoryOf({ data }: HostTensor): ArrayBuffer {
  if (data.byteLength === 0) return NOTHING;
  const { buffer, byteOffset, byteLength } = data;
  if (buffer instanceof ArrayBuffer && byteOffset === 0) return buffer;
  return new Uint8Array(buffer, byteOffset, byteLength).slice().buffer;
}

/** An address for tensors without values. */
const NOTHING = new ArrayBuffer(8);

function refused(what: string, cause: unknown): AlbertError {
  if (cause instanceof AlbertError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  return new AlbertError("backend", `OpenVINO could not ${what}: ${text}`, { reason: "RUNTIME_REFUSED", cause });
}
