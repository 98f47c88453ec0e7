import {
  add,
  div,
  matMul,
  maximum,
  mul,
  reshape,
  sub,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  transpose,
} from "@tensorflow/tfjs-core";
import { invariant } from "../../errors.ts";
import type { AlbertConfig } from "../../model/config.ts";
import { attentionBias } from "../../model/forward/attention.ts";
import { dense } from "../../model/forward/dense.ts";
import { NO_DROPOUT } from "../../model/forward/dropout.ts";
import { blockScopes, type TrunkOutput } from "../../model/forward/encoder.ts";
import { gatherTokens } from "../../model/forward/gather-tokens.ts";
import { maskedLmLogits } from "../../model/forward/heads/masked-lm.ts";
import { binaryDivergence, klDivergence } from "../../model/forward/losses.ts";
import { matrix, type Variables } from "../../model/forward/variables.ts";
import {
  batchTensor,
  type HeadOutput,
  headOutputs,
  type Pass,
  presentChoices,
  sequences,
  wholeTrunk,
} from "../step/forward-pass.ts";
import { blockCount, type Distillation, PROJECTIONS } from "./distillation.ts";

// What a student's answers and states lack of its teacher's, in TensorFlow.js ops. `distillation.ts` says what each loss is.

/** One loss of a distillation: what it weighs, and its value for every example, float32 [B]. */
interface DistillationLoss {
  readonly name: "soft" | "hidden" | "relation";
  readonly weight: number;
  readonly losses: Tensor1D;
}

/** Whether states inside the trunks are compared, for which both must be computed for every token. */
export function comparesStates(distillation: Distillation | undefined): boolean {
  return distillation !== undefined && (distillation.weights.hidden > 0 || distillation.weights.relations > 0);
}

/**
 * The losses of a micro-batch whose weight is not 0. No gradient reaches the teacher.
 *
 * @param pass     the student's, with its `states` where these are compared
 * @param outputs  what the student's head says
 * @param teacher  variables of a teacher that computes in the step
 */
export function distillationLosses(
  distillation: Distillation,
  pass: Pass,
  outputs: readonly HeadOutput[],
  teacher: Variables | undefined,
): DistillationLoss[] {
  const { weights, temperature } = distillation;
  const taught = teacherPass(distillation, pass, teacher);
  const losses: DistillationLoss[] = [];
  if (weights.soft > 0) {
    const answers = taught === undefined ? storedAnswers(pass, outputs) : headOutputs(taught);
    losses.push({ name: "soft", weight: weights.soft, losses: softLosses(pass, outputs, answers, temperature) });
  }
  if (!comparesStates(distillation)) return losses;
  invariant(taught?.states !== undefined && pass.states !== undefined, "states are compared in the step");
  if (weights.hidden > 0) {
    losses.push({
      name: "hidden",
      weight: weights.hidden,
      losses: hiddenLosses(distillation, pass, pass.states, taught.states),
    });
  }
  if (weights.relations > 0) {
    losses.push({ name: "relation", weight: weights.relations, losses: relationLosses(distillation, pass, taught) });
  }
  return losses;
}

/**
 * What a student that reads masked text lacks of its teacher's expectations: at each masked position the divergence of the words that
 * it expects from those that the teacher does, both at the temperature, times its square. float32 [B*M]; no gradient reaches the teacher.
 *
 * @param logits     the student's, [B*M, V]
 * @param variables  of the teacher
 */
export function maskedWordLosses(
  { teacher, temperature }: Distillation,
  { spec, batch }: Pass,
  logits: Tensor2D,
  variables: Variables | undefined,
): Tensor1D {
  invariant(teacher !== undefined && variables !== undefined, "a teacher of masked words computes in the step");
  const { config, head } = teacher;
  const pass: Pass = {
    spec: { config, objective: { ...spec.objective, heads: [head] }, headDropout: 0 },
    ...{ variables, batch, dropout: NO_DROPOUT },
  };
  const { sequenceOutput, length } = wholeTrunk(pass);
  const masked = gatherTokens(sequenceOutput, length, batchTensor<Tensor2D>(pass, "masked_lm_positions"));
  return softLoss({ kind: "softmax", logits }, maskedLmLogits(config, variables, head, masked), temperature);
}

function teacherPass(
  distillation: Distillation,
  { spec, batch }: Pass,
  variables: Variables | undefined,
): Pass | undefined {
  const { teacher } = distillation;
  if (teacher === undefined) return undefined;
  invariant(variables !== undefined, "a teacher that computes in the step has variables");
  const { config, head } = teacher;
  const objective = { ...spec.objective, heads: [head] };
  const pass: Pass = { spec: { config, objective, headDropout: 0 }, variables, batch, dropout: NO_DROPOUT };
  return comparesStates(distillation) ? { ...pass, states: wholeTrunk(pass) } : pass;
}

/** The teacher's answers as the batch brings them, for heads with one output. */
function storedAnswers(pass: Pass, [output]: readonly HeadOutput[]): HeadOutput[] {
  invariant(output !== undefined, "an objective has a head");
  const logits = batchTensor<Tensor2D>(pass, "teacher_logits");
  const choices = pass.spec.objective.kind === "multiple-choice";
  return [{ kind: output.kind, logits: choices ? presentChoices(pass, logits) : logits }];
}

/** Mean over the outputs of a head (start and end of an answer, say). */
function softLosses(
  pass: Pass,
  student: readonly HeadOutput[],
  teacher: readonly HeadOutput[],
  temperature: number,
): Tensor1D {
  const rows = batchTensor<Tensor1D>(pass, "example_weights").shape;
  const losses = student.map((output, index) => {
    const answer = teacher[index]!.logits;
    return reshape(softLoss(output, reshape(answer, output.logits.shape), temperature), rows) as Tensor1D;
  });
  return mul(
    losses.reduce((total, loss) => add(total, loss)),
    1 / losses.length,
  );
}

function softLoss({ kind, logits }: HeadOutput, answer: Tensor2D, temperature: number): Tensor1D {
  const cool = (x: Tensor2D): Tensor2D => mul(x, 1 / temperature);
  switch (kind) {
    case "softmax":
      return mul(klDivergence(cool(logits), cool(answer)), temperature ** 2);
    case "sigmoid":
      return mul(sum(binaryDivergence(cool(logits), cool(answer)), -1), temperature ** 2 / logits.shape[1]);
    case "value":
      return sum(squared(sub(logits, answer)), -1);
  }
}

function squared(x: Tensor2D): Tensor2D {
  return mul(x, x);
}

/** Mean over pairs of blocks, over the tokens of an example and over the teacher's width. */
function hiddenLosses({ layers }: Distillation, pass: Pass, student: TrunkOutput, teacher: TrunkOutput): Tensor1D {
  const stateOf = ({ blockInput, blocks }: TrunkOutput, block: number): Tensor2D =>
    block === 0 ? blockInput : blocks[block - 1]!;
  const differences = layers.map(([own, other]) => {
    const projection = matrix(pass.variables, own === 0 ? PROJECTIONS.embeddings : PROJECTIONS.hidden);
    const target = stateOf(teacher, other);
    const difference: Tensor2D = sub(matMul(stateOf(student, own), projection), target);
    return mul(sum(squared(difference), -1), 1 / (target.shape[1] * layers.length));
  });
  const perToken = differences.reduce((total, difference) => add(total, difference));
  const { mask, share } = tokens(pass);
  return perExample(pass, mul(sum(mul(reshape(perToken, mask.shape), mask), -1), share));
}

/** Mean over queries, keys and values, over relation heads and over the tokens of an example that look. */
function relationLosses({ relationHeads, relationLayer }: Distillation, pass: Pass, taught: Pass): Tensor1D {
  const own = relations(pass, blockCount(pass.spec.config), relationHeads);
  const aims = relations(taught, relationLayer, relationHeads);
  const { mask, share } = tokens(pass);
  const [rows, length] = mask.shape;
  const perRow = own.map((logits, part) => klDivergence(logits, aims[part]!)).reduce((total, part) => add(total, part));
  const looking = mul(reshape(perRow, [rows, relationHeads, length]), reshape(mask, [rows, 1, length]));
  return perExample(pass, mul(mul(sum(looking, [1, 2]), share), 1 / (own.length * relationHeads)));
}

/** Logits of the relations of a block's queries, keys and values: float32 [rows*heads*S, S] each. */
function relations(pass: Pass, block: number, heads: number): Tensor2D[] {
  const { config } = pass.spec;
  const { states, variables } = pass;
  invariant(states !== undefined, "relations are those of states");
  const scope = `${blockScopes(config)[block - 1]!}/attention_1/self`;
  const input = block === 1 ? states.blockInput : states.blocks[block - 2]!;
  const bias = attentionBias(sequences(pass));
  return (["query", "key", "value"] as const).map((part) =>
    relation(config, dense(input, variables, `${scope}/${part}`), bias, heads),
  );
}

function relation({ hiddenSize }: AlbertConfig, x: Tensor2D, bias: Tensor, heads: number): Tensor2D {
  const rows = bias.shape[0]!;
  const width = hiddenSize / heads;
  const split = transpose(reshape(x, [rows, -1, heads, width]), [0, 2, 1, 3]);
  const scores = add(mul(matMul(split, split, false, true), 1 / Math.sqrt(width)), bias);
  return reshape(scores, [-1, scores.shape.at(-1)!]);
}

/** Which tokens of each sequence are no padding, float32 [rows, S], and 1 / how many, float32 [rows]; a choice that is filler has none. */
function tokens(pass: Pass): { mask: Tensor2D; share: Tensor1D } {
  const mask = sequences(pass).inputMask;
  return { mask, share: div(1, maximum(sum(mask, -1), 1)) };
}

/** Means over the sequences of an example, where it has several. */
function perExample(pass: Pass, perSequence: Tensor): Tensor1D {
  const [rows] = batchTensor<Tensor1D>(pass, "example_weights").shape;
  const several = perSequence.size / rows;
  return several === 1 ? (perSequence as Tensor1D) : mul(sum(reshape(perSequence, [rows, several]), -1), 1 / several);
}
