import type { Tokenizer, VocabularyKind } from "../../tokenizer/tokenizer.ts";
import type { AlbertConfig } from "../config.ts";
import type { Head } from "../heads.ts";
import type { Parameters } from "../tensor.ts";
import type { Vocabulary } from "./vocabulary.ts";

// What a model directory contains and what an opened model is. Types only.

/** Where a version came from: digests, never paths. */
export interface Lineage {
  /** Digest of the version it was fine-tuned from. */
  readonly parent?: string;
  /** Digests of the datasets, by role ("train", "eval"). */
  readonly datasets?: Readonly<Record<string, string>>;
  /** The resolved recipe, as written by the trainer. */
  readonly recipe?: Readonly<Record<string, unknown>>;
  /** Version of this program that made it. */
  readonly program?: string;
  readonly jobId?: string;
}

/** What the maker of a model measured about training it further. */
export interface FineTuningHints {
  /** Learning rate that fits this model where all of it is trained on another task, with Adam. */
  readonly learningRate: number;
  /** How that was measured, in words or as the path of a document. */
  readonly measured?: string;
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
}
