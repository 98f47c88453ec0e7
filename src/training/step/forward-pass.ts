import { matMul, mul, reshape, slice, sub, type Tensor, type Tensor2D, type Tensor3D } from "@tensorflow/tfjs-core";
import { invariant } from "../../errors.ts";
import type { Dropout } from "../../model/forward/dropout.ts";
import type { TrunkInputs } from "../../model/forward/embeddings.ts";
import { encode, encodeFirstTokens, type HiddenStates, type TrunkOutput } from "../../model/forward/encoder.ts";
import { gatherTokens } from "../../model/forward/gather-tokens.ts";
import { answerabilityLogits, endLogits, startLogits } from "../../model/forward/heads/answerability.ts";
import { pooledLogits } from "../../model/forward/heads/classification.ts";
import { maskedLmLogits } from "../../model/forward/heads/masked-lm.ts";
import { meanOfTokens, unitLength } from "../../model/forward/heads/sentence-vectors.ts";
import { spanLogits } from "../../model/forward/heads/span.ts";
import { pool } from "../../model/forward/pooler.ts";
import type { Variables } from "../../model/forward/variables.ts";
import type { Head } from "../../model/heads.ts";
import type { StepSpec } from "./training-step.ts";

// From a micro-batch to what its heads say, in TensorFlow.js ops. Losses are elsewhere.

/** One forward pass over a micro-batch. */
export interface Pass {
  readonly spec: Pick<StepSpec, "config" | "objective" | "headDropout" | "trunk" | "contrastive">;
  readonly variables: Variables;
  /** By the names of `batchTensors`. */
  readonly batch: ReadonlyMap<string, Tensor>;
  readonly dropout: Dropout;
  /** The whole trunk, where more of it is read than what the head needs; the head then reads this one. */
  readonly states?: TrunkOutput;
}

/** What a head says of every row, and what that means: logits of a choice, of independent yes/no answers, or values. */
export interface HeadOutput {
  readonly kind: "softmax" | "sigmoid" | "value";
  /** float32 [n, classes] */
  readonly logits: Tensor2D;
}

/** Logit that stands for a choice which a question does not have. */
const ABSENT_CHOICE = 1e30;

/**
 * What an objective's heads say. B examples, C choices, S tokens, M masked positions.
 *
 * | objective | outputs |
 * |---|---|
 * | classification, regression, multi-label | [B, labels] |
 * | multiple-choice | [B, C], absent choices at -1e30 |
 * | span | start [B, S], end [B, S] |
 * | span-answerability | start [B, S], end [B, S] given the true start, whether there is no answer [B, 1] |
 * | contrastive | cosines of every anchor with every candidate [B, B*(C-1)] |
 * | pretraining | words [B*M, V], sentence order [B*N, 2] |
 */
export function headOutputs(pass: Pass): readonly HeadOutput[] {
  const { spec, variables } = pass;
  switch (spec.objective.kind) {
    case "classification":
      return [{ kind: "softmax", logits: pooledHeadLogits(pass) }];
    case "regression":
      return [{ kind: "value", logits: pooledHeadLogits(pass) }];
    case "multi-label":
      return [{ kind: "sigmoid", logits: pooledHeadLogits(pass) }];
    case "multiple-choice":
      return [{ kind: "softmax", logits: presentChoices(pass, pooledHeadLogits(pass)) }];
    case "span": {
      const { sequenceOutput, rows, length } = trunk(pass);
      const { start, end } = spanLogits(variables, onlyHead(pass), sequenceOutput, rows, length);
      return [
        { kind: "softmax", logits: start },
        { kind: "softmax", logits: end },
      ];
    }
    case "span-answerability": {
      const part = {
        config: spec.config,
        variables,
        head: onlyHead(pass),
        trunk: trunk(pass),
        answerMask: batchTensor<Tensor2D>(pass, "p_mask"),
      };
      const start = startLogits(part);
      const end = endLogits(part, batchTensor(pass, "start_positions"));
      const unanswerable = answerabilityLogits(part, start, pass.dropout, spec.headDropout);
      return [
        { kind: "softmax", logits: start },
        { kind: "softmax", logits: end },
        { kind: "sigmoid", logits: reshape(unanswerable, [-1, 1]) },
      ];
    }
    case "contrastive":
      return [{ kind: "value", logits: cosines(pass) }];
    case "pretraining":
      return pretrainingOutputs(pass);
  }
}

function pretrainingOutputs(pass: Pass): HeadOutput[] {
  const { spec, variables } = pass;
  const [maskedLm, sentenceOrder] = spec.objective.heads;
  invariant(maskedLm !== undefined && sentenceOrder !== undefined, "pretraining trains two heads");
  const output = trunk(pass);
  const positions = batchTensor<Tensor2D>(pass, "masked_lm_positions");
  const masked = gatherTokens(output.sequenceOutput, output.length, positions);
  const pooled = pool(spec.config, variables, output, optionalTensor(pass, "cls_positions"));
  return [
    { kind: "softmax", logits: maskedLmLogits(spec.config, variables, maskedLm, masked) },
    { kind: "softmax", logits: pooledLogits(variables, sentenceOrder, pooled) },
  ];
}

/** Cosines of every anchor with every candidate of the batch, float32 [B, B*(C-1)]; a row's candidates lie together. */
function cosines(pass: Pass): Tensor2D {
  const { spec, variables, dropout } = pass;
  const { config } = spec;
  const [rows, texts] = batchTensor<Tensor3D>(pass, "input_ids").shape;
  invariant(spec.contrastive !== undefined, "a contrastive step says how texts become vectors");
  const { inputMask } = sequences(pass);
  const pooled =
    spec.contrastive.pooling === "cls"
      ? encodeFirstTokens(config, variables, sequences(pass), dropout).sequenceOutput
      : meanOfTokens(wholeTrunk(pass).sequenceOutput, inputMask);
  const width = config.hiddenSize;
  const vectors: Tensor3D = reshape(unitLength(pooled), [rows, texts, width]);
  const anchors: Tensor2D = reshape(slice(vectors, [0, 0, 0], [rows, 1, width]), [rows, width]);
  const candidates: Tensor2D = reshape(slice(vectors, [0, 1, 0], [rows, texts - 1, width]), [-1, width]);
  return matMul(anchors, candidates, false, true);
}

/** [B*C, 1] as [B, C], with what no choice stands behind out of reach. */
export function presentChoices(pass: Pass, logits: Tensor): Tensor2D {
  const mask = batchTensor<Tensor2D>(pass, "choice_mask");
  return sub(mul(reshape(logits, mask.shape), mask), mul(sub(1, mask), ABSENT_CHOICE));
}

/** Logits of a head on the pooled output: [B, labels], or [B*C, 1] for multiple choice. */
function pooledHeadLogits(pass: Pass): Tensor2D {
  const { spec, variables, dropout } = pass;
  return pooledLogits(variables, onlyHead(pass), dropout.apply(pooledOutput(pass), spec.headDropout));
}

function pooledOutput(pass: Pass): Tensor2D {
  const { spec, variables, dropout, states } = pass;
  if (spec.trunk === "cached") return reshape(batchTensor(pass, "pooled_output"), [-1, spec.config.hiddenSize]);
  return pool(spec.config, variables, states ?? encodeFirstTokens(spec.config, variables, sequences(pass), dropout));
}

/** The trunk's output for heads that read every token. */
function trunk(pass: Pass): HiddenStates {
  if (pass.states !== undefined) return pass.states;
  if (pass.spec.trunk === "cached") {
    const [rows, length, width] = batchTensor<Tensor3D>(pass, "sequence_output").shape;
    return { sequenceOutput: reshape(batchTensor(pass, "sequence_output"), [rows * length, width]), rows, length };
  }
  return wholeTrunk(pass);
}

/** Everything that the trunk computes for a micro-batch that brings token ids. */
export function wholeTrunk(pass: Pass): TrunkOutput {
  const { spec, variables, dropout } = pass;
  const positionIds = optionalTensor(pass, "position_ids");
  const attentionBlocks = optionalTensor(pass, "attention_blocks");
  const inputs: TrunkInputs = {
    ...sequences(pass),
    ...(positionIds === undefined ? {} : { positionIds }),
    ...(attentionBlocks === undefined ? {} : { attentionBlocks }),
  };
  return encode(spec.config, variables, inputs, dropout);
}

/** What every trunk reads, one row for each sequence: for multiple choice, for each choice. */
export function sequences(pass: Pass): Pick<TrunkInputs, "inputIds" | "inputMask" | "segmentIds"> {
  const length = batchTensor(pass, "input_ids").shape.at(-1)!;
  return {
    inputIds: reshape(batchTensor(pass, "input_ids"), [-1, length]),
    inputMask: reshape(batchTensor(pass, "input_mask"), [-1, length]),
    segmentIds: reshape(batchTensor(pass, "segment_ids"), [-1, length]),
  };
}

function onlyHead({ spec }: Pass): Head {
  const head = spec.objective.heads[0];
  invariant(head !== undefined, "an objective has a head");
  return head;
}

/** A tensor that the objective's batches have. */
export function batchTensor<T extends Tensor>({ batch, spec }: Pass, name: string): T {
  const value = batch.get(name);
  invariant(value !== undefined, `a ${spec.objective.kind} batch has no tensor ${name}`);
  // Shapes and types were checked against `batchTensors` when the batch came in.
  return value as T;
}

function optionalTensor({ batch }: Pass, name: string): Tensor2D | undefined {
  return batch.get(name) as Tensor2D | undefined;
}
