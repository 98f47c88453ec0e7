import type { Tensor } from "./tensor.ts";

// Elements of tensors as bytes: little-endian numbers, booleans of one byte, texts with their length before them.

const LENGTH_BYTES = 4;

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text of UTF-8 with every character kept; undefined when the bytes are none. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/**
 * The elements of a BYTES tensor, each of which stands after its length.
 *
 * @returns what is wrong, where one goes beyond the end or there are more than `most`
 */
export function splitElements(bytes: Uint8Array, most: number): Uint8Array[] | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const elements: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const start = at + LENGTH_BYTES;
    if (start <= bytes.length) at = start + view.getUint32(start - LENGTH_BYTES, true);
    if (start > bytes.length || at > bytes.length) {
      return `must hold each element after its length in ${LENGTH_BYTES} bytes; one goes beyond the end`;
    }
    if (elements.length === most) return `must hold at most ${most} elements, got more`;
    elements.push(bytes.subarray(start, at));
  }
  return elements;
}

/** A tensor's elements as bytes. */
export function writeRaw({ datatype, data }: Tensor): Uint8Array {
  switch (datatype) {
    case "BYTES":
      return Buffer.concat(data.map((text) => lengthPrefixed(String(text))));
    case "BOOL":
      return Uint8Array.from(data, Number);
    case "FP32":
      return numbers(data, (view, at, value) => view.setFloat32(at, value, true));
    case "INT32":
      return numbers(data, (view, at, value) => view.setInt32(at, value, true));
  }
}

function lengthPrefixed(text: string): Buffer {
  const bytes = Buffer.from(text, "utf8");
  const prefix = Buffer.alloc(LENGTH_BYTES);
  prefix.writeUInt32LE(bytes.length);
  return Buffer.concat([prefix, bytes]);
}

function numbers(data: Tensor["data"], write: (view: DataView, at: number, value: number) => void): Uint8Array {
  const bytes = new Uint8Array(data.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of data.entries()) write(view, i * 4, Number(value));
  return bytes;
}
