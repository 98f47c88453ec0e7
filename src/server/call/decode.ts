import { create, type DescMessage, type MessageShape, mergeFromBinary } from "@bufbuild/protobuf";
import { configureTextEncoding } from "@bufbuild/protobuf/wire";
import { invalidInput } from "../../errors.ts";
import { nextTurn } from "./large-messages.ts";
import { countValues, partsOf, refuseMore } from "./message-values.ts";
import { reservedKeys } from "./reserved-keys.ts";

// Decodes the messages of callers, with every character kept.

/**
 * Makes the decoder keep a leading U+FEFF: the runtime's default drops it, after which every offset into the caller's text
 * would be off by one. Strings of proto3 are still checked strictly. Call once, before the first message is decoded.
 */
export function keepByteOrderMarks(): void {
  const encoder = new TextEncoder();
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const lenient = new TextDecoder("utf-8", { ignoreBOM: true });
  configureTextEncoding({
    encodeUtf8: (text) => encoder.encode(text),
    decodeUtf8: (bytes, checked) => (checked ? strict : lenient).decode(bytes),
    checkUtf8: (text) => !/\p{Surrogate}/u.test(text),
  });
}

/** Values of a message that are decoded in one turn of the event loop: a millisecond or two. */
const VALUES_AT_ONCE = 1024;

/**
 * Decodes one message of a caller; one of many values in turns of the event loop.
 *
 * @param most  values that it may hold
 * @throws AlbertError invalid-input when it holds more, the bytes are no such message, one of its strings is not valid UTF-8,
 *   or one of its maps has a key that cannot be kept
 */
export async function decodeMessage<D extends DescMessage>(
  schema: D,
  bytes: Uint8Array,
  most: number,
): Promise<MessageShape<D>> {
  const values = asMessage(schema, () => countValues(schema, bytes, most));
  refuseMore(values, most);
  const reserved = reservedKeys(schema, bytes);
  if (reserved.length > 0) throw invalidInput(reserved);
  const message = create(schema);
  let first = true;
  for (const part of values > VALUES_AT_ONCE ? partsOf(schema, bytes, VALUES_AT_ONCE) : [bytes]) {
    if (!first) await nextTurn();
    first = false;
    asMessage(schema, () => mergeFromBinary(schema, message, part, { readUnknownFields: false }));
  }
  return message;
}

/** Reads bytes of a message. @throws AlbertError invalid-input where they cannot be read */
function asMessage<T>({ typeName }: DescMessage, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    // The decoder's own text is not passed on: it may quote what it could not read.
    const utf8 =
      cause instanceof TypeError && (cause as NodeJS.ErrnoException).code === "ERR_ENCODING_INVALID_ENCODED_DATA";
    const description = utf8 ? "holds a string that is not valid UTF-8" : `is not a valid encoding of ${typeName}`;
    throw invalidInput([{ field: "message", description }]);
  }
}
