import { create, type DescField, type DescMessage, type Message } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";

// How large a message is to encode, and its parts: what encoders need that take turns with others.

/** Work of one turn of the event loop, in messages: some two milliseconds. */
export const MESSAGES_AT_ONCE = 256;
/** Numbers of a list that take as long as a message. */
const NUMBERS_A_MESSAGE = 32;

/** Whether a message holds more than may be encoded in one turn. */
export function isLarge(desc: DescMessage, message: Message): boolean {
  return workOf(desc, message, MESSAGES_AT_ONCE) > MESSAGES_AT_ONCE;
}

/** The work of encoding a message, in messages; counting stops above `enough`. */
export function workOf(desc: DescMessage, message: Message, enough: number): number {
  let work = 1;
  for (const field of desc.fields) {
    if (isNumberList(field)) work += Math.floor(valuesOf(field, message).length / NUMBERS_A_MESSAGE);
  }
  for (const { inner, values } of innerMessages(desc, message)) {
    if (isFlat(inner)) work += values.length;
    else for (const value of values) if (work <= enough) work += workOf(inner, value, enough - work);
    if (work > enough) break;
  }
  return work;
}

/** Whether messages of a type count as one each, whatever they hold. */
export function isFlat({ fields, typeName }: DescMessage): boolean {
  // The JSON of these is not that of their fields.
  if (typeName.startsWith("google.protobuf.")) return true;
  return !fields.some((field) => messageOf(field) !== undefined || isNumberList(field));
}

/** Set fields of a message that hold messages, in the order of the type. */
export interface InnerMessages {
  readonly field: DescField;
  readonly inner: DescMessage;
  readonly values: readonly Message[];
}

/** The messages in a message, by field; maps are left to the library. */
export function innerMessages(desc: DescMessage, message: Message): InnerMessages[] {
  const fields = reflect(desc, message);
  return desc.fields.flatMap((field): InnerMessages[] => {
    const inner = messageOf(field);
    if (inner === undefined || !fields.isSet(field)) return [];
    return [{ field, inner, values: valuesOf(field, message) as Message[] }];
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

/** What a field holds, as a list. */
function valuesOf(field: DescField, message: Message): readonly unknown[] {
  const holder = message as unknown as Record<string, unknown>; // a message has its fields by local name
  const value = field.oneof === undefined ? holder[field.localName] : oneofValue(holder[field.oneof.localName]);
  return Array.isArray(value) ? value : [value];
}

function oneofValue(holder: unknown): unknown {
  return (holder as { readonly value?: unknown }).value; // how the library holds a oneof that is set
}
