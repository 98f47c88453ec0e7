import { type OutputName, POOLED_OUTPUT, SEQUENCE_OUTPUT, type SequenceOutput } from "../../runtime/engine.ts";
import type { OffsetUnit } from "../offset-units.ts";
import { finiteOutput } from "../outputs.ts";
import { refuseIfAny, type TaskLimits, type TaskModel, type TaskPlan, UNLIMITED } from "../plan.ts";
import { RequestChecks } from "../request-checks.ts";
import { checkTexts, encodeRequest, type SequenceToken, sequenceTokens, type TextRequest } from "../text-request.ts";

// Encoding of a text as vectors: from a request to a plan, from hidden states to vectors. It runs no model.

/**
 * How a text becomes one vector of `hidden_size` numbers.
 *
 * - `pooler`: the trained tanh layer over [CLS], the `pooled_output` of the published modules
 * - `cls`: the last layer at [CLS]
 * - `mean`: the mean of the last layer over all tokens, special ones included
 * - `none`: not at all; ask for the tokens
 */
export type Pooling = "pooler" | "cls" | "mean" | "none";

export interface EncodingRequest extends TextRequest {
  /** As the model's maker does it when left out; "pooler" where the model is not made for vectors. */
  readonly pooling?: Pooling;
  /** Scale the vector to length 1. Without a pooling also done where the model's maker does. */
  readonly normalize?: boolean;
  /** Also return the last layer for every token, the `sequence_output` of the published modules. */
  readonly returnTokens?: boolean;
  /** Unit of the tokens' offsets; UTF-16 when left out. */
  readonly offsetUnit?: OffsetUnit;
}

export interface EncodingAnswer {
  /** [H]; empty for pooling "none". */
  readonly embedding: Float32Array;
  /** Where asked for: one entry for each token, special ones included. */
  readonly tokens?: readonly { readonly token: SequenceToken; readonly values: Float32Array }[];
}

/**
 * Vectors for one text or a pair, from the trunk alone: every model has them.
 *
 * @throws AlbertError invalid-input with every wrong field; INPUT_TOO_LONG
 */
export function planEncoding(
  request: EncodingRequest,
  model: TaskModel,
  limits: TaskLimits = UNLIMITED,
): TaskPlan<EncodingAnswer> {
  const pooling = request.pooling ?? model.encoding?.pooling ?? "pooler";
  const normalize = request.normalize || (request.pooling === undefined && model.encoding?.normalize);
  const checks = new RequestChecks(limits);
  checkTexts(checks, request);
  if (request.head) checks.refuse("options.head", "must be empty: vectors come from the trunk, not from a head");
  if (pooling === "none" && !request.returnTokens) {
    checks.refuse("pooling", "must not be none unless return_tokens is set: nothing would be returned");
  }
  const maxTokens = checks.maxTokens(request, model);
  refuseIfAny(checks.violations);
  const encoded = encodeRequest(request, model, maxTokens);
  const { inputIds, tokenTypeIds, truncated } = encoded;
  const outputs: OutputName[] = [];
  if (pooling === "pooler") outputs.push(POOLED_OUTPUT);
  if (pooling === "cls" || pooling === "mean" || request.returnTokens) outputs.push(SEQUENCE_OUTPUT);
  return {
    head: outputs.join(","),
    sequences: [{ inputIds, tokenTypeIds, outputs }],
    tokens: inputIds.length,
    windows: 1,
    truncated,
    answer: ([output]) => {
      const embedding = pooledVector(output, pooling, inputIds.length);
      if (normalize) scaleToLengthOne(embedding);
      if (!request.returnTokens) return { embedding };
      const states = finiteOutput(output, SEQUENCE_OUTPUT, "values");
      const width = states.length / inputIds.length;
      const tokens = sequenceTokens(request, encoded, model.tokenizer, request.offsetUnit).map((token, i) => ({
        token,
        values: states.slice(i * width, (i + 1) * width),
      }));
      return { embedding, tokens };
    },
  };
}

/** A new vector [H] (or [0] for "none"); the mean is taken in double precision. */
function pooledVector(output: SequenceOutput | undefined, pooling: Pooling, tokens: number): Float32Array {
  if (pooling === "none") return new Float32Array(0);
  if (pooling === "pooler") return finiteOutput(output, POOLED_OUTPUT, "values").slice();
  const states = finiteOutput(output, SEQUENCE_OUTPUT, "values");
  const width = states.length / tokens;
  if (pooling === "cls") return states.slice(0, width);
  const sums = new Float64Array(width);
  for (let i = 0; i < states.length; i++) sums[i % width]! += states[i]!;
  return Float32Array.from(sums, (sum) => sum / tokens);
}

function scaleToLengthOne(vector: Float32Array): void {
  let squares = 0;
  for (const value of vector) squares += value * value;
  if (squares === 0) return;
  const scale = 1 / Math.sqrt(squares);
  for (let i = 0; i < vector.length; i++) vector[i]! *= scale;
}
