import type { IncomingMessage } from "node:http";
import { createGunzip, createInflate } from "node:zlib";
import { AlbertError, invalidInput } from "../../../errors.ts";
import type { CallBytes } from "../../call/byte-budget.ts";

// The body of a request of the protocol's REST form, as it is or compressed; never more of it than a message may have.

const INFLATERS = { gzip: createGunzip, deflate: createInflate } as const;

/** What a body may be compressed with, as in `Content-Encoding`. */
export type BodyEncoding = "identity" | keyof typeof INFLATERS;

/** The encoding of a request's body; undefined for one that is not read, or several. */
export function bodyEncoding({ headers }: IncomingMessage): BodyEncoding | undefined {
  const name = (headers["content-encoding"] ?? "identity").trim().toLowerCase();
  return name === "identity" || Object.hasOwn(INFLATERS, name) ? (name as BodyEncoding) : undefined;
}

/**
 * Reads a body to its end, or to its bound: what comes and what it unpacks to may each have `maxBytes`. Unpacking goes on
 * in parts of some kilobytes and stops at the bound, whatever a body would unpack to.
 *
 * @param held  takes the unpacked bytes as they come
 * @throws AlbertError too-large beyond the bound; overloaded MEMORY_BUDGET; invalid-input for a body that does not unpack
 */
export async function readBody(
  request: IncomingMessage,
  encoding: BodyEncoding,
  maxBytes: number,
  held: CallBytes,
): Promise<Buffer> {
  if (encoding === "identity") return collect(request, maxBytes, held);
  const unpacked = INFLATERS[encoding]();
  let received = 0;
  request.on("data", (chunk: Buffer) => {
    received += chunk.length;
    if (received > maxBytes) unpacked.destroy(tooLarge(maxBytes));
  });
  request.once("close", () => {
    if (!request.complete) unpacked.destroy(new Error("the caller went away"));
  });
  request.pipe(unpacked);
  try {
    return await collect(unpacked, maxBytes, held);
  } catch (cause) {
    if (!isZlibError(cause)) throw cause;
    throw invalidInput([{ field: "body", description: `is no whole ${encoding} stream: ${cause.message}` }]);
  } finally {
    request.unpipe(unpacked);
    unpacked.destroy();
  }
}

async function collect(chunks: AsyncIterable<Buffer>, maxBytes: number, held: CallBytes): Promise<Buffer> {
  const kept: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    held.grow(chunk.length);
    kept.push(chunk);
  }
  return Buffer.concat(kept);
}

function tooLarge(maxBytes: number): AlbertError {
  return new AlbertError("too-large", `the body has more than ${maxBytes} bytes`, {
    reason: "MESSAGE_TOO_LARGE",
    metadata: { limit_bytes: String(maxBytes) },
  });
}

function isZlibError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && /^Z_/.test(String((error as { code?: unknown }).code));
}
