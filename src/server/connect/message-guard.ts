import type { IncomingHttpHeaders } from "node:http";
import type { DescMethod } from "@bufbuild/protobuf";
import { invalidInput } from "../../errors.ts";
import type { CallBytes } from "../call/byte-budget.ts";
import { decodeMessage } from "../call/decode.ts";
import { nextTurn } from "../call/large-messages.ts";
import { countJsonValues, refuseMore } from "../call/message-values.ts";
import { reservedJsonKeys } from "../call/reserved-keys.ts";
import { connectError } from "./connect-error.ts";

/** Flag and length before each message of gRPC-Web and of Connect's streams. */
const ENVELOPE_BYTES = 5;
const COMPRESSED = 1;
/** A message that takes a millisecond or two to look at. */
const LARGE_BYTES = 65_536;

interface MessageLimits {
  readonly maxMessageBytes: number;
  readonly maxValues: number;
}

/**
 * Looks at the one request message of a call before Connect does: counts its bytes, and refuses a binary message that cannot
 * be decoded as the caller's fault, with the details that gRPC gives; Connect would call it a fault of the server's. JSON is
 * left to Connect, which reports it correctly.
 */
export class MessageGuard {
  readonly #method: DescMethod;
  readonly #binary: boolean;
  readonly #enveloped: boolean;
  readonly #compressed: boolean;
  readonly #limits: MessageLimits;
  readonly #bytes: CallBytes;

  constructor(method: DescMethod, headers: IncomingHttpHeaders, limits: MessageLimits, bytes: CallBytes) {
    const type = headers["content-type"] ?? "";
    this.#method = method;
    this.#enveloped = /^application\/(grpc|connect)/.test(type);
    this.#binary = /^application\/(proto|grpc(-web)?(\+proto)?|connect\+proto)\s*(;|$)/i.test(type);
    this.#compressed = !this.#enveloped && (headers["content-encoding"] ?? "identity") !== "identity";
    this.#limits = limits;
    this.#bytes = bytes;
  }

  /**
   * The body as it came, once all of it is there.
   *
   * @throws ConnectError resource_exhausted when the budget is spent; invalid_argument when it is no such message
   */
  async *check(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of body) {
      this.#grow(chunk.length);
      size += chunk.length;
      // Connect refuses it, with its own words.
      if (size > this.#limits.maxMessageBytes + ENVELOPE_BYTES) yield* [...chunks.splice(0), chunk];
      else chunks.push(chunk);
    }
    if (chunks.length === 0) return;
    const whole = Buffer.concat(chunks);
    if (!this.#compressed) await this.#decode(whole);
    yield whole;
  }

  /** A compressed message in plain. @throws ConnectError as `check` */
  async unpacked(plain: Uint8Array): Promise<void> {
    this.#grow(plain.length);
    await this.#tryDecode(plain);
  }

  async #decode(whole: Buffer): Promise<void> {
    const message = this.#enveloped ? enveloped(whole) : whole;
    if (message !== undefined) await this.#tryDecode(message);
  }

  async #tryDecode(message: Uint8Array): Promise<void> {
    const { maxValues } = this.#limits;
    try {
      if (this.#binary) await decodeMessage(this.#method.input, message, maxValues);
      else {
        refuseMore(countJsonValues(message, maxValues), maxValues);
        const reserved = reservedJsonKeys(this.#method.input, Buffer.from(message).toString());
        if (reserved.length > 0) throw invalidInput(reserved);
      }
    } catch (error) {
      throw connectError(error);
    }
    if (message.length > LARGE_BYTES) await nextTurn(); // Connect decodes it once more
  }

  #grow(bytes: number): void {
    try {
      this.#bytes.grow(bytes);
    } catch (error) {
      throw connectError(error);
    }
  }
}

/** The first message in an envelope; undefined when it is compressed, or not all there. */
function enveloped(body: Buffer): Buffer | undefined {
  if (body.length < ENVELOPE_BYTES || (body.readUInt8(0) & COMPRESSED) !== 0) return undefined;
  const end = ENVELOPE_BYTES + body.readUInt32BE(1);
  return end <= body.length ? body.subarray(ENVELOPE_BYTES, end) : undefined;
}
