import { invariant } from "../../errors.ts";
import { sourceRange } from "../documents/source-runs.ts";
import { nearest } from "../vectors/nearest.ts";
import { type IndexEncoder, type IndexedFile, PASSAGE_COLUMNS, PASSAGE_WIDTH } from "./index-contents.ts";
import type { StoredIndex } from "./index-file.ts";

// An opened index: finds passages by vectors, and tells where they stand.

/** A passage that was found. */
export interface FoundPassage {
  /** Path of its file in the indexed folder. */
  readonly file: string;
  /** sha256 (hex) of that file's bytes, as it was read. */
  readonly fileSha256: string;
  /** Exactly the file's text at `start..end`. */
  readonly text: string;
  /** Half-open range in the file's text as it was read, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
  /** Its start in code points and in bytes of UTF-8, for offsets in other units. */
  readonly codePointStart: number;
  readonly byteStart: number;
  /** Cosine of its vector and the question's. */
  readonly similarity: number;
  /** Of HTML: where the passage's characters stand in the file, in UTF-16 units; `[start, end]` for each. See `passageSource`. */
  readonly source?: PassageSource;
}

/** What maps ranges of an HTML file's text to its markup. */
export interface PassageSource {
  /** Rows of source runs of the file that concern the passage; see `source-runs.ts`. */
  readonly runs: Int32Array;
  /** Where the last of them ends in the text. */
  readonly textEnd: number;
}

/** What an index consists of, in numbers. */
export interface IndexSummary {
  readonly digest: string;
  readonly encoder: IndexEncoder;
  /** Most pieces of a passage. */
  readonly passageTokens: number;
  readonly files: number;
  readonly passages: number;
  /** Bytes of the texts as UTF-8. */
  readonly textBytes: number;
}

export class SearchIndex {
  readonly #index: StoredIndex;
  /** For each file: where its texts and source runs begin. */
  readonly #starts: readonly { readonly text: number; readonly runs: number }[];
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(index: StoredIndex) {
    this.#index = index;
    let text = 0;
    let runs = 0;
    this.#starts = index.files.map((file) => {
      const starts = { text, runs };
      text += file.textBytes;
      runs += file.sourceRuns;
      return starts;
    });
  }

  get summary(): IndexSummary {
    const { digest, encoder, rule, files, vectors, texts } = this.#index;
    const passages = vectors.scales.length;
    return {
      ...{ digest, encoder, passages },
      passageTokens: rule.maxTokens,
      files: files.length,
      textBytes: texts.length,
    };
  }

  get files(): readonly IndexedFile[] {
    return this.#index.files;
  }

  /**
   * The passages whose vectors are nearest to a question's, nearest first.
   *
   * @param vector  of length 1, by the index's encoder
   * @param pause   as `nearest`
   */
  async find(vector: Float32Array, count: number, pause?: () => Promise<void>): Promise<FoundPassage[]> {
    const { vectors } = this.#index;
    invariant(vector.length === vectors.width, `a vector of ${vector.length} numbers for an index of ${vectors.width}`);
    const found = await nearest(vectors, vector, count, pause);
    return found.map(({ index, similarity }) => ({ ...this.#passage(index), similarity }));
  }

  /** The text of a file as it was read; undefined for a file that is not in the index. */
  textOf(path: string): string | undefined {
    const at = this.#index.files.findIndex((file) => file.path === path);
    if (at < 0) return undefined;
    const { text } = this.#starts[at]!;
    return this.#decode(text, text + this.#index.files[at]!.textBytes);
  }

  #passage(index: number): Omit<FoundPassage, "similarity"> {
    const { files, passages } = this.#index;
    const column = (name: keyof typeof PASSAGE_COLUMNS) => passages[index * PASSAGE_WIDTH + PASSAGE_COLUMNS[name]]!;
    const at = column("file");
    const file = files[at]!;
    const { text } = this.#starts[at]!;
    const [start, end, byteStart] = [column("start"), column("end"), column("byteStart")];
    const source = this.#source(at, start, end);
    return {
      ...{ file: file.path, fileSha256: file.sha256, start, end, byteStart },
      codePointStart: column("codePointStart"),
      text: this.#decode(text + byteStart, text + column("byteEnd")),
      ...(source === undefined ? {} : { source }),
    };
  }

  #decode(from: number, to: number): string {
    return this.#decoder.decode(this.#index.texts.subarray(from, to));
  }

  /** The source runs from the one that holds `start` to the one that holds the character before `end`. */
  #source(at: number, start: number, end: number): PassageSource | undefined {
    const { files, sourceRuns } = this.#index;
    const { sourceRuns: count } = files[at]!;
    if (count === 0) return undefined;
    const from = this.#starts[at]!.runs;
    const textStart = (row: number) => sourceRuns[row * 3]!;
    let first = from;
    while (first + 1 < from + count && textStart(first + 1) <= start) first++;
    let last = first;
    while (last + 1 < from + count && textStart(last + 1) < end) last++;
    const textEnd = last + 1 < from + count ? textStart(last + 1) : this.#textLength(at);
    return { runs: sourceRuns.slice(first * 3, (last + 1) * 3), textEnd };
  }

  #textLength(at: number): number {
    const { text } = this.#starts[at]!;
    return this.#decode(text, text + this.#index.files[at]!.textBytes).length;
  }
}

/** Where a range of a passage's file stands in that file: the range itself, or of HTML the range of the markup. */
export function placeInFile(
  { source }: Pick<FoundPassage, "source">,
  range: { readonly start: number; readonly end: number },
): { readonly start: number; readonly end: number } {
  return source === undefined ? range : sourceRange(source.runs, source.textEnd, range);
}
