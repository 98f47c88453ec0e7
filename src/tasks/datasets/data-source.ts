import { isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";
import { AlbertError } from "../../errors.ts";
import { fileKindOf, KIND_BYTES, utf16Of } from "../../platform/file-kind.ts";
import { MAX_LINE_BYTES, MAX_TEXT_BYTES, tooLarge } from "./data-limits.ts";
import { isGzip, unpackedGzip } from "./gzip.ts";

// Data files as bytes, lines and whole texts, with places in them and bounds on what is held of them.

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
 * The source's bytes, unpacked if they are gzip, whatever the name says. Text in UTF-16 with a byte order mark, as Excel saves it,
 * comes as UTF-8.
 *
 * @throws AlbertError not-found (FILE_NOT_READABLE); invalid-input (DATA_INVALID) for a damaged gzip stream; invalid-input
 *   (FORMAT_UNKNOWN) for a file of a kind that holds no text, such as a Parquet file; invalid-input
 *   (DATA_TOO_LARGE) for one that unpacks to far more than data does
 */
export async function* unpackedBytes(source: DataSource): AsyncGenerator<Uint8Array> {
  const chunks = source.open()[Symbol.asyncIterator]();
  try {
    let head: Uint8Array = new Uint8Array(0);
    while (head.length < KIND_BYTES) {
      const next = await chunks.next();
      if (next.done) break;
      head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
    }
    const whole = prepend(head, chunks);
    yield* asUtf8(isGzip(head) ? unpackedGzip(whole, source.name) : whole, source.name);
  } catch (cause) {
    if (cause instanceof AlbertError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (code?.startsWith("Z_"))
      throw dataError({ file: source.name, line: 1, column: 1 }, "damaged gzip stream", cause);
    throw notReadable(source.name, cause);
  }
}

/** A file or folder that the operating system does not let us read. */
export function notReadable(name: string, cause: unknown): AlbertError {
  const { code = "unknown error" } = cause as NodeJS.ErrnoException;
  const why: Readonly<Record<string, string>> = {
    ENOENT: "it does not exist",
    ENOTDIR: "a part of its path is no folder",
    EISDIR: "it is a folder, and a file is expected here",
    EACCES: "this user may not read it",
    EPERM: "this user may not read it",
    EMFILE: "this process has too many open files (ulimit -n)",
  };
  return new AlbertError("not-found", `${name} cannot be read: ${why[code] ?? "the system says"} (${code})`, {
    reason: "FILE_NOT_READABLE",
    cause,
  });
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
 *
 * @param maxBytes  of one line
 * @throws AlbertError as {@link unpackedBytes}; invalid-input (DATA_TOO_LARGE) for a longer line, of which no more is read
 */
export async function* textLines(source: DataSource, maxBytes = MAX_LINE_BYTES): AsyncGenerator<TextLine> {
  let rest: Uint8Array[] = [];
  let held = 0;
  let line = 0;
  const bounded = (bytes: number) => {
    if (bytes <= maxBytes) return;
    const location = { file: source.name, line: line + 1, column: 1 };
    throw tooLarge(formatLocation(location), `a line of more than ${maxBytes} bytes`, maxBytes, "write one row a line");
  };
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
      bounded(held + tail.length);
      yield decode(rest.length === 0 ? tail : Buffer.concat([...rest, tail]));
      rest = [];
      held = 0;
      start = end + 1;
    }
    if (start === bytes.length) continue;
    rest.push(bytes.subarray(start));
    held += bytes.length - start;
    bounded(held);
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
 * @param maxBytes  of the text, unpacked
 * @throws AlbertError as {@link unpackedBytes}; invalid-input (DATA_INVALID) at the first byte that is not UTF-8; invalid-input
 *   (DATA_TOO_LARGE) for a longer text, of which no more is read
 */
export async function decodedText(source: DataSource, maxBytes = MAX_TEXT_BYTES): Promise<DecodedText> {
  // Decoded as it comes, so that bytes and text are not held side by side.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const strict = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let size = 0;
  let sound = true;
  const check = (chunk?: Uint8Array) => {
    try {
      if (sound) strict.decode(chunk, { stream: chunk !== undefined });
    } catch {
      sound = false;
    }
  };
  for await (const chunk of unpackedBytes(source)) {
    size += chunk.length;
    if (size > maxBytes) {
      const advice = "write the rows as JSON Lines (one object a line), which are read one by one";
      throw tooLarge(source.name, `more than ${maxBytes} bytes in one document`, maxBytes, advice);
    }
    text += decoder.decode(chunk, { stream: true });
    check(chunk);
  }
  text += decoder.decode();
  check();
  if (!sound) {
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

/** Bytes of a text in UTF-8. @throws AlbertError invalid-input (FORMAT_UNKNOWN) */
async function* asUtf8(bytes: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  let decoder: InstanceType<typeof TextDecoder> | undefined;
  let first = true;
  for await (const chunk of bytes) {
    if (first && chunk.length > 0) {
      first = false;
      const kind = fileKindOf(chunk);
      if (kind !== undefined) {
        const message = `${name} is ${kind.what}, not a text file: ${kind.advice}`;
        throw new AlbertError("invalid-input", message, { reason: "FORMAT_UNKNOWN" });
      }
      const encoding = utf16Of(chunk);
      decoder = encoding && new TextDecoder(encoding);
    }
    yield decoder === undefined ? chunk : Buffer.from(decoder.decode(chunk, { stream: true }));
  }
  if (decoder !== undefined) yield Buffer.from(decoder.decode());
}

async function* prepend<T>(first: T, rest: AsyncIterator<T>): AsyncGenerator<T> {
  try {
    yield first;
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}
