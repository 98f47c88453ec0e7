import { isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { AlbertError } from "../../errors.ts";

/** Bytes with a name for error messages; may be opened again and again, each time from the beginning. */
export interface DataSource {
  readonly name: string;
  open(): AsyncIterable<Uint8Array>;
}

/** A place in a data file, as editors count: lines and columns from 1, columns in UTF-16 units. */
export interface DataLocation {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A file on disk. `name` is what messages call it; the path as given when left out. */
export function fileSource(path: string, name = path): DataSource {
  return { name, open: () => createReadStream(path, { highWaterMark: 1 << 18 }) };
}

/** Bytes or text that are already in memory. */
export function memorySource(name: string, content: Uint8Array | string): DataSource {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  return {
    name,
    async *open() {
      yield bytes;
    },
  };
}

/** `file:line:column` */
export function formatLocation({ file, line, column }: DataLocation): string {
  return `${file}:${line}:${column}`;
}

/** Wrong data, at a place in a file. */
export function dataError(location: DataLocation, description: string, cause?: unknown): AlbertError {
  return new AlbertError("invalid-input", `${formatLocation(location)}: ${description}`, {
    reason: "DATA_INVALID",
    metadata: { file: location.file, line: String(location.line), column: String(location.column) },
    cause,
  });
}

/**
 * The source's bytes, unpacked if they are gzip, whatever the name says.
 *
 * @throws AlbertError not-found (FILE_NOT_READABLE); invalid-input (DATA_INVALID) for a damaged gzip stream
 */
export async function* unpackedBytes(source: DataSource): AsyncGenerator<Uint8Array> {
  const chunks = source.open()[Symbol.asyncIterator]();
  try {
    let head: Uint8Array = new Uint8Array(0);
    while (head.length < 2) {
      const next = await chunks.next();
      if (next.done) break;
      head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
    }
    const whole = prepend(head, chunks);
    if (head[0] === 0x1f && head[1] === 0x8b) {
      yield* Readable.from(whole, { objectMode: false }).pipe(createGunzip());
    } else yield* whole;
  } catch (cause) {
    if (cause instanceof AlbertError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (code?.startsWith("Z_"))
      throw dataError({ file: source.name, line: 1, column: 1 }, "damaged gzip stream", cause);
    throw new AlbertError("not-found", `${source.name} cannot be read (${code ?? "unknown error"})`, {
      reason: "FILE_NOT_READABLE",
      cause,
    });
  }
}

/** One line of a text file. */
export interface TextLine {
  /** Without its "\n"; a "\r" before that is kept. Bytes that are not UTF-8 read as U+FFFD. */
  readonly text: string;
  /** From 1. */
  readonly line: number;
  readonly isUtf8: boolean;
  /** On the first line: whether the file begins with a byte order mark. */
  readonly hadByteOrderMark: boolean;
}

/**
 * The lines of a text file, one at a time. Only "\n" ends a line. A byte order mark at the beginning is dropped. A last line
 * without "\n" counts; nothing behind the last "\n" does not.
 */
export async function* textLines(source: DataSource): AsyncGenerator<TextLine> {
  let rest: Uint8Array[] = [];
  let line = 0;
  const decode = (bytes: Buffer): TextLine => {
    line++;
    const bom = line === 1 && bytes.length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
    return { text: bytes.toString("utf8", bom ? 3 : 0), line, isUtf8: isUtf8(bytes), hadByteOrderMark: bom };
  };
  for await (const chunk of unpackedBytes(source)) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = 0;
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
      const tail = bytes.subarray(start, end);
      yield decode(rest.length === 0 ? tail : Buffer.concat([...rest, tail]));
      rest = [];
      start = end + 1;
    }
    if (start < bytes.length) rest.push(bytes.subarray(start));
  }
  if (rest.length > 0) yield decode(Buffer.concat(rest));
}

/** Where a line that is not UTF-8 first goes wrong: the column of its first replacement character. */
export function invalidUtf8At(line: TextLine, file: string): DataLocation {
  return { file, line: line.line, column: Math.max(0, line.text.indexOf("\ufffd")) + 1 };
}

/** A text that is read as a whole. */
export interface DecodedText {
  /** Without a byte order mark. */
  readonly text: string;
  readonly hadByteOrderMark: boolean;
}

/**
 * A whole text, and whether a byte order mark stood before it.
 *
 * @throws AlbertError invalid-input (DATA_INVALID) at the first byte that is not UTF-8
 */
export async function decodedText(source: DataSource): Promise<DecodedText> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of unpackedBytes(source)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const text = bytes.toString("utf8");
  if (!isUtf8(bytes)) {
    const location = locationAt(source.name, text, text.indexOf("\ufffd"));
    throw dataError(location, "not UTF-8: save the file in that encoding");
  }
  const hadByteOrderMark = text.charCodeAt(0) === 0xfeff;
  return { text: hadByteOrderMark ? text.slice(1) : text, hadByteOrderMark };
}

/** A whole text, without a byte order mark. Errors as {@link decodedText}. */
export async function wholeText(source: DataSource): Promise<string> {
  return (await decodedText(source)).text;
}

/** Line and column of a UTF-16 offset into a text. */
export function locationAt(file: string, text: string, offset: number): DataLocation {
  let line = 1;
  let start = 0;
  for (let end = text.indexOf("\n"); end >= 0 && end < offset; end = text.indexOf("\n", start)) {
    line++;
    start = end + 1;
  }
  return { file, line, column: Math.max(0, offset - start) + 1 };
}

async function* prepend<T>(first: T, rest: AsyncIterator<T>): AsyncGenerator<T> {
  try {
    yield first;
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}
