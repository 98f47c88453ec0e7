import { open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { ArrayTensor } from "../checkpoint/checkpoint-reader.ts";
import { maskedCrc32c } from "./crc32c.ts";
import { writeSortedTable } from "./sstable.ts";
import { shardPath } from "./tensor-bundle.ts";

/**
 * Writes a TensorFlow V2 checkpoint of one data file: `<prefix>.data-00000-of-00001`, `<prefix>.index`, and the text file
 * `checkpoint` next to them that names it as the latest. Tensors lie in the order of their names, as TensorFlow's own
 * saver leaves them, and the same tensors give the same bytes.
 *
 * @param prefix  path without extension, such as `DIR/model.ckpt-best`; none of the files may exist yet
 */
export async function writeTensorBundle(prefix: string, tensors: ReadonlyMap<string, ArrayTensor>): Promise<void> {
  const ordered = [...tensors].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const entries: [string, Uint8Array][] = [["", bundleHeader()]];
  let offset = 0;
  await writeNew(shardPath(prefix, 0, 1), function* () {
    for (const [name, tensor] of ordered) {
      const bytes = new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
      entries.push([name, bundleEntry(tensor, offset, maskedCrc32c(bytes))]);
      offset += bytes.length;
      yield bytes;
    }
  });
  await writeNew(`${prefix}.index`, function* () {
    yield writeSortedTable(entries);
  });
  await writeNew(join(dirname(prefix), "checkpoint"), function* () {
    const path = JSON.stringify(basename(prefix));
    yield Buffer.from(`model_checkpoint_path: ${path}\nall_model_checkpoint_paths: ${path}\n`, "utf8");
  });
}

async function writeNew(path: string, chunks: () => Iterable<Uint8Array>): Promise<void> {
  const handle = await open(path, "wx");
  try {
    for (const chunk of chunks()) await handle.writeFile(chunk);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** `BundleHeaderProto`: one shard, little-endian, written by producer version 1. */
function bundleHeader(): Uint8Array {
  const header = new BinaryWriter().tag(1, WireType.Varint).uint32(1);
  header.tag(3, WireType.LengthDelimited).fork().tag(1, WireType.Varint).uint32(1).join();
  return header.finish();
}

/** `BundleEntryProto` of a tensor in shard 0. Numbers that are zero are left out, as proto3 asks. */
function bundleEntry({ shape, data }: ArrayTensor, offset: number, crc: number): Uint8Array {
  const entry = new BinaryWriter();
  const number = (field: number, value: number) => {
    if (value !== 0) entry.tag(field, WireType.Varint).uint64(value);
  };
  number(1, data instanceof Float32Array ? 1 : data instanceof Int32Array ? 3 : 9);
  entry.tag(2, WireType.LengthDelimited).fork();
  for (const size of shape) {
    entry.tag(2, WireType.LengthDelimited).fork();
    number(1, size);
    entry.join();
  }
  entry.join();
  number(4, offset);
  number(5, data.byteLength);
  if (crc !== 0) entry.tag(6, WireType.Bit32).fixed32(crc);
  return entry.finish();
}
