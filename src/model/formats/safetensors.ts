import { AlbertError, corrupt } from "../../errors.ts";
import { fileKindOf, KIND_BYTES } from "../../platform/file-kind.ts";
import {
  type ArrayTensor,
  type CheckpointEntry,
  type CheckpointReader,
  fromFloat64,
  toFloat32,
} from "../checkpoint/checkpoint-reader.ts";
import { sizeOf } from "../tensor.ts";
import { type ByteSource, bytesSource, withFile } from "./random-access-file.ts";
import { withScaledInt8 } from "./scaled-int8.ts";

// Reads safetensors files and refuses any header that does not describe the file exactly.

/** Every element type of the format, and its width in bytes. Types not listed are refused. */
const ELEMENT_BYTES: Readonly<Record<string, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
};

/** The reference implementation's own bound on the header. */
const MAX_HEADER_BYTES = 100_000_000;

/** An open safetensors file: its header has been checked, its tensors are read on demand. */
export interface SafetensorsReader extends CheckpointReader {
  /** The free `__metadata__` strings. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A whole safetensors file in memory. */
export interface Safetensors {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, ArrayTensor>;
}

/** Reads a whole file. F16 and BF16 widen to float32, F64 narrows to it; see `openSafetensors` for what is checked. */
export async function readSafetensors(path: string): Promise<Safetensors> {
  return withFile(path, readAll);
}

/** As `readSafetensors`, from memory. `name` is what error messages call it. */
export async function parseSafetensors(bytes: Uint8Array, name = "safetensors"): Promise<Safetensors> {
  return readAll(bytesSource(name, bytes));
}

async function readAll(source: ByteSource): Promise<Safetensors> {
  const reader = await openSafetensors(source);
  const tensors = new Map<string, ArrayTensor>();
  for (const name of reader.entries.keys()) tensors.set(name, await reader.read(name));
  return { metadata: reader.metadata, tensors };
}

/**
 * Checks a file's header: its length, its JSON, every tensor's type, shape and byte range, and that the ranges cover the
 * rest of the file exactly, without gap or overlap. Matrices stored as int8 with scales read as what they stand for.
 *
 * @throws AlbertError corrupt, naming the tensor or the byte offset that is wrong
 */
export async function openSafetensors(source: ByteSource): Promise<SafetensorsReader> {
  return withScaledInt8(await openStoredSafetensors(source));
}

/** As `openSafetensors`, with every tensor as it is stored: of a file whose scales may lie in another one. */
export async function openStoredSafetensors(source: ByteSource): Promise<SafetensorsReader> {
  const bad = (message: string, cause?: unknown) => corrupt(`${source.name}: ${message}`, { cause });
  if (source.size < 8) throw bad(`a safetensors file starts with an 8-byte header length; got ${source.size} bytes`);
  const prefix = new Uint8Array(8);
  await source.read(prefix, 0);
  const declared = new DataView(prefix.buffer).getBigUint64(0, true);
  const head = new Uint8Array(Math.min(KIND_BYTES, source.size));
  await source.read(head, 0);
  const kind = fileKindOf(head);
  if (kind !== undefined) throw bad(`it is ${kind.what}, not safetensors: ${kind.advice}`);
  if (declared > BigInt(MAX_HEADER_BYTES) || declared > BigInt(source.size - 8)) {
    throw bad(`the header claims ${declared} bytes at offset 8, but the file has ${source.size}`);
  }
  const headerBytes = new Uint8Array(Number(declared));
  await source.read(headerBytes, 8);
  const { metadata, ranges } = parseHeader(headerBytes, bad);
  const dataStart = 8 + headerBytes.length;
  let end = 0;
  for (const [name, range] of [...ranges].sort((a, b) => a[1].begin - b[1].begin || a[1].end - b[1].end)) {
    if (range.begin !== end) {
      const what = range.begin < end ? "overlaps the tensor before it" : `leaves ${range.begin - end} bytes unused`;
      throw bad(`tensor ${name} starts at data offset ${range.begin}, which ${what}`);
    }
    end = range.end;
  }
  if (dataStart + end !== source.size) {
    throw bad(`tensors end at byte ${dataStart + end}, but the file has ${source.size} bytes`);
  }
  return {
    name: source.name,
    metadata,
    entries: new Map([...ranges].map(([name, { dtype, shape }]) => [name, { dtype, shape }])),
    async read(name) {
      const range = ranges.get(name);
      if (range === undefined) {
        throw new AlbertError("not-found", `${source.name} has no tensor ${name}`, { reason: "TENSOR_MISSING" });
      }
      const bytes = new Uint8Array(range.end - range.begin);
      await source.read(bytes, dataStart + range.begin);
      return decode(name, range, bytes, bad);
    },
  };
}

interface Range extends CheckpointEntry {
  readonly begin: number;
  readonly end: number;
}

type Bad = (message: string, cause?: unknown) => AlbertError;

function parseHeader(bytes: Uint8Array, bad: Bad): { metadata: Record<string, string>; ranges: Map<string, Range> } {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw bad("the header at offset 8 is not JSON", cause);
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) {
    throw bad("the header at offset 8 is not a JSON object");
  }
  const metadata: Record<string, string> = {};
  const ranges = new Map<string, Range>();
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") {
      if (typeof value !== "object" || value === null) throw bad("__metadata__ is not an object");
      for (const [key, text] of Object.entries(value)) {
        if (typeof text !== "string") throw bad(`__metadata__.${key} is not a string`);
        metadata[key] = text;
      }
    } else {
      ranges.set(name, parseRange(name, value, bad));
    }
  }
  return { metadata, ranges };
}

function parseRange(name: string, value: unknown, bad: Bad): Range {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  const elementBytes =
    typeof dtype === "string" && Object.hasOwn(ELEMENT_BYTES, dtype) ? ELEMENT_BYTES[dtype] : undefined;
  if (typeof dtype !== "string" || elementBytes === undefined) {
    throw bad(
      `tensor ${name} has element type ${JSON.stringify(dtype)}; known are ${Object.keys(ELEMENT_BYTES).join(", ")}; save the weights as F32, F16 or BF16`,
    );
  }
  if (!isNaturalArray(shape)) throw bad(`tensor ${name} has shape ${JSON.stringify(shape)}`);
  if (!isNaturalArray(offsets) || offsets.length !== 2) {
    throw bad(`tensor ${name} has data_offsets ${JSON.stringify(offsets)}`);
  }
  const [begin, end] = offsets as [number, number]; // two entries, checked above
  const needed = sizeOf(shape) * elementBytes;
  if (end - begin !== needed) {
    throw bad(
      `tensor ${name} of shape [${shape}] and type ${dtype} needs ${needed} bytes; its offsets [${begin}, ${end}] hold ${end - begin}`,
    );
  }
  return { dtype, shape, begin, end };
}

function isNaturalArray(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function decode(name: string, { dtype, shape }: Range, bytes: Uint8Array, bad: Bad): ArrayTensor {
  const size = sizeOf(shape);
  switch (dtype) {
    case "F32":
      return { shape, data: new Float32Array(bytes.buffer, 0, size) };
    case "F64":
      return { shape, ...fromFloat64(new Float64Array(bytes.buffer, 0, size)) };
    case "F16":
    case "BF16":
      return { shape, data: toFloat32(new Uint16Array(bytes.buffer, 0, size), dtype) };
    case "I8":
      return { shape, data: new Int8Array(bytes.buffer, 0, size) };
    case "I32":
      return { shape, data: new Int32Array(bytes.buffer, 0, size) };
    case "I64":
      return { shape, data: new BigInt64Array(bytes.buffer, 0, size) };
    default:
      throw bad(
        `tensor ${name} has element type ${dtype}; F32, F16, BF16, F64, I8, I32 and I64 can be read; save the weights as F32, F16 or BF16`,
      );
  }
}
