import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { MAX_UNPACKING_RATIO, tooLarge, UNPACKED_BYTES_AT_ONCE } from "./data-limits.ts";

// Gzip streams, unpacked only as far as their size is believable.

/** Whether a file that begins with these bytes is gzip. */
export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

/**
 * The bytes that a gzip stream unpacks to. Ends its source when it is left early.
 *
 * @param name  of the file, for messages
 * @throws AlbertError invalid-input (DATA_TOO_LARGE) when it unpacks to more than {@link MAX_UNPACKING_RATIO} times its size; what
 *   zlib says of a damaged stream (codes that begin with `Z_`)
 */
export async function* unpackedGzip(packed: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  let packedBytes = 0;
  let unpackedBytes = 0;
  const counted = async function* () {
    for await (const chunk of packed) {
      packedBytes += chunk.length;
      yield chunk;
    }
  };
  const gunzip = createGunzip({ chunkSize: 1 << 16 });
  pipeline(Readable.from(counted(), { objectMode: false }), gunzip, () => {
    // A failure reaches the reader through gunzip, which the pipeline destroys with it.
  });
  for await (const chunk of gunzip as AsyncIterable<Uint8Array>) {
    unpackedBytes += chunk.length;
    if (unpackedBytes > UNPACKED_BYTES_AT_ONCE && unpackedBytes > packedBytes * MAX_UNPACKING_RATIO) {
      const what = `unpacks to more than ${MAX_UNPACKING_RATIO} times its size, as damaged or malicious files do`;
      throw tooLarge(name, what, MAX_UNPACKING_RATIO, "unpack it yourself (gunzip) if that is how it is meant");
    }
    yield chunk;
  }
}
