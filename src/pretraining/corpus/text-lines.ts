import { open } from "node:fs/promises";
import { createGunzip } from "node:zlib";
import { AlbertError } from "../../errors.ts";

// Reads the lines of a text file, plain or gzipped, in constant memory.

/** A longer line is cut, so that memory stays bounded whatever a file holds. */
export const MAX_LINE_BYTES = 1 << 20;

export interface TextLine {
  readonly text: string;
  /** Whether the bytes were not UTF-8; the offending ones became U+FFFD. */
  readonly invalidUtf8: boolean;
  /** Whether the line goes on in the next item, because it exceeds {@link MAX_LINE_BYTES}. */
  readonly cut: boolean;
}

/**
 * The lines of a text file, plain or gzipped (told by its first bytes), in constant memory. Lines end at "\n"; a longer line
 * than {@link MAX_LINE_BYTES} is cut at its last space before that, or between two characters.
 *
 * @throws AlbertError not-found when the file cannot be read, corrupt when its gzip data is damaged
 */
export async function* readTextLines(file: string): AsyncGenerator<TextLine> {
  let pending: Buffer = Buffer.alloc(0);
  let source: OpenText | undefined;
  try {
    source = await openText(file);
    for await (const piece of source.bytes) {
      pending = pending.length === 0 ? piece : Buffer.concat([pending, piece]);
      let start = 0;
      for (;;) {
        const end = pending.indexOf(10, start);
        if (end >= 0 && end - start <= MAX_LINE_BYTES) {
          yield decodeLine(pending.subarray(start, end), false);
          start = end + 1;
        } else if (pending.length - start > MAX_LINE_BYTES) {
          const stop = start + cutPoint(pending.subarray(start, start + MAX_LINE_BYTES));
          yield decodeLine(pending.subarray(start, stop), true);
          start = stop;
        } else {
          break;
        }
      }
      pending = pending.subarray(start);
    }
  } catch (cause) {
    throw readFailure(cause);
  } finally {
    source?.close();
  }
  if (pending.length > 0) yield decodeLine(pending, false);
}

interface OpenText {
  readonly bytes: AsyncIterable<Buffer>;
  /** Closes the file, also when it was not read to its end. */
  close(): void;
}

async function openText(file: string): Promise<OpenText> {
  const handle = await open(file);
  const magic = Buffer.alloc(2);
  await handle.read(magic, 0, 2, 0);
  const raw = handle.createReadStream({ start: 0, highWaterMark: 1 << 18 });
  const close = () => raw.destroy();
  if (magic[0] !== 0x1f || magic[1] !== 0x8b) return { bytes: raw, close };
  const unzipped = createGunzip();
  raw.on("error", (error) => unzipped.destroy(error));
  return { bytes: raw.pipe(unzipped), close };
}

function decodeLine(bytes: Uint8Array, cut: boolean): TextLine {
  try {
    return { text: strict.decode(bytes), invalidUtf8: false, cut };
  } catch {
    return { text: lenient.decode(bytes), invalidUtf8: true, cut };
  }
}

const strict = new TextDecoder("utf-8", { fatal: true });
const lenient = new TextDecoder("utf-8");

/** Where to cut bytes that are a piece of a longer line: behind the last space, else before the last character's first byte. */
function cutPoint(bytes: Uint8Array): number {
  const space = bytes.lastIndexOf(0x20);
  if (space > 0) return space + 1;
  let at = bytes.length - 1;
  while (at > bytes.length - 4 && (bytes[at]! & 0xc0) === 0x80) at--;
  return at > 0 ? at : bytes.length;
}

function readFailure(cause: unknown): unknown {
  if (!(cause instanceof Error) || !("code" in cause)) return cause;
  if (typeof cause.code === "string" && cause.code.startsWith("Z_")) {
    return new AlbertError("corrupt", "a gzipped text file is damaged or cut off", { reason: "TEXT_CORRUPT", cause });
  }
  return new AlbertError("not-found", `a text file cannot be read (${String(cause.code)})`, {
    reason: "TEXT_UNREADABLE",
    cause,
  });
}
