import { createReadStream, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readRecords } from "../../src/model/formats/tf-record.ts";
import { decodeExample } from "../../src/pretraining/records/tf-example.ts";
import { folderArticles } from "../../src/tasks/datasets/article-files.ts";
import { fileSource } from "../../src/tasks/datasets/data-source.ts";
import {
  GLUE_TASKS,
  type GlueSplit,
  type GlueTaskName,
  glueExamples,
  glueLabelId,
  processGlueExample,
} from "../../src/tasks/datasets/glue.ts";
import { type RaceFilter, type RaceSplit, raceQuestions } from "../../src/tasks/datasets/race.ts";
import { processText } from "../../src/tasks/features/process-text.ts";
import { type EncodedSequence, encodeTexts } from "../../src/tasks/features/sequence.ts";
import { encodeChoices, questionWithChoice } from "../../src/tasks/multiple-choice/choice-sequence.ts";
import { loadTokenizerFile } from "../../src/tokenizer/load-tokenizer.ts";
import { fixture, missing, officialVocabulary } from "../support/fixtures.ts";
import { jsonFile, jsonLines } from "./json-lines.ts";

const vocabulary = officialVocabulary();
const loaded = new Map<boolean, ReturnType<typeof loadTokenizerFile>>();

function tokenizerFor(lowerCase: boolean) {
  const tokenizer = loaded.get(lowerCase) ?? loadTokenizerFile(vocabulary!, { kind: "sentencepiece", lowerCase });
  loaded.set(lowerCase, tokenizer);
  return tokenizer;
}

/** A sequence padded with zeros, as the official code writes it out. */
function padded({ inputIds, tokenTypeIds }: EncodedSequence, length: number) {
  const pad = (values: ArrayLike<number>) => Array.from({ length }, (_, i) => values[i] ?? 0);
  return { input_ids: pad(inputIds), input_mask: pad(inputIds.map(() => 1)), segment_ids: pad(tokenTypeIds) };
}

interface GlueEntry {
  readonly file: string;
  readonly task: string;
  readonly split: GlueSplit;
  readonly do_lower_case: boolean;
  readonly max_seq_length: number;
  readonly labels: readonly (string | null)[];
  readonly n: number;
}

const glueManifest = fixture("features/glue/manifest.json");

describe.skipIf(missing("features/glue with the English vocabulary", glueManifest && vocabulary))(
  "GLUE features",
  () => {
    const entries =
      glueManifest === undefined
        ? []
        : jsonFile<GlueEntry[]>(glueManifest).filter((entry) => entry.file?.endsWith(".jsonl"));

    it.each(entries)("equal the official ones: $file", async (entry) => {
      const task = GLUE_TASKS.get((entry.task === "mismnli" ? "mnli-mm" : entry.task) as GlueTaskName)!;
      const tokenizer = tokenizerFor(entry.do_lower_case);
      if (!task.isRegression) expect(task.labels).toEqual(entry.labels);
      const path = fixture("features/glue", task.directory, task.files[entry.split]!)!;
      const actual: unknown[] = [];
      for await (const example of glueExamples(fileSource(path), task, entry.split)) {
        const { guid, text, textPair, label, ...rest } = processGlueExample(example, task, tokenizer);
        const pair = textPair === undefined ? undefined : tokenizer.tokenize(textPair);
        const encoded = encodeTexts(tokenizer, tokenizer.tokenize(text), pair, entry.max_seq_length);
        actual.push({
          guid,
          text_a: text,
          text_b: textPair ?? null,
          label,
          label_id: glueLabelId({ guid, text, label, ...rest }, task),
          ...padded(encoded, entry.max_seq_length),
          is_real_example: true,
          tokens: Array.from(encoded.inputIds, (id) => tokenizer.pieceOf(id)),
        });
      }
      expect(actual).toEqual(jsonLines(fixture("features/glue", entry.file)!));
    });
  },
);

const recordFiles = readdirSync(fixture("features/glue/expected") ?? ".").filter((name) => name.endsWith(".tf_record"));

describe.skipIf(missing("GLUE TFRecords with the English vocabulary", recordFiles.length > 0 && vocabulary))(
  "GLUE records",
  () => {
    it.each(recordFiles)("of the official writer hold these features: %s", async (name) => {
      const [taskName, split] = name.replace(".tf_record", "").split("_") as [GlueTaskName, GlueSplit];
      const task = GLUE_TASKS.get(taskName)!;
      const tokenizer = tokenizerFor(true);
      const rows: unknown[] = [];
      let length = 0;
      for await (const record of readRecords(createReadStream(fixture("features/glue/expected", name)!))) {
        const example = decodeExample(record);
        length = example.get("input_ids")!.values.length;
        rows.push(
          Object.fromEntries(Array.from(example, ([key, feature]) => [key, Array.from(feature.values, Number)])),
        );
      }
      const expected: unknown[] = [];
      const path = fixture("features/glue", task.directory, task.files[split]!)!;
      for await (const example of glueExamples(fileSource(path), task, split)) {
        const { text, textPair, ...rest } = processGlueExample(example, task, tokenizer);
        const pair = textPair === undefined ? undefined : tokenizer.tokenize(textPair);
        const label = glueLabelId({ text, ...rest }, task);
        expected.push({
          ...padded(encodeTexts(tokenizer, tokenizer.tokenize(text), pair, length), length),
          label_ids: [task.isRegression ? Math.fround(label) : label],
          is_real_example: [1],
        });
      }
      expect(rows).toEqual(expected);
    });
  },
);

interface RaceEntry {
  readonly file?: string;
  readonly split: RaceSplit;
  readonly do_lower_case: boolean;
  readonly max_seq_length: number;
  readonly max_qa_length: number;
  readonly filter?: "none" | { readonly high_only: boolean; readonly middle_only: boolean };
  readonly order_of_ids?: readonly string[];
}

const raceManifest = fixture("features/race/manifest.json");

describe.skipIf(missing("features/race with the English vocabulary", raceManifest && vocabulary))(
  "RACE features",
  () => {
    const entries = raceManifest === undefined ? [] : jsonFile<RaceEntry[]>(raceManifest);
    const questions = (filter: RaceFilter) => raceQuestions(folderArticles(fixture("features/race")!), filter);

    it.each(entries.filter(({ file }) => file !== undefined))("equal the official ones: $file", async (entry) => {
      const tokenizer = tokenizerFor(entry.do_lower_case);
      const lengths = { maxSequenceLength: entry.max_seq_length, maxQaLength: entry.max_qa_length };
      const actual = (await questions({ split: entry.split })).map((asked, index) => {
        const context = tokenizer.tokenize(asked.article);
        const rows = encodeChoices(tokenizer, context, asked, lengths).map((row) => padded(row, entry.max_seq_length));
        return {
          index,
          example_id: asked.id,
          label_id: asked.answer,
          context_sentence: processText(tokenizer, asked.article),
          endings: asked.options.map((option) => questionWithChoice(tokenizer, asked.question, option)),
          input_ids: rows.map((row) => row.input_ids),
          input_mask: rows.map((row) => row.input_mask),
          segment_ids: rows.map((row) => row.segment_ids),
          is_real_example: true,
        };
      });
      expect(actual).toEqual(jsonLines(fixture("features/race", entry.file!)!));
    });

    it.each(entries.filter(({ order_of_ids }) => order_of_ids !== undefined))(
      "come in the official order: $filter",
      async (entry) => {
        const filter = typeof entry.filter === "object" ? entry.filter : undefined;
        const level = filter?.high_only ? "high" : filter?.middle_only ? "middle" : undefined;
        const ids = async (split: RaceSplit) =>
          (await questions({ split, ...(level === undefined ? {} : { level }) })).map(({ id }) => id);
        expect(await ids("train")).toEqual(entry.order_of_ids);
        for (const [split, expected] of Object.entries(entry)) {
          if (split === "dev" || split === "test") expect(await ids(split)).toEqual(expected);
        }
      },
    );
  },
);
