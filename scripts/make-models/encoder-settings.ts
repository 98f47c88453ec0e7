import type { Flags } from "./stages.ts";

// How models are made from a sentence encoder of the BERT family, six layers of 384, on one CPU core. The word embeddings stay as
// they are, so that all models share them (`albert convert --embeddings-apart`); what that costs was not measured.

const COMMON = {
  optimizer: "adamw-corrected",
  schedule: "rebased",
  freeze: "word_embeddings",
  keep_checkpoint_max: 1,
  token_budget: 8192,
} as const;

/** Values of every stage; `--settings FILE` replaces single ones. */
export const ENCODER_SETTINGS = {
  "held-out-sentences": { count: 1000 },
  sentiment: {
    ...COMMON,
    max_seq_length: 64,
    train_batch_size: 32,
    train_step: 3000,
    warmup_step: 200,
    learning_rate: 6e-5,
    dropout: 0.1,
    save_checkpoints_steps: 500,
  },
  /** Questions without an answer for each with one, and the longest passage that is used. */
  "answerless-questions": { share: 0.35, most_characters: 1000 },
  "question-answering": {
    ...COMMON,
    max_seq_length: 256,
    doc_stride: 128,
    max_query_length: 40,
    train_batch_size: 32,
    train_step: 1200,
    warmup_step: 80,
    learning_rate: 1e-4,
    dropout: 0,
    head_dropout: 0,
    save_checkpoints_steps: 400,
  },
  /** Rows of MNLI that are held out, with the others of their premises. */
  "held-out-premises": { count: 600 },
  /** Hypotheses about topics that join MNLI's rows. */
  "topic-hypotheses": { count: 3000 },
  "natural-language-inference": {
    ...COMMON,
    max_seq_length: 128,
    train_batch_size: 32,
    train_step: 1100,
    warmup_step: 60,
    learning_rate: 9e-5,
    dropout: 0.1,
    save_checkpoints_steps: 275,
  },
} as const satisfies Record<string, Flags>;

/** Values of every stage, by their names. */
export type EncoderSettings = typeof ENCODER_SETTINGS;

/** The models, each with its task, the development data that it is measured on, its labels and what it is for. */
export const ENCODER_MODELS = [
  {
    name: "sentiment",
    task: "sst-2",
    train: "glue/SST-2/train.tsv",
    measured: [{ task: "sst-2", data: "glue/SST-2/dev.tsv" }],
    labels: "negative,positive",
    description: "Says whether an English text, such as a review, is negative or positive.",
  },
  {
    name: "question-answering",
    task: "squad-v2",
    train: "squad/train-v1.1.json",
    measured: [
      { task: "squad-v2", data: "squad/dev-v2.0" },
      // Every question of v1 has an answer: no score is so high that none is given.
      { task: "squad-v2", data: "squad/dev-v1.1", flags: { null_score_diff_threshold: 1_000_000 } },
    ],
    labels: "",
    description: "Finds the answer to a question in an English text, or says that there is none.",
  },
  {
    name: "natural-language-inference",
    task: "mnli",
    train: "glue/MNLI/train",
    measured: [{ task: "mnli", data: "glue/MNLI/dev_matched" }],
    labels: "",
    description:
      "Says whether an English text entails a statement, contradicts it or neither; sorts texts into labels given with the request.",
  },
  {
    name: "sentence-encoder",
    task: "encode",
    train: "",
    measured: [{ task: "sts-b", data: "glue/STS-B/dev.tsv" }],
    labels: "",
    description:
      "Turns an English text of up to 256 tokens into a vector of 384 numbers; texts that mean alike have near ones.",
  },
] as const;
