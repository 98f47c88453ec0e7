import { open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { ArrayTensor } from "../checkpoint/checkpoint-reader.ts";
import { maskedCrc32c } from "./crc32c.ts";
import { writeSortedTable } from "./sstable.ts";
import { shardPath } from "./tensor-bundle.ts";
import { pushBytesField, pushFixed32Field, pushVarintField } from "./wire-format.ts";

/**
 * Writes a TensorFlow V2 checkpoint of one data file: `<prefix>.data-00000-of-00001`, `<prefix>.index`, and the text file
 * `checkpoint` beside them that names it as the latest. Tensors lie in the order of their names, as TensorFlow's own
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
  const version: number[] = [];
  pushVarintField(version, 1, 1);
  const header: number[] = [];
  pushVarintField(header, 1, 1);
  pushBytesField(header, 3, version);
  return Uint8Array.from(header);
}

/** `BundleEntryProto` of a tensor in shard 0. */
function bundleEntry({ shape, data }: ArrayTensor, offset: number, crc: number): Uint8Array {
  const shapeProto: number[] = [];
  for (const size of shape) {
    const dimension: number[] = [];
    pushVarintField(dimension, 1, size);
    pushBytesField(shapeProto, 2, dimension);
  }
  const entry: number[] = [];
  pushVarintField(entry, 1, data instanceof Float32Array ? 1 : data instanceof Int32Array ? 3 : 9);
  pushBytesField(entry, 2, shapeProto);
  pushVarintField(entry, 4, offset);
  pushVarintField(entry, 5, data.byteLength);
  pushFixed32Field(entry, 6, crc);
  return Uint8Array.from(entry);
}
