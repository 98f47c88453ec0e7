import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { WireType } from "@bufbuild/protobuf/wire";
import { AlbertError, corrupt } from "../../errors.ts";
import { isSystemFault } from "../../platform/disk-space.ts";
import { type ProtobufField, protobufFields } from "../../platform/protobuf-fields.ts";
import {
  type ArrayTensor,
  type CheckpointEntry,
  type CheckpointReader,
  fromFloat64,
  toFloat32,
} from "../checkpoint/checkpoint-reader.ts";
import { sizeOf } from "../tensor.ts";
import { maskedCrc32c } from "./crc32c.ts";
import { withFile } from "./random-access-file.ts";
import { readSortedTable } from "./sstable.ts";

// Reads TensorFlow V2 checkpoints and verifies every checksum.

/** TensorFlow's number of an element type, with our name for it and its width. */
const DATA_TYPES: Readonly<Record<number, { readonly name: string; readonly bytes: number }>> = {
  1: { name: "float32", bytes: 4 },
  2: { name: "float64", bytes: 8 },
  3: { name: "int32", bytes: 4 },
  4: { name: "uint8", bytes: 1 },
  5: { name: "int16", bytes: 2 },
  6: { name: "int8", bytes: 1 },
  9: { name: "int64", bytes: 8 },
  10: { name: "bool", bytes: 1 },
  14: { name: "bfloat16", bytes: 2 },
  19: { name: "float16", bytes: 2 },
};

/** One tensor of the index: `BundleEntryProto`. */
interface BundleEntry extends CheckpointEntry {
  readonly shard: number;
  readonly offset: number;
  readonly size: number;
  readonly crc: number;
}

/** Name of a data file of a checkpoint: `<prefix>.data-00000-of-00001`. */
export function shardPath(prefix: string, shard: number, shards: number): string {
  const digits = (value: number) => String(value).padStart(5, "0");
  return `${prefix}.data-${digits(shard)}-of-${digits(shards)}`;
}

/**
 * Opens a TensorFlow V2 checkpoint. The whole index is verified now; the bytes of a tensor when it is read.
 *
 * @param prefix  path of the checkpoint without `.index` or `.data-...`
 * @throws AlbertError corrupt, naming the tensor or byte offset; unimplemented for partitioned tensors
 */
export async function openTensorBundle(prefix: string): Promise<CheckpointReader> {
  const name = basename(prefix);
  const indexName = `${name}.index`;
  const index = await readFile(`${prefix}.index`).catch((cause: unknown) => {
    if (isSystemFault(cause)) throw cause;
    throw new AlbertError("not-found", `${indexName} cannot be read`, { reason: "FILE_NOT_READABLE", cause });
  });
  const table = readSortedTable(index, indexName);
  const header = table.get("");
  if (header === undefined) throw corrupt(`${indexName} has no bundle header`);
  const shards = parseHeader(header, indexName);
  const entries = new Map<string, BundleEntry>();
  for (const [tensor, value] of table) {
    if (tensor !== "") entries.set(tensor, parseEntry(tensor, value, indexName, shards));
  }
  await checkShards(prefix, shards, entries);
  const entryOf = (tensor: string): BundleEntry => {
    const entry = entries.get(tensor);
    if (entry !== undefined) return entry;
    throw new AlbertError("not-found", `${name} has no tensor ${tensor}`, { reason: "TENSOR_MISSING" });
  };
  const bytesOf = (tensor: string) => {
    const entry = entryOf(tensor);
    return readVerified(shardPath(prefix, entry.shard, shards), tensor, entry);
  };
  return {
    name,
    entries,
    read: async (tensor) => decode(`${name}: tensor ${tensor}`, entryOf(tensor), await bytesOf(tensor)),
    verify: async (tensor) => void (await bytesOf(tensor)),
  };
}

function parseHeader(bytes: Uint8Array, indexName: string): number {
  const fields = [...protobufFields(bytes, `${indexName}: bundle header`)];
  const shards = numberField(fields, 1);
  const endianness = numberField(fields, 2);
  if (endianness !== 0) {
    throw new AlbertError("unimplemented", `${indexName}: big-endian checkpoints cannot be read`, {
      reason: "CHECKPOINT_BIG_ENDIAN",
    });
  }
  if (shards < 1) throw corrupt(`${indexName}: the header counts ${shards} data files`);
  return shards;
}

function parseEntry(tensor: string, bytes: Uint8Array, indexName: string, shards: number): BundleEntry {
  const where = `${indexName}: tensor ${tensor}`;
  const fields = [...protobufFields(bytes, where)];
  if (fields.some((field) => field.number === 7)) {
    throw new AlbertError(
      "unimplemented",
      `${where} is partitioned into slices; save the checkpoint with whole variables first`,
      { reason: "CHECKPOINT_PARTITIONED" },
    );
  }
  const type = numberField(fields, 1);
  const dtype = DATA_TYPES[type];
  const shapeProto = fields.find((field) => field.number === 2);
  const shape = shapeProto === undefined ? [] : parseShape(shapeProto.bytes, where);
  const size = numberField(fields, 5);
  if (dtype !== undefined && size !== sizeOf(shape) * dtype.bytes) {
    throw corrupt(
      `${where}: shape [${shape}] of ${dtype.name} needs ${sizeOf(shape) * dtype.bytes} bytes, not ${size}`,
    );
  }
  const shard = numberField(fields, 3);
  if (shard >= shards) throw corrupt(`${where} is in data file ${shard}, but there are ${shards}`);
  return {
    dtype: dtype?.name ?? `type ${type}`,
    shape,
    shard,
    offset: numberField(fields, 4),
    size,
    crc: numberField(fields, 6),
  };
}

/** `TensorShapeProto`: a repeated dimension (field 2), each with its size (field 1). */
function parseShape(bytes: Uint8Array, where: string): number[] {
  return [...protobufFields(bytes, where)]
    .filter((field) => field.number === 2)
    .map((field) => {
      const size =
        field.wireType === WireType.LengthDelimited ? numberField([...protobufFields(field.bytes, where)], 1) : -1;
      if (!Number.isSafeInteger(size) || size < 0) throw corrupt(`${where} has an unreadable shape`);
      return size;
    });
}

/** Every data file must be there and hold every byte that the index points to. */
async function checkShards(prefix: string, shards: number, entries: ReadonlyMap<string, BundleEntry>): Promise<void> {
  for (let shard = 0; shard < shards; shard++) {
    const inShard = [...entries].filter(([, entry]) => entry.shard === shard);
    if (inShard.length === 0) continue;
    await withFile(shardPath(prefix, shard, shards), async ({ name, size }) => {
      for (const [tensor, entry] of inShard) {
        if (entry.offset + entry.size > size) {
          throw corrupt(
            `${name} has ${size} bytes, but tensor ${tensor} lies at ${entry.offset} to ${entry.offset + entry.size}`,
          );
        }
      }
    });
  }
}

/** The bytes of one tensor, which fit their checksum. */
async function readVerified(path: string, tensor: string, entry: BundleEntry): Promise<Uint8Array<ArrayBuffer>> {
  return withFile(path, async (source) => {
    const bytes = new Uint8Array(entry.size);
    await source.read(bytes, entry.offset);
    if (maskedCrc32c(bytes) !== entry.crc) {
      throw corrupt(
        `${source.name}: the checksum of tensor ${tensor} does not match its bytes ${entry.offset} to ${entry.offset + entry.size}`,
      );
    }
    return bytes;
  });
}

function decode(where: string, { shape, dtype }: BundleEntry, bytes: Uint8Array<ArrayBuffer>): ArrayTensor {
  switch (dtype) {
    case "float32":
      return { shape, data: new Float32Array(bytes.buffer) };
    case "float64":
      return { shape, ...fromFloat64(new Float64Array(bytes.buffer)) };
    case "float16":
      return { shape, data: toFloat32(new Uint16Array(bytes.buffer), "F16") };
    case "bfloat16":
      return { shape, data: toFloat32(new Uint16Array(bytes.buffer), "BF16") };
    case "int32":
      return { shape, data: new Int32Array(bytes.buffer) };
    case "int64":
      return { shape, data: new BigInt64Array(bytes.buffer) };
    default:
      throw corrupt(
        `${where} holds ${dtype}; float32, float16, bfloat16, float64, int32 and int64 can be read; save the weights as float32`,
      );
  }
}

/** A number, or proto3's default of zero for a field that is absent. */
function numberField(fields: readonly ProtobufField[], number: number): number {
  return fields.find((field) => field.number === number)?.value ?? 0;
}
