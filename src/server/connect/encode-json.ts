import { type DescMessage, type JsonWriteOptions, type Message, toJson, toJsonString } from "@bufbuild/protobuf";
import {
  innerMessages,
  isFlat,
  isLarge,
  MESSAGES_AT_ONCE,
  nextTurn,
  withoutMessages,
  workOf,
} from "../call/large-messages.ts";

// Large messages as JSON, in turns of the event loop: the texts of their parts, joined, are the text of the whole.

/** The JSON of a message of many messages, as `toJsonString` gives it. */
export async function jsonInTurns(
  desc: DescMessage,
  message: Message,
  options: Partial<JsonWriteOptions>,
): Promise<Buffer> {
  const pieces = new Pieces();
  await addMessage(pieces, desc, message, options);
  return pieces.whole();
}

/** Text that grows, kept as bytes a turn at a time. */
class Pieces {
  readonly #bytes: Buffer[] = [];
  #text = "";
  #work = 0;

  add(text: string): void {
    this.#text += text;
  }

  /** Counts work; after enough of it, lets others have their turn. */
  async worked(messages: number): Promise<void> {
    this.#work += messages;
    if (this.#work < MESSAGES_AT_ONCE) return;
    this.#flush();
    await nextTurn();
  }

  whole(): Buffer {
    this.#flush();
    return Buffer.concat(this.#bytes);
  }

  #flush(): void {
    this.#bytes.push(Buffer.from(this.#text));
    this.#text = "";
    this.#work = 0;
  }
}

async function addMessage(
  pieces: Pieces,
  desc: DescMessage,
  message: Message,
  options: Partial<JsonWriteOptions>,
): Promise<void> {
  const rest = toJson(desc, withoutMessages(desc, message), options) as Readonly<Record<string, unknown>>;
  const inner = new Map(innerMessages(desc, message).map((one) => [one.field, one]));
  let before = "{";
  for (const field of desc.fields) {
    const found = inner.get(field);
    if (found === undefined) {
      const value = rest[field.jsonName];
      if (value === undefined) continue;
      pieces.add(`${before}${JSON.stringify(field.jsonName)}:${JSON.stringify(value)}`);
    } else {
      pieces.add(`${before}${JSON.stringify(field.jsonName)}:`);
      if (field.fieldKind === "list") pieces.add("[");
      for (const [i, value] of found.values.entries()) {
        if (i > 0) pieces.add(",");
        await addInner(pieces, found.inner, value, options);
      }
      if (field.fieldKind === "list") pieces.add("]");
    }
    before = ",";
  }
  pieces.add(before === "{" ? "{}" : "}");
}

async function addInner(
  pieces: Pieces,
  desc: DescMessage,
  message: Message,
  options: Partial<JsonWriteOptions>,
): Promise<void> {
  if (!isFlat(desc) && isLarge(desc, message)) return addMessage(pieces, desc, message, options);
  pieces.add(toJsonString(desc, message, options));
  await pieces.worked(isFlat(desc) ? 1 : workOf(desc, message, MESSAGES_AT_ONCE));
}
