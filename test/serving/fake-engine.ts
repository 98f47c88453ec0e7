import type { Head } from "../../src/model/heads.ts";
import type { Cancellation } from "../../src/platform/waiting/cancellation.ts";
import type {
  BatchResult,
  DeviceKind,
  Engine,
  RunOptions,
  SequenceInput,
  SequenceOutput,
} from "../../src/runtime/engine.ts";
import type { ServableModel } from "../../src/serving/models/reader.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";

/** One batch handed to a `FakeEngine` and not yet answered. */
export interface HeldBatch {
  readonly sequences: readonly SequenceInput[];
  finish(): void;
  fail(error: unknown): void;
}

/** How a fake engine behaves. */
export interface FakeEngineOptions {
  readonly tokenBudget?: number;
  readonly device?: DeviceKind;
  readonly predictMs?: (lengths: readonly number[]) => number;
  /** Computes batches by itself instead of holding them until the test finishes them. */
  readonly immediate?: boolean;
  /** Throws for a batch that it should fail on. */
  readonly fault?: (sequences: readonly SequenceInput[]) => void;
  /** Added to every logit, to tell versions apart. */
  readonly bias?: number;
}

/** An engine that answers with each sequence's own first free id, when the test says so. */
export class FakeEngine implements Engine {
  readonly device: DeviceKind;
  readonly tokenBudget: number;
  readonly held: HeldBatch[] = [];
  /** Every batch ever handed over. */
  readonly ran: (readonly SequenceInput[])[] = [];
  /** The signal each of them came with. */
  readonly signals: (Cancellation | undefined)[] = [];
  closed = false;
  readonly #options: FakeEngineOptions;

  constructor(options: FakeEngineOptions = {}) {
    this.#options = options;
    this.device = options.device ?? "cpu";
    this.tokenBudget = options.tokenBudget ?? 64;
  }

  predictMs(lengths: readonly number[]): number {
    return this.#options.predictMs?.(lengths) ?? lengths.reduce((sum, length) => sum + length, 0);
  }

  run(sequences: readonly SequenceInput[], { signal }: RunOptions = {}): Promise<BatchResult> {
    if (this.closed) return Promise.reject(new Error("run after close"));
    this.ran.push(sequences);
    this.signals.push(signal);
    return new Promise((resolve, reject) => {
      const batch: HeldBatch = {
        sequences,
        finish: () => {
          this.held.splice(this.held.indexOf(batch), 1);
          try {
            this.#options.fault?.(sequences);
            resolve(this.#compute(sequences));
          } catch (error) {
            reject(error);
          }
        },
        fail: (error) => {
          this.held.splice(this.held.indexOf(batch), 1);
          reject(error);
        },
      };
      this.held.push(batch);
      if (this.#options.immediate) batch.finish();
    });
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  #compute(sequences: readonly SequenceInput[]): BatchResult {
    const bias = this.#options.bias ?? 0;
    const outputs = sequences.map(({ inputIds, outputs: names }): SequenceOutput => {
      const logits = Float32Array.of((inputIds[1] ?? 0) + bias, inputIds.length);
      return new Map(names.map((name) => [name, name.startsWith("@") ? { values: logits } : { logits }]));
    });
    const lengths = sequences.map(({ inputIds }) => inputIds.length);
    const tokens = lengths.reduce((sum, length) => sum + length, 0);
    return {
      outputs,
      cost: {
        tokens,
        paddedTokens: Math.max(...lengths) * lengths.length - tokens,
        assembleMs: 0,
        runMs: this.predictMs(lengths),
      },
    };
  }
}

/** A sequence of `length` tokens that asks for the head "sentiment"; `id` marks it. */
export function sequence(length: number, id = 7): SequenceInput {
  const inputIds = new Int32Array(length).fill(9);
  inputIds[0] = 2;
  inputIds[1] = id;
  inputIds[length - 1] = 3;
  return { inputIds, tokenTypeIds: new Int32Array(length), outputs: ["sentiment"] };
}

const sentiment: Head = {
  kind: "classification",
  name: "sentiment",
  problemType: "single-label",
  labels: ["negative", "positive"],
};

/** A model of a few bytes: everything the serving room looks at, nothing that computes. */
export function fakeModel(digest: string, fileBytes = 64): ServableModel {
  const tokenizer: Tokenizer = {
    kind: "wordpiece",
    pieceStyle: "wordpiece",
    vocabSize: 100,
    special: { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 },
    lowerCase: true,
    digest: `tokenizer of ${digest}`,
    tokenize: (text) => {
      const pieces = text.split(" ");
      const zeros = new Int32Array(pieces.length);
      return { pieces, ids: zeros.map((_, i) => 10 + pieces[i]!.length), starts: zeros, ends: zeros };
    },
    idOf: () => 1,
    pieceOf: () => "",
  };
  return {
    digest,
    hasScales: false,
    manifest: {
      formatVersion: 1,
      name: "fake",
      heads: [sentiment],
      tokenizer: { file: "vocab.txt", kind: "wordpiece", lowerCase: true },
      maxSequenceLength: 64,
      files: {},
    },
    config: {
      family: "albert",
      vocabSize: 100,
      embeddingSize: 4,
      hiddenSize: 4,
      numHiddenLayers: 1,
      numHiddenGroups: 1,
      innerGroupNum: 1,
      numAttentionHeads: 1,
      intermediateSize: 4,
      hiddenAct: "gelu",
      poolerAct: "tanh",
      hiddenDropoutProb: 0,
      attentionProbsDropoutProb: 0,
      maxPositionEmbeddings: 64,
      typeVocabSize: 2,
      initializerRange: 0.02,
      layerNormEps: 1e-12,
      embeddingProjection: false,
      extra: {},
    },
    heads: [sentiment],
    device: "cpu",
    precision: "fp32",
    modelPath: `files of ${digest}`,
    outputs: [],
    fileBytes,
    remove: async () => {},
    tokenizer,
    vocabulary: { kind: "wordpiece", lowerCase: true, bytes: new Uint8Array() },
    warnings: [],
  };
}
