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

// Replies as bytes. A reply of very many messages, such as the tokens of a long text, is encoded in turns of the event loop:
// one after the other, the parts of an encoded message are the encoded message.

/** A reply as bytes. */
export async function encodeReply(method: DescMethod, reply: MessageInitShape<DescMethod["output"]>): Promise<Buffer> {
  const message = create(method.output, reply);
  const bytes = isLarge(method.output, message)
    ? await encodeInTurns(method.output, message)
    : toBinary(method.output, message);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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
