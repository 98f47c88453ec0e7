import { create, type DescField, type DescMessage, type Message } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";

// How large a message is to encode, and its parts: what encoders need that take turns with others.

/** Work of one turn of the event loop, in messages: some two milliseconds. */
export const MESSAGES_AT_ONCE = 256;
/** Numbers of a list that take as long as a message. */
const NUMBERS_A_MESSAGE = 32;

/** Whether a message, or what it is made from, holds more than may be encoded in one turn. */
export function isLarge(desc: DescMessage, message: object): boolean {
  return workOf(desc, message, MESSAGES_AT_ONCE) > MESSAGES_AT_ONCE;
}

/** The work of encoding a message, in messages; counting stops above `enough`. */
export function workOf(desc: DescMessage, message: object, enough: number): number {
  const { numbers, messages } = partsOf(desc);
  let work = 1;
  for (const field of numbers) work += Math.floor(valuesOf(field, message).length / NUMBERS_A_MESSAGE);
  for (const { field, inner } of messages) {
    const values = valuesOf(field, message);
    if (isFlat(inner)) work += values.length;
    else for (const value of values) if (work <= enough) work += workOf(inner, value as object, enough - work);
    if (work > enough) break;
  }
  return work;
}

/** Whether messages of a type count as one each, whatever they hold. */
export function isFlat(desc: DescMessage): boolean {
  return partsOf(desc).flat;
}

/** Fields of a type that decide how large its messages are. */
interface Parts {
  readonly numbers: readonly DescField[];
  /** Maps are left to the library. */
  readonly messages: readonly { readonly field: DescField; readonly inner: DescMessage }[];
  readonly flat: boolean;
}

const PARTS = new Map<DescMessage, Parts>();

function partsOf(desc: DescMessage): Parts {
  let parts = PARTS.get(desc);
  if (parts === undefined) {
    const numbers = desc.fields.filter(isNumberList);
    const messages = desc.fields.flatMap((field) => {
      const inner = messageOf(field);
      return inner === undefined ? [] : [{ field, inner }];
    });
    // The JSON of the library's own types is not that of their fields.
    const flat = desc.typeName.startsWith("google.protobuf.") || numbers.length + messages.length === 0;
    parts = { numbers, messages, flat };
    PARTS.set(desc, parts);
  }
  return parts;
}

/** Set fields of a message that hold messages, in the order of the type. */
export interface InnerMessages {
  readonly field: DescField;
  readonly inner: DescMessage;
  readonly values: readonly Message[];
}

/** The messages in a message, by field. */
export function innerMessages(desc: DescMessage, message: Message): InnerMessages[] {
  return partsOf(desc).messages.flatMap(({ field, inner }): InnerMessages[] => {
    const values = valuesOf(field, message) as Message[];
    return values.length === 0 ? [] : [{ field, inner, values }];
  });
}

/** A message with the fields that hold no messages. */
export function withoutMessages(desc: DescMessage, message: Message): Message {
  const rest = create(desc);
  const [from, to] = [reflect(desc, message), reflect(desc, rest)];
  for (const field of desc.fields) {
    if (messageOf(field) === undefined && from.isSet(field)) to.set(field, from.get(field));
  }
  return rest;
}

/** Messages that wait for a turn of the event loop, in order: of all calls of the process, for its loop is one. */
const line: (() => void)[] = [];

/** Ends a turn of the event loop: what waits goes first. However many messages are large, one goes on in each turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    line.push(resolve);
    if (line.length === 1) setImmediate(letNextIn);
  });
}

function letNextIn(): void {
  line.shift()?.();
  if (line.length > 0) setImmediate(letNextIn);
}

/** The type of the messages in a field, one or a list. */
function messageOf(field: DescField): DescMessage | undefined {
  return field.fieldKind === "message" || (field.fieldKind === "list" && field.listKind === "message")
    ? field.message
    : undefined;
}

function isNumberList(field: DescField): boolean {
  return field.fieldKind === "list" && field.listKind !== "message";
}

/** What a field holds, as a list; nothing where it is not set. */
function valuesOf({ oneof, localName }: DescField, message: object): readonly unknown[] {
  const holder = message as Readonly<Record<string, unknown>>; // a message has its fields by local name
  const value = oneof === undefined ? holder[localName] : chosen(holder[oneof.localName], localName);
  if (value === undefined || value === null) return NOTHING;
  return Array.isArray(value) ? value : [value];
}
const NOTHING: readonly unknown[] = [];

/** What a oneof holds, where it is this field. */
function chosen(holder: unknown, name: string): unknown {
  const { case: field, value } = (holder ?? {}) as { readonly case?: string; readonly value?: unknown };
  return field === name ? value : undefined;
}
