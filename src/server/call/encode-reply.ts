import {
  create,
  type DescMessage,
  type DescMethod,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import {
  innerMessages,
  isFlat,
  isLarge,
  MESSAGES_AT_ONCE,
  nextTurn,
  withoutMessages,
  workOf,
} from "./large-messages.ts";
import { messageWriter } from "./message-writer.ts";

// Replies as bytes. A reply of very many messages, such as the tokens of a long text, is encoded in turns of the event loop:
// one after the other, the parts of an encoded message are the encoded message.

/** A reply as bytes: at once, unless it is large. */
export function encodeReply(
  { output }: Pick<DescMethod, "output">,
  reply: MessageInitShape<DescMethod["output"]>,
): Buffer | Promise<Buffer> {
  if (isLarge(output, reply)) return encodeInTurns(output, create(output, reply)).then(asBuffer);
  return messageWriter(output)?.(reply) ?? asBuffer(toBinary(output, create(output, reply)));
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** The rest of the message at once, its inner messages a few at a time; of those, large ones in turns of their own. */
export async function encodeInTurns(desc: DescMessage, message: Message): Promise<Uint8Array> {
  const parts = [toBinary(desc, withoutMessages(desc, message))];
  let writer = new BinaryWriter();
  let written = 0;
  for (const { field, inner, values } of innerMessages(desc, message)) {
    for (const value of values) {
      const large = !isFlat(inner) && isLarge(inner, value);
      const bytes = large ? await encodeInTurns(inner, value) : toBinary(inner, value);
      writer.tag(field.number, WireType.LengthDelimited).bytes(bytes);
      written += isFlat(inner) ? 1 : workOf(inner, value, MESSAGES_AT_ONCE);
      if (written < MESSAGES_AT_ONCE) continue;
      parts.push(writer.finish());
      writer = new BinaryWriter();
      written = 0;
      await nextTurn();
    }
  }
  parts.push(writer.finish());
  return Buffer.concat(parts);
}
