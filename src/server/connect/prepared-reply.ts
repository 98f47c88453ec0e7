import { AsyncLocalStorage } from "node:async_hooks";
import { create, type DescMessage, type JsonWriteOptions, type Message } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { encodeInTurns } from "../call/encode-reply.ts";
import { isLarge } from "../call/large-messages.ts";
import { jsonInTurns } from "./encode-json.ts";

// Hands a large reply past Connect, which would encode it at once: it is encoded before, in turns, and Connect gets an empty
// message instead, for which it writes these bytes.

const prepared = new AsyncLocalStorage<{ json?: Uint8Array }>();
const utf8 = new TextEncoder();

/** Runs a call, from its request to its last byte, in which a reply may be prepared. */
export function withPreparedReply<T>(run: () => T): T {
  return prepared.run({}, run);
}

/** What Connect encodes the text of JSON with, which it takes beside the options of the format. */
export const preparedText = {
  encode(text: string): Uint8Array {
    const store = prepared.getStore();
    const bytes = store?.json;
    if (store === undefined || bytes === undefined) return utf8.encode(text);
    delete store.json;
    return bytes;
  },
};

/**
 * The message to hand to Connect in place of a reply.
 *
 * @param format  what the caller asked for
 */
export async function prepareReply(
  desc: DescMessage,
  reply: Message,
  format: "binary" | "json",
  options: Partial<JsonWriteOptions>,
): Promise<Message> {
  if (!isLarge(desc, reply)) return reply;
  const stand = create(desc);
  if (format === "binary") {
    const data = await encodeInTurns(desc, reply);
    const reader = new BinaryReader(data);
    const [no, wireType] = reader.tag();
    // An unknown field is written as it is: its tag, and whatever follows.
    stand.$unknown = [{ no, wireType, data: data.subarray(reader.pos) }];
    return stand;
  }
  const store = prepared.getStore();
  if (store === undefined) return reply;
  store.json = await jsonInTurns(desc, reply, options);
  return stand;
}
