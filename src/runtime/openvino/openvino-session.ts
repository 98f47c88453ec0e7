import { AlbertError, invariant } from "../../errors.ts";
import { nativeCall } from "../../platform/threads/native-calls.ts";
import type { ModelOutput } from "../session/model-files.ts";
import type { HostTensor, HostTensors } from "../session/ort.ts";
import { loadOpenVino, type OpenVinoLibrary, type Pointer } from "./c-library.ts";
import { findOpenVino } from "./find-library.ts";

// A model compiled by OpenVINO for a processor. It reads the same models as ONNX Runtime's sessions.

/** Where OpenVINO is and what it may write. */
export interface OpenVinoPlaces {
  /** Path of its C library; looked for unless given. */
  readonly library?: string;
  /** Where compiled models are kept for the next start; they are compiled anew unless given. */
  readonly cacheDirectory?: string;
}

export interface OpenVinoOptions extends OpenVinoPlaces {
  readonly device: "openvino";
  /** Names of the model's inputs, of which the library may know some by several; asked of the library unless given. */
  readonly inputs?: readonly string[];
  /** The outputs of the model, in its order: the library renames them. */
  readonly outputs: readonly ModelOutput[];
  /** Threads of the processor; as many as the library finds fit unless given. */
  readonly threads?: number;
  /**
   * What matrix products are computed in; bf16 only where the processor has it. `bf16-products`: the graph itself says which
   * products, and everything else is float32.
   */
  readonly precision: "fp32" | "bf16" | "bf16-products" | "int8";
}

/** OpenVINO's name of the device. */
const DEVICE = "CPU";

/** What `OPTIMIZATION_CAPABILITIES` calls precisions, and settings that make the library compute in them. */
const PRECISIONS = {
  fp32: { capability: "FP32", settings: { INFERENCE_PRECISION_HINT: "f32" } },
  bf16: { capability: "BF16", settings: { INFERENCE_PRECISION_HINT: "bf16" } },
  "bf16-products": { capability: "BF16", settings: { INFERENCE_PRECISION_HINT: "f32" } },
  // The input of a product with a rounded kernel is rounded too, with a scale for each so many values of a row.
  int8: { capability: "INT8", settings: { INFERENCE_PRECISION_HINT: "f32", DYNAMIC_QUANTIZATION_GROUP_SIZE: "32" } },
} as const;

/** One compiled model. `run` blocks the calling thread for as long as the model takes. */
export class OpenVinoSession {
  readonly #library: OpenVinoLibrary;
  readonly #core: Pointer;
  readonly #compiled: Pointer;
  readonly #request: Pointer;
  readonly #inputs: readonly string[];
  readonly #outputs: readonly ModelOutput[];
  /** The library's numbers of element types, which differ between versions, by input and output. */
  readonly #types = new Map<string, number>();

  private constructor(
    library: OpenVinoLibrary,
    core: Pointer,
    compiled: Pointer,
    { inputs = inputsOf(library, compiled), outputs }: OpenVinoOptions,
  ) {
    this.#library = library;
    this.#core = core;
    this.#compiled = compiled;
    this.#request = library.make("request", compiled);
    this.#inputs = inputs;
    this.#outputs = outputs;
  }

  /**
   * @param model  an encoded ONNX model, or the path of one whose weights lie next to it
   * @throws AlbertError precondition (DEVICE_UNAVAILABLE, PRECISION_UNAVAILABLE) saying what to install or choose; backend
   *   (RUNTIME_REFUSED)
   */
  static async create(model: Uint8Array | string, options: OpenVinoOptions): Promise<OpenVinoSession> {
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
        const read =
          typeof model === "string"
            ? library.make("model", core, model, null)
            : library.make("modelFromMemory", core, model, model.length, null);
        const compiled = library.make("compiled", core, read, DEVICE, {
          ...PRECISIONS[precision].settings,
          ...(threads === undefined ? {} : { INFERENCE_NUM_THREADS: String(threads) }),
          NUM_STREAMS: "1",
          PERFORMANCE_HINT: "LATENCY",
          ...(cacheDirectory === undefined ? {} : { CACHE_DIR: cacheDirectory }),
        });
        library.free("model", read);
        return new OpenVinoSession(library, core, compiled, options);
      });
    } catch (cause) {
      throw refused("open the model", cause);
    }
  }

  /**
   * Runs the model once. Inputs are read where they lie.
   *
   * @param into  outputs that are written into existing memory of the right size, whole buffers; the others are copied
   * @throws AlbertError backend (RUNTIME_REFUSED)
   */
  run(feeds: HostTensors, into: HostTensors = {}): Promise<Record<string, HostTensor>> {
    return nativeCall(() => this.#run(feeds, into));
  }

  #run(feeds: HostTensors, into: HostTensors): Record<string, HostTensor> {
    const library = this.#library;
    const tensors: Pointer[] = [];
    const set = (name: string, dims: readonly number[], memory: ArrayBuffer) => {
      const tensor = library.hostTensor(this.#typeOf(name), dims, memory);
      tensors.push(tensor);
      library.call("setTensor", this.#request, name, tensor);
    };
    try {
      for (const name of this.#inputs) {
        const feed = feeds[name];
        if (feed === undefined) throw new Error(`input ${name} is absent`);
        set(name, feed.dims, memoryOf(feed));
      }
      for (const [name, { dims, data }] of Object.entries(into)) {
        invariant(data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength, "a whole buffer");
        set(name, dims, data.buffer);
      }
      library.call("infer", this.#request);
      return Object.fromEntries(
        this.#outputs.map((output) => [output.name, into[output.name] ?? this.#output(output)]),
      );
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

  #typeOf(name: string): number {
    const known = this.#types.get(name);
    if (known !== undefined) return known;
    const tensor = this.#library.make("tensor", this.#request, name);
    const type = this.#library.size("tensorType", tensor);
    this.#library.free("tensor", tensor);
    this.#types.set(name, type);
    return type;
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

function inputsOf(library: OpenVinoLibrary, compiled: Pointer): string[] {
  return Array.from({ length: library.size("inputs", compiled) }, (_, index) => {
    const port = library.make("input", compiled, index);
    const name = library.text("portName", port);
    library.free("port", port);
    return name;
  });
}

/** Without this check the library would silently compute in another precision. */
function requirePrecision(library: OpenVinoLibrary, core: Pointer, precision: OpenVinoOptions["precision"]): void {
  const able = library.text("coreProperty", core, DEVICE, "OPTIMIZATION_CAPABILITIES");
  const { capability } = PRECISIONS[precision];
  if (able.split(/\s+/).includes(capability)) return;
  const message = `this processor does not compute in ${capability.toLowerCase()}; choose precision fp32`;
  throw new AlbertError("precondition", message, {
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
