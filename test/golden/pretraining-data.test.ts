import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { beforeAll, describe, expect, it } from "vitest";
import { frameRecord, readRecords } from "../../src/model/formats/tf-record.ts";
import { deriveSeed } from "../../src/model/random.ts";
import {
  type PackedTokens,
  packToken,
  startsWordInSentencePiece,
  startsWordInWordPiece,
  tokenId,
} from "../../src/pretraining/corpus/packed-token.ts";
import {
  type InstanceOptions,
  maxPredictions,
  type PretrainingInstance,
} from "../../src/pretraining/instances/instance.ts";
import { maskTokens, predictionBudget } from "../../src/pretraining/instances/masking.ts";
import { createOfficialInstances } from "../../src/pretraining/instances/official-instances.ts";
import { PythonRng } from "../../src/pretraining/instances/python-random.ts";
import { type Rng, SeededRng } from "../../src/pretraining/instances/rng.ts";
import { toExample } from "../../src/pretraining/records/official-features.ts";
import { decodeExample, encodeExample, type FeatureValues } from "../../src/pretraining/records/tf-example.ts";
import { loadTokenizerFile } from "../../src/tokenizer/load-tokenizer.ts";
import { preprocessText } from "../../src/tokenizer/sentencepiece/preprocess.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { fixture, missing, officialVocabulary } from "../support/fixtures.ts";

/** What a TFRecord file holds: each record as its features by name, whatever their order in the file. */
async function decodedRecords(file: Uint8Array): Promise<Record<string, FeatureValues>[]> {
  const records: Record<string, FeatureValues>[] = [];
  for await (const record of readRecords(Readable.from([file]))) {
    records.push(Object.fromEntries(decodeExample(record)));
  }
  return records;
}

interface Config {
  readonly name: string;
  readonly max_seq_length: number;
  readonly masked_lm_prob: number;
  readonly max_predictions_per_seq: number;
  readonly dupe_factor: number;
  readonly short_seq_prob: number;
  readonly random_seed: number;
  readonly numpy_seed: number;
  readonly do_whole_word_mask: boolean;
  readonly do_permutation: boolean;
  readonly favor_shorter_ngram: boolean;
  readonly random_next_sentence: boolean;
  readonly ngram: number;
  readonly do_lower_case: boolean;
}

interface GoldenInstance {
  readonly tokens: readonly string[];
  readonly segment_ids: readonly number[];
  readonly is_random_next: boolean;
  readonly token_boundary: readonly number[];
  readonly masked_lm_positions: readonly number[];
  readonly masked_lm_labels: readonly string[];
}

type Draw =
  | ["random", number]
  | ["randint", number, number, number]
  | ["shuffle", number[]]
  | ["choice", number[], number[], number];

function readLines<Line>(path: string): Line[] {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line): Line => JSON.parse(line));
}

/** Repeats a recorded run, and fails at the first draw that is of another kind or range than the recorded one. */
class ReplayedDraws implements Rng {
  readonly #rng: readonly Draw[];
  #next = 0;

  constructor(rng: readonly Draw[]) {
    this.#rng = rng;
  }

  get left(): number {
    return this.#rng.length - this.#next;
  }

  random(): number {
    return this.#take("random")[1];
  }

  integer(first: number, last: number): number {
    const [, low, high, value] = this.#take("randint");
    expect([first, last]).toEqual([low, high]);
    return value;
  }

  order(n: number): number[] {
    const [, order] = this.#take("shuffle");
    expect(order.length).toBe(n);
    return order;
  }

  choice(probabilities: readonly number[]): number {
    const [, options, expected, value] = this.#take("choice");
    expect(probabilities.length).toBe(options.length);
    for (const [i, p] of probabilities.entries()) expect(p).toBeCloseTo(expected[i]!, 12);
    return options.indexOf(value);
  }

  #take<Kind extends Draw[0]>(kind: Kind): Extract<Draw, [Kind, ...unknown[]]> {
    const draw = this.#rng[this.#next++];
    expect(draw?.[0], `draw ${this.#next - 1}`).toBe(kind);
    return draw as Extract<Draw, [Kind, ...unknown[]]>; // the line above has compared the kind
  }
}

/**
 * Fixtures hold pieces as text, where each unknown piece keeps its surface; here every distinct surface gets an id of its own
 * beyond the vocabulary, so that the text comes back.
 */
class SurfaceIds {
  readonly #tokenizer: Tokenizer;
  readonly #ids = new Map<string, number>();
  readonly #surfaces: string[] = [];

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  pack(pieces: readonly string[]): PackedTokens {
    return Uint32Array.from(pieces, (piece) => {
      const { cls, sep } = this.#tokenizer.special;
      if (piece === "[CLS]") return cls;
      if (piece === "[SEP]") return sep;
      return packToken(this.#idOf(piece), startsWordInSentencePiece(piece));
    });
  }

  text(id: number): string {
    const { vocabSize } = this.#tokenizer;
    return id < vocabSize ? this.#tokenizer.pieceOf(id) : this.#surfaces[id - vocabSize]!;
  }

  /** As the model sees it. */
  plain(id: number): number {
    return id < this.#tokenizer.vocabSize ? id : this.#tokenizer.special.unk;
  }

  #idOf(piece: string): number {
    const known = this.#tokenizer.idOf(piece);
    if (known !== this.#tokenizer.special.unk || piece === "<unk>") return known;
    let id = this.#ids.get(piece);
    if (id === undefined) {
      id = this.#tokenizer.vocabSize + this.#surfaces.length;
      this.#ids.set(piece, id);
      this.#surfaces.push(piece);
    }
    return id;
  }
}

const folder = fixture("pretraining_data");
const model = officialVocabulary();
const configs: Config[] = folder
  ? readdirSync(folder)
      .map((name) => join(folder, name, "config.json"))
      .flatMap((file) => {
        try {
          return [JSON.parse(readFileSync(file, "utf8")) as Config];
        } catch {
          return []; // not a configuration's folder
        }
      })
  : [];

describe.skipIf(missing("pretraining_data", folder))("rules of pretraining data", () => {
  it.skipIf(!fixture("pretraining_data", "start_piece.json"))("say where words begin as the official code does", () => {
    const cases: [string, boolean, boolean][] = JSON.parse(
      readFileSync(fixture("pretraining_data", "start_piece.json")!, "utf8"),
    );
    const got = cases.map(([piece]) => [piece, startsWordInSentencePiece(piece), startsWordInWordPiece(piece)]);
    expect(got).toEqual(cases);
  });

  it.skipIf(!fixture("pretraining_data", "budget.json"))("give every length its number of predictions", () => {
    const cases: [number, number][] = JSON.parse(readFileSync(fixture("pretraining_data", "budget.json")!, "utf8"));
    const options = { maskedLmProb: 0.15, maxPredictionsPerSequence: 20 } as InstanceOptions; // all that a budget depends on
    expect(cases.map(([length]) => [length, predictionBudget(length, options)])).toEqual(cases);
  });
});

interface Prepared {
  readonly surfaces: SurfaceIds;
  readonly options: InstanceOptions & { readonly dupeFactor: number };
  readonly documents: readonly PackedTokens[][];
}

const tokenizers = new Map<boolean, Tokenizer>();

function tokenizerFor(lowerCase: boolean): Tokenizer {
  const tokenizer = tokenizers.get(lowerCase) ?? loadTokenizerFile(model!, { kind: "sentencepiece", lowerCase });
  tokenizers.set(lowerCase, tokenizer);
  return tokenizer;
}

/** A configuration in our terms, and the input text read as the official code reads it. */
function prepare(config: Config): Prepared {
  const tokenizer = tokenizerFor(config.do_lower_case);
  const surfaces = new SurfaceIds(tokenizer);
  const documents: PackedTokens[][] = [[]];
  for (const line of readFileSync(join(folder!, "input_documents.txt"), "utf8").split("\n")) {
    if (preprocessText(line, { lowerCase: config.do_lower_case }) === "") documents.push([]);
    const { pieces } = tokenizer.tokenize(line);
    if (pieces.length > 0) documents.at(-1)!.push(surfaces.pack(pieces));
  }
  return {
    surfaces,
    documents: documents.filter((sentences) => sentences.length > 0),
    options: {
      maxSequenceLength: config.max_seq_length,
      shortSequenceProb: config.short_seq_prob,
      randomNextSentence: config.random_next_sentence,
      singleSentence: "random-next",
      maskedLmProb: config.masked_lm_prob,
      maxPredictionsPerSequence: config.max_predictions_per_seq,
      ngram: config.ngram,
      favorShorterNgram: config.favor_shorter_ngram,
      wholeWordMask: config.do_whole_word_mask,
      permutation: config.do_permutation,
      vocabSize: tokenizer.vocabSize,
      special: tokenizer.special,
      officialQuirks: true,
      dupeFactor: config.dupe_factor,
    },
  };
}

const statistics = fixture("pretraining_data", "statistics.json");
describe.skipIf(missing("pretraining_data/statistics.json or the 30k vocabulary", statistics && model))(
  "statistics",
  () => {
    interface Measured {
      readonly config: Config;
      readonly instances: number;
      readonly mean_sequence_length: number;
      readonly predictions_over_tokens: number;
      readonly fraction_replaced_by_MASK: number;
      readonly fraction_kept: number;
      readonly fraction_random_token: number;
      readonly ngram_draw_counts: Readonly<Record<string, number>>;
      readonly ngram_draw_expected: Readonly<Record<string, number>>;
      readonly is_random_next_fraction: number;
      readonly max_tokens: number;
      readonly max_predictions: number;
    }
    const all: [string, Measured][] = statistics ? Object.entries(JSON.parse(readFileSync(statistics, "utf8"))) : [];

    function measure(config: Config, rng: Rng): Omit<Measured, "config" | "ngram_draw_expected"> {
      const { documents, options } = prepare(config);
      const ngrams: Record<string, number> = {};
      const counted: Rng = {
        random: () => rng.random(),
        integer: (first, last) => rng.integer(first, last),
        order: (n) => rng.order(n),
        choice: (probabilities) => {
          const choice = rng.choice(probabilities);
          ngrams[choice + 1] = (ngrams[choice + 1] ?? 0) + 1;
          return choice;
        },
      };
      const made = createOfficialInstances(documents, options, counted);
      const predictions = made.flatMap(({ inputIds, maskedPositions, maskedIds }) =>
        Array.from(maskedPositions, (position, i) => ({ shown: inputIds[position]!, original: maskedIds[i]! })),
      );
      const masked = predictions.filter(({ shown }) => shown === options.special.mask).length;
      const kept = predictions.filter(({ shown, original }) => shown === original).length;
      const tokens = made.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
      return {
        instances: made.length,
        mean_sequence_length: tokens / made.length,
        predictions_over_tokens: predictions.length / tokens,
        fraction_replaced_by_MASK: masked / predictions.length,
        fraction_kept: kept / predictions.length,
        fraction_random_token: (predictions.length - masked - kept) / predictions.length,
        ngram_draw_counts: ngrams,
        is_random_next_fraction: made.filter(({ label }) => label === 1).length / made.length,
        max_tokens: Math.max(...made.map(({ inputIds }) => inputIds.length)),
        max_predictions: Math.max(...made.map(({ maskedIds }) => maskedIds.length)),
      };
    }

    it.each(all)("of %s are the official ones for the official seeds", (_, measured) => {
      const { config } = measured;
      const got = measure(config, new PythonRng({ random: config.random_seed, numpy: config.numpy_seed }));
      expect(measured).toMatchObject(got);
    });

    it.each(all)("of %s agree within sampling error for seeds of our own", (name, measured) => {
      const { config } = measured;
      const got = measure({ ...config, dupe_factor: 12 }, new SeededRng(deriveSeed("statistics", name)));
      const rng = Object.values(got.ngram_draw_counts).reduce((sum, count) => sum + count, 0);
      for (const [n, expected] of Object.entries(measured.ngram_draw_expected)) {
        const share = (got.ngram_draw_counts[n] ?? 0) / rng;
        expect(Math.abs(share - expected)).toBeLessThan(Math.max(0.04, 2 / Math.sqrt(rng)));
      }
      if (!config.do_permutation) {
        expect(Math.abs(got.fraction_replaced_by_MASK - 0.8)).toBeLessThan(0.03);
        expect(Math.abs(got.fraction_kept - 0.1)).toBeLessThan(0.02);
        expect(Math.abs(got.fraction_random_token - 0.1)).toBeLessThan(0.02);
      }
      const error = 2 / Math.sqrt(measured.instances); // four standard deviations of a share of one half
      expect(Math.abs(got.predictions_over_tokens / measured.predictions_over_tokens - 1)).toBeLessThan(error);
      expect(Math.abs(got.mean_sequence_length / measured.mean_sequence_length - 1)).toBeLessThan(error);
      expect(Math.abs(got.is_random_next_fraction - measured.is_random_next_fraction)).toBeLessThan(error);
      expect(got.max_tokens).toBeLessThanOrEqual(config.max_seq_length);
      expect(got.max_predictions).toBeLessThanOrEqual(config.max_predictions_per_seq * (config.do_permutation ? 2 : 1));
    });
  },
);

describe.skipIf(missing("pretraining_data or the 30k vocabulary", folder && model && configs.length > 0)).each(configs)(
  "pretraining data of configuration $name",
  (config) => {
    const at = (...path: string[]) => fixture("pretraining_data", config.name, ...path);
    let surfaces: SurfaceIds;
    let options: Prepared["options"];
    let documents: Prepared["documents"];

    beforeAll(() => {
      ({ surfaces, options, documents } = prepare(config));
    });

    const golden = (instance: PretrainingInstance): GoldenInstance => ({
      tokens: Array.from(instance.inputIds, (id) => surfaces.text(id)),
      segment_ids: [...instance.segmentIds],
      is_random_next: instance.label === 1,
      token_boundary: [...instance.tokenBoundary],
      masked_lm_positions: [...instance.maskedPositions],
      masked_lm_labels: Array.from(instance.maskedIds, (id) => surfaces.text(id)),
    });

    it.skipIf(!at("masking_calls.jsonl"))("replays every recorded masking call", () => {
      interface Call {
        readonly tokens: readonly string[];
        readonly draws: readonly Draw[];
        readonly output_tokens: readonly string[];
        readonly masked_lm_positions: readonly number[];
        readonly masked_lm_labels: readonly string[];
        readonly token_boundary: readonly number[];
      }
      for (const call of readLines<Call>(at("masking_calls.jsonl")!)) {
        const rng = new ReplayedDraws(call.draws);
        const masked = maskTokens(surfaces.pack(call.tokens), options, rng);
        expect(rng.left).toBe(0);
        expect({
          output_tokens: Array.from(masked.inputIds, (id) => surfaces.text(id)),
          masked_lm_positions: [...masked.positions],
          masked_lm_labels: Array.from(masked.labels, (label) => surfaces.text(tokenId(label))),
          token_boundary: [...masked.tokenBoundary],
        }).toEqual({
          output_tokens: call.output_tokens,
          masked_lm_positions: call.masked_lm_positions,
          masked_lm_labels: call.masked_lm_labels,
          token_boundary: call.token_boundary,
        });
      }
    });

    it.skipIf(!at("instances.jsonl"))("makes the official instances from the official seeds", () => {
      const rng = new PythonRng({ random: config.random_seed, numpy: config.numpy_seed });
      const instances = createOfficialInstances(documents, options, rng).map(golden);
      const expected = readLines<GoldenInstance>(at("instances.jsonl")!);
      expect(instances.slice(0, expected.length)).toEqual(expected);
    });

    it.skipIf(!at("rng_trace.jsonl"))("replays the whole recorded run, draw by draw", () => {
      const rng = new ReplayedDraws(readLines<Draw>(at("rng_trace.jsonl")!));
      const instances = createOfficialInstances(documents, options, rng).map(golden);
      expect(rng.left).toBe(0);
      const expected = readLines<GoldenInstance>(at("instances.jsonl")!);
      expect(instances.slice(0, expected.length)).toEqual(expected);
    });

    it.skipIf(!at("features.jsonl"))("writes the official features and records", async () => {
      const rng = new PythonRng({ random: config.random_seed, numpy: config.numpy_seed });
      const sizes = { maxSequenceLength: options.maxSequenceLength, maxPredictions: maxPredictions(options) };
      const examples = createOfficialInstances(documents, options, rng)
        .map((instance) => ({
          ...instance,
          inputIds: instance.inputIds.map((id) => surfaces.plain(id)),
          maskedIds: instance.maskedIds.map((id) => surfaces.plain(id)),
        }))
        .map((instance) => toExample(instance, sizes));
      const expected = readLines<Record<string, number[]>>(at("features.jsonl")!);
      const got = examples
        .slice(0, expected.length)
        .map((example) => Object.fromEntries([...example].map(([name, { values }]) => [name, values])));
      expect(got).toEqual(expected);
      for (const name of readdirSync(dirname(at("config.json")!)).filter((file) =>
        /^first\d+\.tf_record$/.test(file),
      )) {
        const count = Number(/\d+/.exec(name)![0]);
        const bytes = Buffer.concat(examples.slice(0, count).map((example) => frameRecord(encodeExample(example))));
        const official = readFileSync(at(name)!);
        // The features of a record are a protobuf map, which every run of the official writer may order differently.
        expect(await decodedRecords(bytes)).toEqual(await decodedRecords(official));
        expect(bytes.length).toBe(official.length);
      }
    });
  },
);
