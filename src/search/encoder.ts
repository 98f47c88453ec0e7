import { invalidInput } from "../errors.ts";
import type { Model, SentenceEncoding } from "../model/directory/model-directory.ts";
import { runSequences, type SequenceRunner } from "../tasks/evaluation/run-sequences.ts";
import { type EncodingRequest, planEncoding } from "../tasks/masked-lm/encoding.ts";
import { type TaskModel, taskModel } from "../tasks/plan.ts";
import type { IndexEncoder } from "./index/index-contents.ts";

// Texts as the vectors of a sentence encoder, for indexing and for questions alike.

/** What turns texts into vectors. */
export interface TextEncoder {
  readonly about: Omit<IndexEncoder, "directory">;
  readonly tokenizer: TaskModel["tokenizer"];
  /** Pieces of the longest text that is not cut. */
  readonly maxTokens: number;
  /** Vectors of length 1, in the order of the texts. */
  encode(texts: Iterable<string>, signal?: AbortSignal): AsyncGenerator<Float32Array>;
}

/** Pieces that every sequence has besides its text's. */
const SPECIAL_PIECES = 2;

/**
 * The encoder that a model is.
 *
 * @param pooling  how a text becomes one vector; as the model's maker does it when left out
 * @throws AlbertError invalid-input (FIELD_INVALID) for a model that was not made for vectors, without a pooling
 */
export function modelEncoder(
  model: Pick<Model, "manifest" | "config" | "heads" | "tokenizer" | "digest" | "vocabulary" | "warnings">,
  engine: SequenceRunner,
  pooling: SentenceEncoding["pooling"] | undefined = model.manifest.encoding?.pooling,
): TextEncoder {
  const { name } = model.manifest;
  if (pooling === undefined) {
    const description = `${name} is no sentence encoder: its directory does not say how a text becomes one vector. Import a sentence-transformers folder, or say how with --pooling mean or --pooling cls`;
    throw invalidInput([{ field: "--model", description }]);
  }
  const task = taskModel(model);
  return {
    about: { name, digest: model.digest, pooling, width: model.config.hiddenSize },
    tokenizer: model.tokenizer,
    maxTokens: task.maxSequenceLength - SPECIAL_PIECES,
    async *encode(texts, signal) {
      const plans = planned(texts, (text) => planEncoding(encodingRequest(text, pooling), task));
      for await (const { item, outputs } of runSequences(engine, plans, signal)) yield item.answer(outputs).embedding;
    },
  };
}

/** The request for a passage's or question's vector: of length 1, of as much of the text as the encoder reads. */
function encodingRequest(text: string, pooling: SentenceEncoding["pooling"]): EncodingRequest {
  return { text, pooling, normalize: true, truncation: "truncate" };
}

function* planned<Plan>(texts: Iterable<string>, plan: (text: string) => Plan): Generator<Plan> {
  for (const text of texts) yield plan(text);
}
