import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { invalidInput } from "../../errors.ts";

// How many values a message holds, counted before anything is made of it: a message of few bytes may be hundreds of thousands
// of values, and each takes about a microsecond of the main thread to decode and more to look at.

/** Values of a message beside those that its batch is made of. */
const BESIDE = 1024;

/** The most values that a message may hold: every choice of a full batch, and then some. */
export function mostValues(limits: { readonly maxBatchItems: number; readonly maxChoices: number }): number {
  return limits.maxBatchItems * limits.maxChoices + BESIDE;
}

/** @throws AlbertError invalid-input for a message of more values */
export function refuseMore(values: number, most: number): void {
  if (values <= most) return;
  const description = `must hold at most ${most} values (fields, and entries of lists), got more: send several messages`;
  throw invalidInput([{ field: "message", description }]);
}

/**
 * The values of an encoded message, at every depth; counting stops above `enough`.
 *
 * @throws Error for bytes that are no message
 */
export function countValues(desc: DescMessage, bytes: Uint8Array, enough: number): number {
  const reader = new BinaryReader(bytes);
  let values = 0;
  while (reader.pos < reader.len && values <= enough) values += skipField(desc.fields, reader, enough - values);
  return values;
}

/** An encoded message in parts of about `values` values: decoded one after the other they are the message. */
export function* partsOf(desc: DescMessage, bytes: Uint8Array, values: number): Generator<Uint8Array> {
  const reader = new BinaryReader(bytes);
  let from = 0;
  for (let held = 0; reader.pos < reader.len; ) {
    held += skipField(desc.fields, reader, Number.POSITIVE_INFINITY);
    if (held < values && reader.pos < reader.len) continue;
    yield bytes.subarray(from, reader.pos);
    from = reader.pos;
    held = 0;
  }
}

/** Goes behind a field. @returns the values in it, itself among them */
function skipField(fields: readonly DescField[], reader: BinaryReader, enough: number): number {
  const [number, type] = reader.tag();
  if (type === WireType.StartGroup) throw new Error("the contract has no groups");
  if (type !== WireType.LengthDelimited) {
    reader.skip(type, number);
    return 1;
  }
  const inner = reader.bytes();
  const field = fields.find((candidate) => candidate.number === number);
  switch (field?.fieldKind) {
    case "message":
      return 1 + countValues(field.message, inner, enough);
    case "map":
      return 1 + countEntry(field, inner, enough);
    case "list":
      if (field.listKind === "message") return 1 + countValues(field.message, inner, enough);
      // Numbers may stand one after the other, in a byte each.
      return field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES ? 1 : 1 + inner.length;
    default:
      return 1;
  }
}

/** The values of an entry of a map: field 1 is its key, 2 its value. */
function countEntry(field: DescField & { fieldKind: "map" }, entry: Uint8Array, enough: number): number {
  const reader = new BinaryReader(entry);
  let values = 0;
  while (reader.pos < reader.len && values <= enough) {
    const [number, type] = reader.tag();
    values++;
    if (number === 2 && type === WireType.LengthDelimited && field.mapKind === "message") {
      values += countValues(field.message, reader.bytes(), enough - values);
    } else reader.skip(type, number);
  }
  return values;
}

const [QUOTE, BACKSLASH, COMMA, BRACKET, BRACE] = Buffer.from('"\\,[{');

/** The values of a text of JSON, whether it is right or not; counting stops above `enough`. */
export function countJsonValues(text: Uint8Array, enough: number): number {
  let values = 1;
  let quoted = false;
  for (let i = 0; i < text.length && values <= enough; i++) {
    const byte = text[i];
    if (quoted && byte === BACKSLASH) i++;
    else if (byte === QUOTE) quoted = !quoted;
    else if (!quoted && (byte === COMMA || byte === BRACKET || byte === BRACE)) values++;
  }
  return values;
}
