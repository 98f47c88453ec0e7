import type { Example } from "../tasks/datasets/examples.ts";
import type { OffsetSource } from "../tasks/question-answering/squad-features.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { TrainingRecord } from "./collate.ts";
import { type RecordOptions, recordMaker } from "./data/records.ts";

/** The records of a stream of examples. @param onDropped  told of each example that makes none */
export async function* recordStream(
  examples: AsyncIterable<Example>,
  options: RecordOptions,
  onDropped: (example: Example) => void,
): AsyncGenerator<TrainingRecord> {
  const recordsOf = recordMaker(options);
  for await (const example of examples) {
    const records = recordsOf(example);
    if (records.length === 0) onDropped(example);
    yield* records;
  }
}

/** What of the options changes the records: the parameters of their cache. */
export function recordParameters(options: RecordOptions): Record<string, string | number> {
  const { task, head, maxSequenceLength, docStride, maxQueryLength, maxQaLength, offsets = "exact" } = options;
  const common = { task, head: JSON.stringify(head), maxSequenceLength };
  switch (head.kind) {
    case "span":
    case "span-answerability":
      return { ...common, docStride, maxQueryLength, offsets };
    case "multiple-choice":
      return { ...common, maxQaLength };
    default:
      return common;
  }
}

/** Google's alignment needs the pieces of a SentencePiece model; others bring exact offsets of their own. */
export function offsetsOf(tokenizer: Tokenizer): OffsetSource {
  return tokenizer.kind === "sentencepiece" ? "official" : "exact";
}
