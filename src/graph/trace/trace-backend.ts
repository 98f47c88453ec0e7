import {
  type BackendValues,
  type DataType,
  engine,
  getBackend,
  KernelBackend,
  type NamedAttrMap,
  type NamedTensorInfoMap,
  registerBackend,
  registerKernel,
  setBackend,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import { invariant } from "../../errors.ts";
import { LOWERINGS } from "./lowerings/table.ts";
import type { Recorder, TraceDevice, TracedType } from "./recorder.ts";

const BACKEND = "onnx-trace";

/**
 * A TensorFlow.js backend that computes nothing: each kernel records the ONNX operators it stands for. A tensor of this
 * backend has a name in the graph and no values, so any attempt to look at values while tracing fails instead of baking
 * them into the graph.
 */
class TraceBackend extends KernelBackend {
  recorder: Recorder | undefined;
  device: TraceDevice = "cpu";

  get recording(): Recorder {
    invariant(this.recorder !== undefined, "a tensor was made on the tracing backend while nothing is traced");
    return this.recorder;
  }

  override write(values: BackendValues | null, shape: number[], dtype: DataType): object {
    invariant(values !== null, "a tensor without values was made while tracing");
    const recorder = this.recording;
    const type = tracedType(dtype);
    return recorder.info(recorder.constant(type, shape, typedArray(values, type)), { shape, dtype: type }).dataId;
  }

  override readSync(): never {
    throw new Error("a value was read while tracing: feed it as an input instead, or its value would be baked in");
  }

  override async read(): Promise<never> {
    return this.readSync();
  }

  override disposeData(): boolean {
    return true;
  }
  override numDataIds(): number {
    return 0;
  }
  override refCount(): number {
    return 1;
  }
  override incRef(): void {}
  override floatPrecision(): 32 {
    return 32;
  }
  override epsilon(): number {
    return 1e-7;
  }
  override timerAvailable(): boolean {
    return false;
  }
  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }
}

let backend: TraceBackend | undefined;

/** Runs `build` with every TensorFlow.js operation recorded; afterwards the previous backend is current again. */
export function recordWith(recorder: Recorder, device: TraceDevice, build: () => void): void {
  const active = registered();
  invariant(active.recorder === undefined, "traces do not nest");
  const previous = getBackend();
  active.recorder = recorder;
  active.device = device;
  // Our factory is synchronous, so the switch has happened when the call returns; the promise is only for slower ones.
  void setBackend(BACKEND);
  try {
    engine().tidy(build);
  } finally {
    if (previous !== undefined && previous !== BACKEND) void setBackend(previous);
    active.recorder = undefined;
  }
}

function registered(): TraceBackend {
  if (backend !== undefined) return backend;
  const created = new TraceBackend();
  registerBackend(BACKEND, () => created, -1);
  for (const [kernelName, lower] of Object.entries(LOWERINGS)) {
    registerKernel({
      kernelName,
      backendName: BACKEND,
      kernelFunc: ({
        inputs,
        attrs,
      }: {
        inputs: NamedTensorInfoMap;
        attrs?: NamedAttrMap;
      }): TensorInfo | TensorInfo[] =>
        lower({ recorder: created.recording, device: created.device, inputs, attributes: attrs ?? {} }),
    });
  }
  backend = created;
  return created;
}

function tracedType(dtype: DataType): TracedType {
  invariant(dtype === "float32" || dtype === "int32" || dtype === "bool", `${dtype} tensors cannot be traced`);
  return dtype;
}

function typedArray(values: BackendValues, dtype: TracedType): Float32Array | Int32Array | Uint8Array {
  // Strings are excluded by tracedType: the remaining members are numeric arrays.
  const numbers = values as ArrayLike<number>;
  if (dtype === "float32") return Float32Array.from(numbers);
  return dtype === "int32" ? Int32Array.from(numbers) : Uint8Array.from(numbers);
}
