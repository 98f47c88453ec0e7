import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { configureTextEncoding } from "@bufbuild/protobuf/wire";
import { invalidInput } from "../../errors.ts";
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

/**
 * Decodes one message of a caller.
 *
 * @throws AlbertError invalid-input when the bytes are no such message, one of its strings is not valid UTF-8, or one of its
 *   maps has a key that cannot be kept
 */
export function decodeMessage<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> {
  const reserved = reservedKeys(schema, bytes);
  if (reserved.length > 0) throw invalidInput(reserved);
  try {
    return fromBinary(schema, bytes, { readUnknownFields: false });
  } catch (cause) {
    // The decoder's own text is not passed on: it may quote what it could not read.
    const utf8 =
      cause instanceof TypeError && (cause as NodeJS.ErrnoException).code === "ERR_ENCODING_INVALID_ENCODED_DATA";
    const description = utf8
      ? "holds a string that is not valid UTF-8"
      : `is not a valid encoding of ${schema.typeName}`;
    throw invalidInput([{ field: "message", description }]);
  }
}
