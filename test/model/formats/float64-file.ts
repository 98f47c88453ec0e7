import type { Safetensors } from "../../../src/model/formats/safetensors.ts";

/** A safetensors file with every float tensor as F64. `fill` gives all values of a tensor anew. */
export function float64File({ tensors }: Safetensors, fill: Record<string, number> = {}): Uint8Array {
  const header: Record<string, unknown> = {};
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const [name, { shape, data }] of tensors) {
    const wide = Float64Array.from(data as Float32Array, (value) => fill[name] ?? value);
    header[name] = { dtype: "F64", shape, data_offsets: [at, at + wide.byteLength] };
    parts.push(new Uint8Array(wide.buffer));
    at += wide.byteLength;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, ...parts]);
}
