import { corrupt } from "../../errors.ts";
import { protobufFields } from "../../tokenizer/sentencepiece/protobuf-reader.ts";

/** The values of one feature of a `tf.train.Example`. */
export type FeatureValues =
  | { readonly kind: "int64"; readonly values: readonly number[] }
  | { readonly kind: "float"; readonly values: readonly number[] }
  | { readonly kind: "bytes"; readonly values: readonly Uint8Array[] };

/** A `tf.train.Example`: named features. The order of the map is the order of serialisation. */
export type Example = ReadonlyMap<string, FeatureValues>;

/** Field numbers of the three lists in `tf.train.Feature`. */
const LIST_FIELDS = { bytes: 1, float: 2, int64: 3 } as const;

/** Serialises an Example; numbers are packed, as TensorFlow writes them. Integers must be safe and not negative. */
export function encodeExample(example: Example): Uint8Array {
  const entries = [...example].map(([name, feature]) => {
    const list = delimited(LIST_FIELDS[feature.kind], encodeList(feature));
    return delimited(1, Buffer.concat([delimited(1, Buffer.from(name)), delimited(2, list)]));
  });
  return delimited(1, Buffer.concat(entries));
}

/**
 * Reads an Example; packed and unpacked lists are both understood.
 *
 * @throws {AlbertError} `corrupt` when the bytes are no Example
 */
export function decodeExample(bytes: Uint8Array): Example {
  const what = "tf.Example";
  const example = new Map<string, FeatureValues>();
  for (const features of protobufFields(bytes, what)) {
    if (features.number !== 1) continue;
    for (const entry of protobufFields(features.bytes, what)) {
      if (entry.number !== 1) continue;
      let name = "";
      let feature: FeatureValues = { kind: "bytes", values: [] };
      for (const part of protobufFields(entry.bytes, what)) {
        if (part.number === 1) name = Buffer.from(part.bytes).toString();
        if (part.number === 2) feature = decodeFeature(part.bytes, what);
      }
      example.set(name, feature);
    }
  }
  return example;
}

function encodeList(feature: FeatureValues): Uint8Array {
  switch (feature.kind) {
    case "int64":
      return delimited(1, Buffer.concat(feature.values.map(varint)));
    case "float":
      return delimited(1, Buffer.from(Float32Array.from(feature.values).buffer));
    case "bytes":
      return Buffer.concat(feature.values.map((value) => delimited(1, value)));
  }
}

function decodeFeature(bytes: Uint8Array, what: string): FeatureValues {
  for (const list of protobufFields(bytes, what)) {
    const items = [...protobufFields(list.bytes, what)].filter((item) => item.number === 1);
    switch (list.number) {
      case LIST_FIELDS.bytes:
        return { kind: "bytes", values: items.map((item) => item.bytes) };
      case LIST_FIELDS.float:
        return { kind: "float", values: items.flatMap((item) => floats(item.bytes, what)) };
      case LIST_FIELDS.int64:
        return {
          kind: "int64",
          values: items.flatMap((item) => (item.wireType === 2 ? integers(item.bytes, what) : [item.value])),
        };
    }
  }
  return { kind: "bytes", values: [] };
}

function floats(bytes: Uint8Array, what: string): number[] {
  if (bytes.length % 4 !== 0) throw corrupt(`${what}: a list of floats has ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

function integers(bytes: Uint8Array, what: string): number[] {
  const values: number[] = [];
  let value = 0;
  let shift = 0;
  for (const byte of bytes) {
    value += (byte & 0x7f) * 2 ** shift;
    shift += 7;
    if (byte < 0x80) {
      values.push(value);
      value = 0;
      shift = 0;
    }
  }
  if (shift !== 0) throw corrupt(`${what}: a list of integers is cut off`);
  return values;
}

function delimited(field: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([varint((field << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}
