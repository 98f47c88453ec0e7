import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { AlbertError } from "../../errors.ts";
import { quantiseRows } from "../../model/formats/scaled-int8.ts";
import { codePointStarts } from "../../tasks/offset-units.ts";
import { folderFiles } from "../documents/folder-files.ts";
import { documentKind, readDocument } from "../documents/read-document.ts";
import { RUN_NUMBERS } from "../documents/source-runs.ts";
import type { TextEncoder } from "../encoder.ts";
import { type PassageRule, splitPassages } from "../passages/split-passages.ts";
import { type IndexContents, type IndexedFile, PASSAGE_COLUMNS, PASSAGE_WIDTH } from "./index-contents.ts";

// Makes an index of a folder: reads the files, cuts them into passages and turns those into vectors. Files that an earlier
// index has already are taken over from it.

/** What an index is made from. */
export interface BuildOptions {
  readonly folder: string;
  readonly encoder: TextEncoder;
  readonly rule: PassageRule;
  /** An earlier index of the same or another folder. */
  readonly previous?: IndexContents;
  /** Called for each file that is done. */
  readonly onProgress?: (progress: BuildProgress) => void;
  readonly signal?: AbortSignal;
}

/** How far a build is. */
export interface BuildProgress {
  readonly files: number;
  readonly totalFiles: number;
  readonly passages: number;
}

/** An index, and what became of the folder's files. */
export interface BuiltIndex {
  readonly contents: IndexContents;
  /** Files whose passages and vectors were taken over from the earlier index. */
  readonly unchanged: number;
  /** Files of the earlier index that are not in the folder any more. */
  readonly removed: number;
  /** Files that should be read and cannot be, with the reason. */
  readonly skipped: readonly { readonly path: string; readonly why: string }[];
  /** Files of kinds that are not read. */
  readonly others: readonly string[];
}

/** One file's part of an index. */
interface FilePart {
  readonly file: IndexedFile;
  readonly text: Uint8Array;
  /** [n, PASSAGE_WIDTH], with its file's index still to be written. */
  readonly passages: Int32Array;
  readonly values: Int8Array;
  readonly scales: Float32Array;
  readonly runs: Int32Array;
}

/**
 * Indexes a folder. A file that cannot be read as text is skipped and reported; the others are indexed.
 *
 * @throws AlbertError as `folderFiles`; invalid-input (NO_EXAMPLES) where no file has a passage; the signal's reason
 */
export async function buildIndex(options: BuildOptions): Promise<BuiltIndex> {
  const { folder, encoder, rule, previous, onProgress, signal } = options;
  const { read, others } = await folderFiles(folder);
  const known = previous === undefined ? undefined : knownFiles(previous, encoder, rule);
  const parts: FilePart[] = [];
  const skipped: { path: string; why: string }[] = [];
  let unchanged = 0;
  let passages = 0;
  for (const [done, path] of read.entries()) {
    signal?.throwIfAborted();
    try {
      const bytes = await readFile(join(folder, path));
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      const kind = documentKind(path)!; // `read` has such files only
      const old = known?.(sha256, kind);
      if (old !== undefined) unchanged++;
      const part = old ?? (await indexFile({ path, kind, bytes, sha256 }, options));
      parts.push({ ...part, file: { ...part.file, path } });
      passages += part.scales.length;
    } catch (error) {
      skipped.push({ path, why: whyNot(error, signal) });
    }
    onProgress?.({ files: done + 1, totalFiles: read.length, passages });
  }
  if (passages === 0) {
    const why = skipped.length === 0 ? "all of them are empty" : skipped.map(({ why }) => why).join("; ");
    const message = `${folder} has ${read.length} files that are read, and none has a passage: ${why}`;
    throw new AlbertError("invalid-input", message, { reason: "NO_EXAMPLES" });
  }
  const here = new Set(read);
  const removed = previous?.files.filter((file) => !here.has(file.path)).length ?? 0;
  return { contents: joined(parts, encoder, rule), unchanged, removed, skipped, others };
}

/** Why one file is not in the index. @throws what concerns all of them */
function whyNot(error: unknown, signal: AbortSignal | undefined): string {
  signal?.throwIfAborted();
  if (error instanceof AlbertError && error.code === "invalid-input") return error.message;
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "EACCES" || code === "EPERM") return `it cannot be read (${code})`;
  throw error;
}

async function indexFile(
  { path, kind, bytes, sha256 }: Pick<IndexedFile, "path" | "kind" | "sha256"> & { readonly bytes: Buffer },
  { encoder, rule, signal }: BuildOptions,
): Promise<FilePart> {
  const document = await readDocument(path, bytes, kind);
  const { text } = document;
  const ranges = splitPassages(document, encoder.tokenizer.tokenize(text).starts, rule);
  const utf8 = Buffer.from(text, "utf8");
  const passages = new Int32Array(ranges.length * PASSAGE_WIDTH);
  const codePoints = codePointStarts(text);
  const place = { at: 0, bytes: 0 };
  const bytesBefore = (at: number) => {
    // Passages overlap by a sentence, so that a start may lie before the last end.
    if (at < place.at) place.bytes -= Buffer.byteLength(text.slice(at, place.at));
    else place.bytes += Buffer.byteLength(text.slice(place.at, at));
    place.at = at;
    return place.bytes;
  };
  for (const [i, { start, end }] of ranges.entries()) {
    const row = i * PASSAGE_WIDTH;
    passages[row + PASSAGE_COLUMNS.start] = start;
    passages[row + PASSAGE_COLUMNS.end] = end;
    passages[row + PASSAGE_COLUMNS.codePointStart] = indexIn(codePoints, start);
    passages[row + PASSAGE_COLUMNS.byteStart] = bytesBefore(start);
    passages[row + PASSAGE_COLUMNS.byteEnd] = bytesBefore(end);
  }
  const { width } = encoder.about;
  const vectors = new Float32Array(ranges.length * width);
  let at = 0;
  const texts = ranges.map(({ start, end }) => text.slice(start, end));
  for await (const vector of encoder.encode(texts, signal)) {
    vectors.set(vector, at);
    at += width;
  }
  const { data, scales } = quantiseRows({ shape: [ranges.length, width], data: vectors });
  const runs = document.sourceRuns ?? new Int32Array(0);
  const file = {
    ...{ path, kind, bytes: bytes.length, sha256 },
    passages: ranges.length,
    textBytes: utf8.length,
    sourceRuns: runs.length / RUN_NUMBERS,
  };
  return { file, text: utf8, passages, values: data, scales: scales.data, runs };
}

/** Where a value stands in a list that ascends; it is there. */
function indexIn(ascending: Int32Array, value: number): number {
  let low = 0;
  let high = ascending.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Finds files of the same content in an earlier index; undefined where that was made otherwise. */
function knownFiles(previous: IndexContents, { about }: TextEncoder, rule: PassageRule) {
  const { encoder } = previous;
  const same =
    encoder.digest === about.digest &&
    encoder.pooling === about.pooling &&
    previous.rule.version === rule.version &&
    previous.rule.maxTokens === rule.maxTokens;
  if (!same) return undefined;
  const parts = new Map<string, FilePart>();
  let [passage, text, run] = [0, 0, 0];
  const { width } = encoder;
  for (const file of previous.files) {
    const [nextPassage, nextText, nextRun] = [passage + file.passages, text + file.textBytes, run + file.sourceRuns];
    parts.set(`${file.sha256} ${file.kind}`, {
      file,
      text: previous.texts.subarray(text, nextText),
      passages: previous.passages.slice(passage * PASSAGE_WIDTH, nextPassage * PASSAGE_WIDTH),
      values: previous.vectors.values.subarray(passage * width, nextPassage * width),
      scales: previous.vectors.scales.subarray(passage, nextPassage),
      runs: previous.sourceRuns.subarray(run * RUN_NUMBERS, nextRun * RUN_NUMBERS),
    });
    [passage, text, run] = [nextPassage, nextText, nextRun];
  }
  return (sha256: string, kind: IndexedFile["kind"]) => parts.get(`${sha256} ${kind}`);
}

function joined(parts: readonly FilePart[], { about }: TextEncoder, rule: PassageRule): IndexContents {
  const passages = concatenated(
    Int32Array,
    parts.map(({ passages }) => passages),
  );
  let row = 0;
  for (const [index, { file }] of parts.entries()) {
    for (const end = row + file.passages; row < end; row++)
      passages[row * PASSAGE_WIDTH + PASSAGE_COLUMNS.file] = index;
  }
  return {
    encoder: about,
    rule,
    files: parts.map(({ file }) => file),
    vectors: {
      width: about.width,
      values: concatenated(
        Int8Array,
        parts.map(({ values }) => values),
      ),
      scales: concatenated(
        Float32Array,
        parts.map(({ scales }) => scales),
      ),
    },
    passages,
    texts: concatenated(
      Uint8Array,
      parts.map(({ text }) => text),
    ),
    sourceRuns: concatenated(
      Int32Array,
      parts.map(({ runs }) => runs),
    ),
  };
}

type NumberArray = Int8Array | Uint8Array | Int32Array | Float32Array;

function concatenated<A extends NumberArray>(Kind: new (length: number) => A, parts: readonly A[]): A {
  const whole = new Kind(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
