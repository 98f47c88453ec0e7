import {
  create,
  type DescField,
  type DescMessage,
  type DescMethod,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

// Replies as bytes. A reply of very many messages, such as the tokens of a long text, is encoded in turns of the event loop:
// one after the other, the parts of an encoded message are the encoded message.

/** Messages that are encoded in one turn: some two milliseconds of work. */
const MESSAGES_AT_ONCE = 256;

/** A reply as bytes. */
export async function encodeReply(method: DescMethod, reply: MessageInitShape<DescMethod["output"]>): Promise<Buffer> {
  const message = create(method.output, reply);
  const bytes = isLarge(method.output, message)
    ? await encodeInTurns(method.output, message)
    : toBinary(method.output, message);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether a message holds more messages than may be encoded in one turn. */
function isLarge(desc: DescMessage, message: Message): boolean {
  return countMessages(desc, message, MESSAGES_AT_ONCE) > MESSAGES_AT_ONCE;
}

/** Messages within a message; counting stops above `enough`. */
function countMessages(desc: DescMessage, message: Message, enough: number): number {
  let count = 1;
  for (const { inner, values } of innerMessages(desc, message)) {
    if (!hasMessages(inner)) count += values.length;
    else for (const value of values) if (count <= enough) count += countMessages(inner, value, enough - count);
    if (count > enough) break;
  }
  return count;
}

function hasMessages({ fields }: DescMessage): boolean {
  return fields.some((field) => messageOf(field) !== undefined);
}

/** The type of the messages in a field, one or a list; maps are left to the library. */
function messageOf(field: DescField): DescMessage | undefined {
  return field.fieldKind === "message" || (field.fieldKind === "list" && field.listKind === "message")
    ? field.message
    : undefined;
}

interface InnerMessages {
  readonly field: DescField;
  readonly inner: DescMessage;
  readonly values: readonly Message[];
}

function innerMessages(desc: DescMessage, message: Message): InnerMessages[] {
  const fields = reflect(desc, message);
  return desc.fields.flatMap((field): InnerMessages[] => {
    const inner = messageOf(field);
    if (inner === undefined || !fields.isSet(field)) return [];
    const holder = message as unknown as Record<string, unknown>; // a message has its fields by local name
    const value = field.oneof === undefined ? holder[field.localName] : oneofValue(holder[field.oneof.localName]);
    return [{ field, inner, values: (Array.isArray(value) ? value : [value]) as Message[] }];
  });
}

function oneofValue(holder: unknown): unknown {
  return (holder as { readonly value?: unknown }).value; // how the library holds a oneof that is set
}

/** The rest of the message at once, its inner messages a few at a time; of those, large ones in turns of their own. */
async function encodeInTurns(desc: DescMessage, message: Message): Promise<Uint8Array> {
  const inner = innerMessages(desc, message);
  const parts = [toBinary(desc, withoutMessages(desc, message))];
  let writer = new BinaryWriter();
  let written = 0;
  for (const { field, inner: type, values } of inner) {
    for (const value of values) {
      const bytes = isLarge(type, value) ? await encodeInTurns(type, value) : toBinary(type, value);
      writer.tag(field.number, WireType.LengthDelimited).bytes(bytes);
      written += hasMessages(type) ? countMessages(type, value, MESSAGES_AT_ONCE) : 1;
      if (written < MESSAGES_AT_ONCE) continue;
      parts.push(writer.finish());
      writer = new BinaryWriter();
      written = 0;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
  parts.push(writer.finish());
  return Buffer.concat(parts);
}

/** A message with the fields that hold no messages. */
function withoutMessages(desc: DescMessage, message: Message): Message {
  const rest = create(desc);
  const [from, to] = [reflect(desc, message), reflect(desc, rest)];
  for (const field of desc.fields) {
    if (messageOf(field) === undefined && from.isSet(field)) to.set(field, from.get(field));
  }
  return rest;
}
