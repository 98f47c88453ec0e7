import { open } from "node:fs/promises";
import type { ArrayTensor } from "../checkpoint/checkpoint-reader.ts";

// Writes safetensors files.

/** A tensor as a file holds it. Unsigned 16-bit numbers are the bits of halves ("F16"). */
export interface StoredTensor {
  readonly shape: readonly number[];
  readonly data: ArrayTensor["data"] | Uint16Array;
}

/**
 * Writes a safetensors file and flushes it to the disk. The same tensors give the same bytes, in whatever order they
 * come: as in the reference implementation, wider element types come first, then names in order.
 *
 * @param path  must not exist yet
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { header, ordered } = layOut(tensors, metadata);
  const handle = await open(path, "wx");
  try {
    await handle.writeFile(header);
    for (const [, { data }] of ordered) await handle.writeFile(bytesOf(data));
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** As `writeSafetensors`, in memory. */
export function serializeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const { header, ordered } = layOut(tensors, metadata);
  return Buffer.concat([header, ...ordered.map(([, { data }]) => bytesOf(data))]);
}

function layOut(tensors: ReadonlyMap<string, StoredTensor>, metadata: Readonly<Record<string, string>>) {
  const ordered = [...tensors].sort(
    ([nameA, a], [nameB, b]) =>
      b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT || (nameA < nameB ? -1 : nameA > nameB ? 1 : 0),
  );
  let offset = 0;
  const header: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) header["__metadata__"] = metadata;
  for (const [name, { shape, data }] of ordered) {
    header[name] = { dtype: dtypeOf(data), shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const json = Buffer.from(JSON.stringify(header), "utf8");
  const padded = Math.ceil(json.length / 8) * 8; // the data starts aligned, as the format asks
  const bytes = Buffer.alloc(8 + padded, " ");
  bytes.writeBigUInt64LE(BigInt(padded), 0);
  json.copy(bytes, 8);
  return { header: bytes, ordered };
}

function dtypeOf(data: StoredTensor["data"]): string {
  if (data instanceof Float32Array) return "F32";
  if (data instanceof Uint16Array) return "F16";
  if (data instanceof Int8Array) return "I8";
  return data instanceof Int32Array ? "I32" : "I64";
}

function bytesOf(data: StoredTensor["data"]): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
