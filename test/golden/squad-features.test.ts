import { beforeAll, describe, expect, it } from "vitest";
import { readSquad, type SquadQuestion } from "../../src/tasks/datasets/squad.ts";
import {
  prepareContext,
  type SquadFeature,
  type SquadLengths,
  spanLabels,
  squadFeatures,
  trainingAnswer,
} from "../../src/tasks/question-answering/squad-features.ts";
import { loadTokenizerFile } from "../../src/tokenizer/load-tokenizer.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { fixture, missing, officialVocabulary } from "../support/fixtures.ts";
import { jsonFile, jsonLines } from "./json-lines.ts";

interface ManifestEntry {
  readonly file: string;
  readonly data: string;
  readonly is_training: boolean;
  readonly do_lower_case: boolean;
  readonly padding: string;
  readonly max_seq_length: number;
  readonly doc_stride: number;
  readonly max_query_length: number;
  readonly dropped_example_indexes: readonly number[] | null;
}

const manifest = fixture("features/squad/manifest.json");
const vocabulary = officialVocabulary();
const entries: ManifestEntry[] = manifest === undefined ? [] : jsonFile(manifest);

function dataset(name: string): SquadQuestion[] {
  return readSquad(jsonFile(fixture("features/squad", name)!), name);
}

/** One feature as the official code writes it out. */
function officialFeature(feature: SquadFeature, tokenizer: Tokenizer, padTo: number) {
  const used = feature.inputIds.length;
  const pad = <T>(values: ArrayLike<T>, filler: T): T[] => [
    ...Array.from(values),
    ...new Array<T>(Math.max(0, padTo - used)).fill(filler),
  ];
  return {
    doc_span_index: feature.window,
    tok_start_to_orig_index: Array.from(feature.startCharacters),
    tok_end_to_orig_index: Array.from(feature.endCharacters),
    tokens: pad(
      Array.from(feature.inputIds, (id) => tokenizer.pieceOf(id)),
      "<pad>",
    ),
    input_ids: pad(feature.inputIds, 0),
    input_mask: pad(new Uint8Array(used).fill(1), 0),
    segment_ids: pad(feature.tokenTypeIds, 0),
    paragraph_len: used,
    p_mask: pad(feature.answerMask, 1),
    token_is_max_context: Object.fromEntries(
      Array.from(feature.maxContext, (flag, i) => [String(feature.documentOffset + i), flag === 1]),
    ),
  };
}

describe.skipIf(missing("features/squad with the English vocabulary", manifest && vocabulary))("SQuAD features", () => {
  const tokenizers = new Map<boolean, Tokenizer>();
  // Not while tests are collected, which happens where they are skipped too.
  beforeAll(() => {
    for (const lowerCase of [true, false]) {
      tokenizers.set(lowerCase, loadTokenizerFile(vocabulary!, { kind: "sentencepiece", lowerCase })); // else skipped
    }
  });

  it.each(entries)("equal the official ones: $file", (entry) => {
    const tokenizer = tokenizers.get(entry.do_lower_case)!;
    const lengths: SquadLengths = {
      maxSequenceLength: entry.max_seq_length,
      docStride: entry.doc_stride,
      maxQueryLength: entry.max_query_length,
    };
    const expected = jsonLines<Record<string, unknown>>(fixture("features/squad", entry.file)!);
    const padTo = entry.padding.includes("stored padded") ? entry.max_seq_length : 0;
    const dropped: number[] = [];
    const actual: Record<string, unknown>[] = [];
    for (const [index, question] of dataset(entry.data).entries()) {
      const context = prepareContext(question.context, tokenizer, "official");
      if (context === undefined) {
        dropped.push(index);
        continue;
      }
      const features = squadFeatures(question.question, context, tokenizer, lengths);
      const labels = entry.is_training
        ? spanLabels(features, lengths.docStride, trainingAnswer(question, context))
        : undefined;
      features.forEach((feature, i) => {
        const label = labels?.[i];
        actual.push({
          unique_id: 1_000_000_000 + actual.length,
          example_index: entry.is_training ? null : index,
          ...officialFeature(feature, tokenizer, padTo),
          start_position: label?.startPosition ?? null,
          end_position: label?.endPosition ?? null,
          is_impossible: label?.isImpossible ?? false,
        });
      });
    }
    expect(actual.length).toBe(expected.length);
    for (const [i, feature] of actual.entries()) expect(feature, `feature ${i}`).toEqual(expected[i]);
    if (entry.dropped_example_indexes !== null) expect(dropped).toEqual(entry.dropped_example_indexes);
  });

  it.each([...new Set(entries.map(({ data }) => data))])(
    "reads the questions of %s as the official reader does",
    (name) => {
      const path = fixture("features/squad", name.replace(/\.json$/, "_examples.jsonl"));
      if (path === undefined) return;
      const training = entries.find(({ data }) => data === name)!.is_training;
      const actual = dataset(name).map((question, i) => {
        const answer = question.isImpossible ? { text: "", answerStart: -1 } : question.answers[0]!;
        return {
          example_index: i,
          qas_id: question.id,
          question_text: question.question,
          orig_answer_text: training ? answer.text : null,
          start_position: training ? answer.answerStart : null,
          is_impossible: training && question.isImpossible,
        };
      });
      expect(actual).toEqual(jsonLines(path));
    },
  );
});
