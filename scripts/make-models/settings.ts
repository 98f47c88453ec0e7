import type { Flags } from "./stages.ts";

/** How everything is made from random weights on two CPU cores within a night. `--settings FILE` replaces single values. */
export const FROM_SCRATCH = {
  vocabulary: { vocab_size: 8000, input_sentence_size: 1_000_000 },
  architecture: {
    vocab_size: 8000,
    embedding_size: 128,
    hidden_size: 128,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 512,
    hidden_act: "gelu",
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
    // 0.02 is for wide layers: 128 inputs of that size leave the first outputs too small to learn from.
    initializer_range: 0.08,
    max_position_embeddings: 512,
    type_vocab_size: 2,
  },
  pretraining: {
    num_train_steps: 17_500,
    num_warmup_steps: 300,
    train_batch_size: 32,
    max_seq_length: 128,
    curriculum: "64:0.6",
    ngram: 1,
    optimizer: "adamw-corrected",
    schedule: "rebased",
    learning_rate: 0.002,
    dropout: 0,
    save_checkpoints_steps: 1250,
    keep_checkpoint_max: 1,
    eval_instances: 2000,
  },
  sentiment: {
    max_seq_length: 64,
    train_batch_size: 128,
    num_train_epochs: 3,
    warmup_proportion: 0.1,
    optimizer: "adamw-corrected",
    schedule: "rebased",
    learning_rate: 1.5e-3,
    dropout: 0.2,
    ema_decay: 0.99,
    save_checkpoints_steps: 100,
    keep_checkpoint_max: 1,
    patience: 5,
    token_budget: 8192,
  },
  /** Whole sentences of SST-2's training data that choose the checkpoint; their phrases are not trained on either. */
  "held-out-sentences": { count: 1000 },
  "question-answering": {
    max_seq_length: 128,
    doc_stride: 64,
    max_query_length: 32,
    train_batch_size: 48,
    train_step: 1700,
    warmup_step: 100,
    optimizer: "adamw-corrected",
    schedule: "rebased",
    learning_rate: 7e-4,
    dropout: 0,
    save_checkpoints_steps: 400,
    keep_checkpoint_max: 1,
    token_budget: 8192,
    eval_share: 0.02,
  },
  "multiple-choice": {
    max_seq_length: 128,
    max_qa_length: 48,
    train_batch_size: 32,
    train_step: 330,
    warmup_step: 30,
    optimizer: "adamw-corrected",
    schedule: "rebased",
    learning_rate: 7e-4,
    dropout: 0,
    save_checkpoints_steps: 165,
    keep_checkpoint_max: 1,
    token_budget: 8192,
    eval_share: 0.02,
  },
} as const satisfies Record<string, Flags>;

/** Values of every stage. */
export type Settings = Readonly<Record<keyof typeof FROM_SCRATCH, Flags>>;

/** From a published checkpoint the official recipes say everything but how to hold out what chooses the checkpoint. */
export const FROM_PUBLISHED: Settings = {
  vocabulary: {},
  architecture: {},
  pretraining: {},
  sentiment: {},
  "held-out-sentences": { count: 1000 },
  "question-answering": { eval_share: 0.02 },
  "multiple-choice": { eval_share: 0.02 },
};

/** The models, each with its task, data, labels and what a person should compare its score with. */
export const MODELS = [
  {
    name: "sentiment",
    task: "sst-2",
    train: "glue/SST-2/train.tsv",
    dev: "glue/SST-2/dev.tsv",
    guess: "--sst2",
    labels: "negative,positive",
    description: "Says whether an English sentence, such as one of a film review, is negative or positive.",
    published: "ALBERT-base v2: 92.9 accuracy",
  },
  {
    name: "question-answering",
    task: "squad-v1",
    train: "squad/train-v1.1.json",
    dev: "squad/dev-v1.1",
    guess: "--squad",
    labels: "",
    description: "Finds the answer to a question in an English text.",
    published: "ALBERT-base v2: 83.2 exact match, 90.2 F1",
  },
  {
    name: "multiple-choice",
    task: "race",
    train: "race/RACE-train.tar",
    dev: "race/RACE-dev",
    guess: "--race",
    labels: "",
    description: "Chooses one of four answers to a question about an English text.",
    published: "ALBERT-base v2: 66.8 accuracy",
  },
] as const;
