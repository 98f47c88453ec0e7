import type { Tokenizer, VocabularyKind } from "../../tokenizer/tokenizer.ts";
import type { ActivationScales } from "../activation-scales.ts";
import type { AlbertConfig } from "../config.ts";
import type { Head } from "../heads.ts";
import type { Parameters } from "../tensor.ts";
import type { Vocabulary } from "./vocabulary.ts";
import type { WeightFormat } from "./weight-formats.ts";

// What a model directory contains and what an opened model is. Types only.

/** Where a version came from: digests, never paths. */
export interface Lineage {
  /** Digest of the version it was fine-tuned from. */
  readonly parent?: string;
  /** Digest of the version whose answers it learnt. */
  readonly teacher?: string;
  /** Digests of the examples that were read, by role ("train", "eval", "unlabelled"). */
  readonly datasets?: Readonly<Record<string, string>>;
  /** Digests of the files of the store that they were read from; absent where none was. */
  readonly stored?: readonly string[];
  /** The resolved recipe, as written by the trainer. */
  readonly recipe?: Readonly<Record<string, unknown>>;
  /** The version whose weights it holds in another format. */
  readonly converted?: Conversion;
  /** How the scales of its static int8 were found, where it has some. */
  readonly quantised?: Quantisation;
  /** The fit of its temperature or thresholds. */
  readonly calibrated?: Calibration;
  /** Of a version that was chosen among several runs: what they gave. */
  readonly repeats?: Repeats;
  /** Version of this program that made it. */
  readonly program?: string;
  readonly jobId?: string;
}

/** How a version came from another one by storing its weights in another format. */
export interface Conversion {
  /** Digest of the other version. */
  readonly from: string;
  readonly weights: WeightFormat;
  /** What it changed; absent where nobody measured it. */
  readonly measured?: AnswerLoss;
}

/** How a version got the scales of its static int8. */
export interface Quantisation {
  /** Digest of the version without them. */
  readonly from: string;
  /** What was observed: examples of a task, drawn by this seed, from data of this digest. */
  readonly task: string;
  readonly examples: number;
  readonly seed: number;
  readonly data: string;
  /** Most that the task's metric was to lose on those examples. */
  readonly maxLoss: number;
  /** Products of the trunk, and those among them that stay in float32. */
  readonly products: number;
  readonly inFloat32: readonly string[];
  /** What int8 with these scales changed against fp32; absent where nobody measured it. */
  readonly measured?: AnswerLoss;
}

/** How a version's decisions were fitted to held-out data. */
export interface Calibration {
  /** Digest of the version that it is besides; absent where it was fitted when its training ended. */
  readonly from?: string;
  readonly task: string;
  readonly examples: number;
  /** Figures of the decisions before, and after a fit on other halves of the data than they are measured on. */
  readonly before: Readonly<Record<string, number>>;
  readonly after: Readonly<Record<string, number>>;
}

/** Several runs of one training, with a seed or held-out part of the data each, and which of them a version is. */
export interface Repeats {
  readonly metric: string;
  readonly runs: readonly { readonly name: string; readonly metrics: Readonly<Record<string, number>> }[];
  /** Mean, deviation and 95 % interval of each metric. */
  readonly summary: Readonly<
    Record<
      string,
      { readonly mean: number; readonly standardDeviation: number; readonly low: number; readonly high: number }
    >
  >;
  readonly published: string;
  readonly publishedAs: "best" | "median";
}

/** What a way of storing or computing with fewer bits changes, on the same examples. */
export interface AnswerLoss {
  readonly task: string;
  readonly examples: number;
  /** Examples to which another answer is given. */
  readonly changedAnswers: number;
  /** Official metrics before, and with fewer bits. */
  readonly before: Readonly<Record<string, number>>;
  readonly after: Readonly<Record<string, number>>;
}

/** What the maker of a model measured about training it further. */
export interface FineTuningHints {
  /** Learning rate that fits this model where all of it is trained on another task, with Adam. */
  readonly learningRate: number;
  /** How that was measured, in words or as the path of a document. */
  readonly measured?: string;
}

/** How the model's maker turns a text into one vector. */
export interface SentenceEncoding {
  /** The last layer at [CLS], or the mean of it over all tokens, special ones included. */
  readonly pooling: "cls" | "mean";
  /** Whether the vector is scaled to length 1. */
  readonly normalize: boolean;
}

/** Contents of `manifest.json`, the file that is written last and makes a model directory complete. */
export interface ModelManifest {
  readonly formatVersion: 1;
  readonly name: string;
  /** Free text shown by GetModel. */
  readonly description?: string;
  readonly heads: readonly Head[];
  readonly tokenizer: {
    readonly file: string;
    readonly kind: VocabularyKind;
    readonly lowerCase: boolean;
  };
  /** Longest sequence the model was trained for; requests are cut into windows of at most this many tokens. */
  readonly maxSequenceLength: number;
  /** Official metric names with values, as measured when the version was made. */
  readonly metrics?: Readonly<Record<string, number>>;
  readonly lineage?: Lineage;
  readonly fineTuning?: FineTuningHints;
  /** How the weights are stored; absent where they are exact. */
  readonly weights?: WeightFormat;
  /** Of a model that was made to turn texts into vectors. */
  readonly encoding?: SentenceEncoding;
  /** sha256 (hex) of every other file of the directory. */
  readonly files: Readonly<Record<string, string>>;
}

/** All there is to know of an opened model, but its weights. */
export interface ModelDescription {
  /** sha256 over the manifest's sorted file digests and heads: the identity of a version. */
  readonly digest: string;
  readonly manifest: ModelManifest;
  readonly config: AlbertConfig;
  readonly heads: readonly Head[];
  readonly tokenizer: Tokenizer;
  /** What the tokenizer was made from, for writing the model again. */
  readonly vocabulary: Vocabulary;
  /** Sentences a person should see; empty for a model of our own making. */
  readonly warnings: readonly string[];
}

/** An opened model: verified, complete, in memory. */
export interface Model extends ModelDescription {
  readonly parameters: Parameters;
  /** Of static int8, where the version has some. */
  readonly scales?: ActivationScales;
}
