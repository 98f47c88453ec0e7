import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { corrupt } from "../../errors.ts";
import { packedIntegers, protobufFields } from "../../platform/protobuf-fields.ts";

// Reads and writes `tf.train.Example` messages.

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
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).fork(); // Example.features
  for (const [name, feature] of example) {
    writer.tag(1, WireType.LengthDelimited).fork(); // an entry of Features.feature
    writer.tag(1, WireType.LengthDelimited).string(name);
    writer.tag(2, WireType.LengthDelimited).fork(); // Feature
    writer.tag(LIST_FIELDS[feature.kind], WireType.LengthDelimited).fork();
    writeList(writer, feature);
    writer.join().join().join();
  }
  return writer.join().finish();
}

/**
 * Reads an Example; packed and unpacked lists are both understood.
 *
 * @throws AlbertError corrupt when the bytes are no Example
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

function writeList(writer: BinaryWriter, feature: FeatureValues): void {
  switch (feature.kind) {
    case "int64":
      writer.tag(1, WireType.LengthDelimited).fork();
      for (const value of feature.values) writer.int64(value);
      writer.join();
      break;
    case "float":
      writer.tag(1, WireType.LengthDelimited).bytes(new Uint8Array(Float32Array.from(feature.values).buffer));
      break;
    case "bytes":
      for (const value of feature.values) writer.tag(1, WireType.LengthDelimited).bytes(value);
      break;
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
          values: items.flatMap((item) =>
            item.wireType === WireType.LengthDelimited ? packedIntegers(item.bytes, what) : [item.value],
          ),
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
