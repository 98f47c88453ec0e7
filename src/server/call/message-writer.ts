import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { ReverseBytes } from "./reverse-bytes.ts";

// Messages as bytes, by writers that are made once for each type. The library's own way looks every field up in the type's description, in a message that has
// to be made first, and allocates for each number and each inner message.

/** Writes a message of a type, or the fields of one as `create` takes them. */
export type MessageWriter = (message: object) => Buffer;

/** A message, or what one is made from: its fields by local name. */
type Holder = Readonly<Record<string, unknown>>;
/** Writes a field with its tag, if it is set. */
type FieldWriter = (holder: Holder) => void;
/** Writes one value with its length, but without a tag. */
type ValueWriter = (value: never) => void;

/** Messages are written whole, one at a time. */
const out = new ReverseBytes();

/** By type; none for a type that only the library can write. */
const WRITERS = new Map<DescMessage, MessageWriter | undefined>();
/** Of the fields of a type, the last one first: what is written goes in front of what has been. */
const FIELDS = new Map<DescMessage, readonly FieldWriter[]>();

/**
 * The writer of a type. What it writes are the bytes of `toBinary(desc, create(desc, message))`, for a message without unknown fields.
 *
 * @returns undefined for a type with fields of kinds that the contract does not use
 */
export function messageWriter(desc: DescMessage): MessageWriter | undefined {
  if (WRITERS.has(desc)) return WRITERS.get(desc);
  const write = (message: object) => {
    out.begin();
    writeFields(desc, message as Holder);
    return out.finish();
  };
  const writer = isKnown(desc, new Set()) ? write : undefined;
  WRITERS.set(desc, writer);
  return writer;
}

const SCALARS: Partial<Record<ScalarType, readonly [WireType, ValueWriter]>> = {
  [ScalarType.DOUBLE]: [WireType.Bit64, (value: number) => out.double(value)],
  [ScalarType.FLOAT]: [WireType.Bit32, (value: number) => out.float(value)],
  [ScalarType.INT32]: [WireType.Varint, (value: number) => out.int32(value)],
  [ScalarType.UINT32]: [WireType.Varint, (value: number) => out.uint32(value)],
  [ScalarType.INT64]: [WireType.Varint, (value: bigint) => out.int64(value)],
  [ScalarType.UINT64]: [WireType.Varint, (value: bigint) => out.int64(value)],
  [ScalarType.BOOL]: [WireType.Varint, (value: boolean) => out.uint32(value ? 1 : 0)],
  [ScalarType.STRING]: [WireType.LengthDelimited, (value: string) => out.string(value)],
  [ScalarType.BYTES]: [WireType.LengthDelimited, (value: Uint8Array) => out.bytes(value)],
};

/** Messages of these the library holds in forms of their own, but for the ones named, which are like any other. */
const OTHER_FORMS = /^google\.protobuf\.(?!(Any|Timestamp|Duration|Empty)$)/;

/** Whether a type and all types inside it have only fields that are written here. */
function isKnown(desc: DescMessage, seen: Set<DescMessage>): boolean {
  if (seen.has(desc)) return true;
  seen.add(desc);
  if (OTHER_FORMS.test(desc.typeName)) return false;
  return desc.fields.every((field) => {
    if (field.scalar !== undefined && SCALARS[field.scalar] === undefined) return false;
    if (field.fieldKind === "map" && field.mapKey !== ScalarType.STRING) return false;
    if ("delimitedEncoding" in field && field.delimitedEncoding) return false;
    return field.message === undefined || isKnown(field.message, seen);
  });
}

function writeFields(desc: DescMessage, message: Holder): void {
  let fields = FIELDS.get(desc);
  if (fields === undefined) {
    fields = [...desc.fields].sort((a, b) => b.number - a.number).map(fieldWriter);
    FIELDS.set(desc, fields);
  }
  for (let i = 0; i < fields.length; i++) fields[i]!(message);
}

function fieldWriter(field: DescField): FieldWriter {
  const { localName: name, oneof, number } = field;
  const [wire, write] = valueWriter(field);
  const tagged = (value: unknown) => {
    write(value as never);
    out.tag(number, wire);
  };
  if (field.fieldKind === "map") {
    return (holder) => {
      const entries = Object.entries((holder[name] as Holder | undefined) ?? {});
      for (let i = entries.length - 1; i >= 0; i--) writeEntry(number, entries[i]!, wire, write);
    };
  }
  if (field.fieldKind === "list") {
    const packed = field.listKind !== "message" && field.packed;
    return (holder) => {
      const values = (holder[name] as readonly unknown[] | undefined) ?? [];
      if (packed) writePacked(number, values, write);
      else for (let i = values.length - 1; i >= 0; i--) tagged(values[i]);
    };
  }
  if (oneof !== undefined) {
    return (holder) => {
      const chosen = holder[oneof.localName] as { readonly case?: string; readonly value?: unknown } | undefined;
      if (chosen?.case === name) tagged(chosen.value);
    };
  }
  const isUnset = unsetTest(field);
  return (holder) => {
    const value = holder[name];
    if (value !== undefined && value !== null && !isUnset(value)) tagged(value);
  };
}

/** How a value of a field, or of an entry of its list or map, is written. */
function valueWriter({ message, scalar }: DescField): readonly [WireType, ValueWriter] {
  if (message === undefined) return SCALARS[scalar ?? ScalarType.INT32]!; // an enum's number, where it is no scalar
  const write = (value: Holder) => {
    const end = out.length;
    writeFields(message, value);
    out.uint32(out.length - end);
  };
  return [WireType.LengthDelimited, write];
}

function writePacked(number: number, values: readonly unknown[], write: ValueWriter): void {
  if (values.length === 0) return;
  const end = out.length;
  for (let i = values.length - 1; i >= 0; i--) write(values[i] as never);
  out.uint32(out.length - end);
  out.tag(number, WireType.LengthDelimited);
}

/** An entry of a map is a message of its key, 1, and its value, 2. */
function writeEntry(number: number, [key, value]: [string, unknown], wire: WireType, write: ValueWriter): void {
  const end = out.length;
  write(value as never);
  out.tag(2, wire);
  out.string(key);
  out.tag(1, WireType.LengthDelimited);
  out.uint32(out.length - end);
  out.tag(number, WireType.LengthDelimited);
}

/** Whether a value that is there counts as unset: the zero of its type, unless the field tells it from none. */
function unsetTest(field: DescField): (value: unknown) => boolean {
  if (field.presence !== FeatureSet_FieldPresence.IMPLICIT) return () => false;
  switch (field.scalar) {
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return (value) => Object.is(value, 0);
    case ScalarType.BYTES:
      return (value) => (value as Uint8Array).length === 0;
    default:
      return (value) => value === "" || value === false || value === 0 || value === 0n;
  }
}
