import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import type { FieldViolation } from "../../errors.ts";

// Finds keys of maps that the program could not hold: an entry of this name would vanish without a word, as JavaScript's
// objects treat it. Nearly every message is free of the name as a whole, which is seen at once.

const RESERVED = "__proto__";
const RESERVED_BYTES = Buffer.from(RESERVED);

/** Reserved keys in an encoded message; empty also for bytes that are no such message, which others find out. */
export function reservedKeys(desc: DescMessage, bytes: Uint8Array): FieldViolation[] {
  if (Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(RESERVED_BYTES) < 0) return [];
  try {
    return inMessage(desc, bytes, "");
  } catch {
    return [];
  }
}

/** Reserved keys in a message as JSON. */
export function reservedJsonKeys(desc: DescMessage, text: string): FieldViolation[] {
  // The name may be written with escapes.
  if (!text.includes(RESERVED) && !text.includes("\\u")) return [];
  try {
    return inJson(desc, JSON.parse(text), "");
  } catch {
    return [];
  }
}

function violation(field: DescField, path: string): FieldViolation {
  return {
    field: path + field.name,
    description: `must not hold the key ${RESERVED}, which is reserved; use another name`,
  };
}

function inMessage(desc: DescMessage, bytes: Uint8Array, path: string): FieldViolation[] {
  const reader = new BinaryReader(bytes);
  const found: FieldViolation[] = [];
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    const field = desc.fields.find((candidate) => candidate.number === number);
    if (field === undefined || type !== WireType.LengthDelimited) {
      reader.skip(type, number);
      continue;
    }
    const inner = reader.bytes();
    if (field.fieldKind === "map" && keyOf(inner) === RESERVED) found.push(violation(field, path));
    const message = messageOf(field);
    if (message !== undefined) found.push(...inMessage(message, inner, `${path}${field.name}.`));
  }
  return found;
}

/** The key of an encoded entry of a map of strings. */
function keyOf(entry: Uint8Array): string | undefined {
  const reader = new BinaryReader(entry);
  let key: string | undefined;
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === 1 && type === WireType.LengthDelimited) key = reader.string();
    else reader.skip(type, number);
  }
  return key;
}

function inJson(desc: DescMessage, json: unknown, path: string): FieldViolation[] {
  if (typeof json !== "object" || json === null) return [];
  return Object.entries(json).flatMap(([name, value]) => {
    const field = desc.fields.find((candidate) => candidate.jsonName === name || candidate.name === name);
    if (field === undefined) return [];
    if (field.fieldKind === "map") {
      return typeof value === "object" && value !== null && Object.hasOwn(value, RESERVED)
        ? [violation(field, path)]
        : [];
    }
    const message = messageOf(field);
    if (message === undefined) return [];
    const values: unknown[] = Array.isArray(value) ? value : [value];
    return values.flatMap((one) => inJson(message, one, `${path}${field.name}.`));
  });
}

function messageOf(field: DescField): DescMessage | undefined {
  return field.fieldKind === "message" || (field.fieldKind === "list" && field.listKind === "message")
    ? field.message
    : undefined;
}
