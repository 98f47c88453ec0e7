import type { DescMethod, MessageInitShape } from "@bufbuild/protobuf";
import type { ServerDuplexStream, ServerWritableStream } from "@grpc/grpc-js";
import { encodeReply } from "../call/encode-reply.ts";

// Messages of streaming calls over grpc-js's stream objects, with flow control and cancellation. It knows bytes
// and the message types of a method, but no handler.

/** A stream that replies are written to. */
export type ReplyStream = ServerWritableStream<Uint8Array, Buffer> | ServerDuplexStream<Uint8Array, Buffer>;

/**
 * Writes every reply, as fast as the caller reads.
 *
 * @param onWritten  after each reply
 * @throws the signal's reason when it aborts meanwhile
 */
export async function writeReplies(
  method: DescMethod,
  replies: AsyncIterable<MessageInitShape<DescMethod["output"]>>,
  stream: ReplyStream,
  signal: AbortSignal,
  onWritten: () => void = () => {},
): Promise<void> {
  for await (const reply of replies) {
    signal.throwIfAborted();
    // A caller that does not read fills the transport's window; waiting here stops the handler's generator.
    if (!stream.write(await encodeReply(method, reply))) await drained(stream, signal);
    onWritten();
  }
}

/**
 * The requests of a stream as bytes, until its caller has closed its side.
 *
 * @throws the signal's reason when it aborted meanwhile
 */
export async function* readRequests(
  stream: ServerDuplexStream<Uint8Array, Buffer>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  // Not the stream's own iterator: that destroys the stream when an error is emitted on it, which is how the library
  // wants to be told the final status.
  while (!stream.readableEnded && !stream.destroyed) {
    const bytes = stream.read() as Uint8Array | null;
    if (bytes === null) await nextEvent(stream, ["readable", "end", "close", "error"]);
    else yield bytes;
  }
  signal.throwIfAborted();
}

function drained(stream: ReplyStream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onDrain = () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    };
    const onAbort = () => {
      stream.off("drain", onDrain);
      reject(signal.reason);
    };
    if (signal.aborted) return reject(signal.reason);
    stream.once("drain", onDrain);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

function nextEvent(stream: ServerDuplexStream<Uint8Array, Buffer>, events: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of events) stream.off(event, done);
      resolve();
    };
    for (const event of events) stream.on(event, done);
  });
}
