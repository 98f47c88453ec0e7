import { AlbertError } from "../../errors.ts";
import { type Koffi, loadKoffi } from "../../platform/native/koffi.ts";

// OpenVINO's C library as functions of this program: the only file that knows its names.

/** An address in the library's memory. */
export type Pointer = unknown;

/** The functions of the library, each of which returns a status. Out-parameters are arrays of one. */
export interface OpenVinoLibrary {
  /** Such as `2026.4.0-21344-abc`. */
  readonly version: string;
  call(name: CallName, ...args: unknown[]): void;
  /** Calls one of the functions that give an address back. @returns the address */
  make(name: MakeName, ...args: unknown[]): Pointer;
  /** Frees an object. */
  free(name: FreeName, pointer: Pointer): void;
  /** A text that the library made, which is freed. */
  text(name: TextName, ...args: unknown[]): string;
  size(name: SizeName, ...args: unknown[]): number;
  /** A tensor over memory of this process, which must stay where it is until the tensor is freed. */
  hostTensor(elementType: number, dims: readonly number[], memory: ArrayBuffer): Pointer;
  dims(tensor: Pointer): number[];
  /** A copy of what a tensor holds. */
  bytes(tensor: Pointer): ArrayBuffer;
}

const STATUS_CALLS = {
  setTensor: "int ov_infer_request_set_tensor(void *request, const char *name, void *tensor)",
  infer: "int ov_infer_request_infer(void *request)",
} as const;
type CallName = keyof typeof STATUS_CALLS;

const MAKERS = {
  core: "int ov_core_create(_Out_ void **core)",
  model: "int ov_core_read_model(void *core, const char *path, const char *weights, _Out_ void **model)",
  modelFromMemory:
    "int ov_core_read_model_from_memory_buffer(void *core, const void *bytes, size_t length, void *weights, _Out_ void **model)",
  request: "int ov_compiled_model_create_infer_request(void *compiled, _Out_ void **request)",
  tensor: "int ov_infer_request_get_tensor(void *request, const char *name, _Out_ void **tensor)",
  input: "int ov_compiled_model_input_by_index(void *compiled, size_t index, _Out_ void **port)",
} as const;
type MakeName = keyof typeof MAKERS | "compiled";

const FREERS = {
  core: "void ov_core_free(void *core)",
  model: "void ov_model_free(void *model)",
  compiled: "void ov_compiled_model_free(void *compiled)",
  request: "void ov_infer_request_free(void *request)",
  tensor: "void ov_tensor_free(void *tensor)",
  port: "void ov_output_const_port_free(void *port)",
} as const;
type FreeName = keyof typeof FREERS;

const TEXTS = {
  portName: "int ov_port_get_any_name(void *port, _Out_ void **name)",
  coreProperty: "int ov_core_get_property(void *core, const char *device, const char *key, _Out_ void **value)",
} as const;
type TextName = keyof typeof TEXTS;

const SIZES = {
  inputs: "int ov_compiled_model_inputs_size(void *compiled, _Out_ size_t *size)",
  tensorType: "int ov_tensor_get_element_type(void *tensor, _Out_ int *type)",
  tensorBytes: "int ov_tensor_get_byte_size(void *tensor, _Out_ size_t *size)",
} as const;
type SizeName = keyof typeof SIZES;

/** The first version that was tried. */
const OLDEST = 2025;

/**
 * Loads the library. Its functions may be called from the thread that loaded it.
 *
 * @throws AlbertError precondition (DEVICE_UNAVAILABLE) when the package `koffi` is absent, the file is no such library, or
 *   too old
 */
export async function loadOpenVino(path: string): Promise<OpenVinoLibrary> {
  const koffi = await koffiOrAdvice();
  try {
    return bind(koffi, path);
  } catch (cause) {
    if (cause instanceof AlbertError) throw cause;
    throw unavailable(`${path} cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
}

async function koffiOrAdvice(): Promise<Koffi> {
  try {
    return await loadKoffi();
  } catch (cause) {
    throw unavailable("the optional npm package koffi, which calls it, is not installed: npm install koffi", cause);
  }
}

function bind(koffi: Koffi, path: string): OpenVinoLibrary {
  const library = koffi.load(path);
  const shapeType = koffi.struct({ rank: "int64", dims: "int64 *" });
  const versionType = koffi.struct({ build: "const char *", description: "const char *" });
  const functions = (signatures: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(signatures).map(([name, signature]) => [name, library.func(signature)]));
  const [statusCalls, makers, freers, texts, sizes] = [STATUS_CALLS, MAKERS, FREERS, TEXTS, SIZES].map(functions);
  const lastError = library.func("const char *ov_get_last_err_msg()");
  const compile = library.func(
    "int ov_core_compile_model(void *core, void *model, const char *device, size_t n, _Out_ void **out, ...)",
  );
  const readVersion = library.func("ov_get_openvino_version", "int", [koffi.out(koffi.pointer(versionType))]);
  const makeShape = library.func("ov_shape_create", "int", ["int64", "int64 *", koffi.out(koffi.pointer(shapeType))]);
  const freeShape = library.func("ov_shape_free", "int", [koffi.pointer(shapeType)]);
  const overHost = library.func("ov_tensor_create_from_host_ptr", "int", [
    ...["int", shapeType, "void *"],
    koffi.out(koffi.pointer("void *")),
  ]);
  const shapeOf = library.func("ov_tensor_get_shape", "int", ["void *", koffi.out(koffi.pointer(shapeType))]);
  const dataOf = library.func("int ov_tensor_data(void *tensor, _Out_ void **data)");
  const freeText = library.func("void ov_free(void *text)");
  const check = (status: number, what: string) => {
    if (status !== 0) throw new Error(`${what}: ${lastError() ?? `status ${status}`}`);
  };
  const versions: { build: string; description: string } = { build: "", description: "" };
  check(readVersion(versions), "asking for the version");
  const version = versions.build;
  if (!(Number.parseInt(version, 10) >= OLDEST)) {
    throw unavailable(`${path} is of version ${version}; ${OLDEST} or later is needed`);
  }
  const make = (name: MakeName, ...args: unknown[]) => {
    const out: [Pointer] = [null];
    if (name === "compiled") {
      const [core, model, device, properties] = args as [Pointer, Pointer, string, Readonly<Record<string, string>>];
      const pairs = Object.entries(properties).flat();
      const typed = pairs.flatMap((text) => ["const char *", text]);
      check(compile(core, model, device, pairs.length, out, ...typed), "compiling the model");
    } else {
      check(makers![name]!(...args, out), name);
    }
    return out[0];
  };
  const sizeOf = (name: SizeName, ...args: unknown[]) => {
    const out: [number] = [0];
    check(sizes![name]!(...args, out), name);
    return Number(out[0]);
  };
  return {
    version,
    call: (name, ...args) => check(statusCalls![name]!(...args), name),
    make,
    free: (name, pointer) => void freers![name]!(pointer),
    text: (name, ...args) => {
      const out: [Pointer] = [null];
      check(texts![name]!(...args, out), name);
      const text: string = koffi.decode(out[0], "char", -1);
      freeText(out[0]);
      return text;
    },
    size: sizeOf,
    hostTensor: (elementType, dims, memory) => {
      const shape = { rank: 0, dims: null };
      // A shape without dimensions, a scalar's, is one already; the library refuses to make it.
      if (dims.length > 0) check(makeShape(dims.length, BigInt64Array.from(dims, BigInt), shape), "making a shape");
      const out: [Pointer] = [null];
      check(overHost(elementType, shape, memory, out), "making a tensor");
      if (dims.length > 0) freeShape(shape);
      return out[0];
    },
    dims: (tensor) => {
      const shape: { rank: number | bigint; dims: Pointer } = { rank: 0, dims: null };
      check(shapeOf(tensor, shape), "reading a shape");
      const rank = Number(shape.rank);
      const dims = rank === 0 ? [] : Array.from(koffi.decode(shape.dims, "int64", rank) as ArrayLike<bigint>, Number);
      freeShape(shape);
      return dims;
    },
    bytes: (tensor) => {
      const length = sizeOf("tensorBytes", tensor);
      if (length === 0) return new ArrayBuffer(0);
      const out: [Pointer] = [null];
      check(dataOf(tensor, out), "reading a tensor");
      return koffi.view(out[0], length).slice(0);
    },
  };
}

function unavailable(message: string, cause?: unknown): AlbertError {
  return new AlbertError("precondition", `OpenVINO is not usable: ${message}`, { reason: "DEVICE_UNAVAILABLE", cause });
}
