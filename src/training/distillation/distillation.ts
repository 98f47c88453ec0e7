import type { AlbertConfig } from "../../model/config.ts";
import type { Head } from "../../model/heads.ts";
import type { ParameterSpec } from "../../model/parameters.ts";
import type { Parameters } from "../../model/tensor.ts";

// What a student learns from its teacher, as plain data, and the parameters that only learning needs.

/** A model that is learnt from and does not change. */
export interface Teacher {
  readonly config: AlbertConfig;
  /** The one whose answers are learnt; it has the labels of the student's head, in their order. */
  readonly head: Head;
  readonly parameters: Parameters;
}

/**
 * The terms of a distillation's loss. Each is a mean over the examples of a step, times its weight; a weight of 0 leaves it out.
 *
 * - `hard`: the loss of the objective on examples that have a label.
 * - `soft`: the divergence of the student's answers from the teacher's at a temperature T, times T^2 (Hinton et al. 2015,
 *   arXiv:1503.02531); of values, the squared difference.
 * - `hidden`: the mean squared difference of the teacher's hidden states from a learnt linear image of the student's, over pairs of
 *   blocks (Jiao et al. 2020, "TinyBERT", arXiv:1909.10351, equations 8 and 9).
 * - `relations`: the divergence of the student's self-attention relations, softmax(x x^T / sqrt(d)) of queries, of keys and of values,
 *   from the teacher's, split into heads of their own (Wang et al. 2021, "MiniLMv2", arXiv:2012.15828, section 3.1).
 */
export interface DistillationWeights {
  readonly hard: number;
  readonly soft: number;
  readonly hidden: number;
  readonly relations: number;
}

/** How a student is taught. */
export interface Distillation {
  readonly weights: DistillationWeights;
  readonly temperature: number;
  /** Present where the teacher computes in the step; absent where its answers come with the batches. */
  readonly teacher?: Teacher;
  /** Pairs of blocks whose hidden states are compared, 0 being what the first block reads. */
  readonly layers: readonly LayerPair[];
  /** The teacher's block whose relations the student's last block learns, from 1. */
  readonly relationLayer: number;
  /** Into how many heads queries, keys and values are split for their relations; divides both hidden sizes. */
  readonly relationHeads: number;
}

/** A block of the student and the teacher's that it follows. */
export type LayerPair = readonly [student: number, teacher: number];

/** The names of the learnt images of hidden states: of what the first block reads, and of all blocks' outputs. */
export const PROJECTIONS = {
  embeddings: "distillation/embedding_projection/kernel",
  hidden: "distillation/hidden_projection/kernel",
} as const;

/** Blocks of a model: the inner blocks of all layers. */
export function blockCount({ numHiddenLayers, innerGroupNum }: AlbertConfig): number {
  return numHiddenLayers * innerGroupNum;
}

/**
 * Every block of the student after the teacher's at the same depth: student block m follows block round(m * N / M), as TinyBERT maps
 * M layers onto N; embeddings follow embeddings.
 */
export function uniformLayers(student: AlbertConfig, teacher: AlbertConfig): LayerPair[] {
  const [M, N] = [blockCount(student), blockCount(teacher)];
  return Array.from({ length: M + 1 }, (_, block): LayerPair => [block, Math.round((block * N) / M)]);
}

/** Parameters [student's H, teacher's H] that are trained beside the student and belong to no model. */
export function projectionParameters(
  student: AlbertConfig,
  { layers, teacher, weights }: Distillation,
): ParameterSpec[] {
  if (teacher === undefined || weights.hidden === 0) return [];
  const names = [
    ...(layers.some(([block]) => block === 0) ? [PROJECTIONS.embeddings] : []),
    ...(layers.some(([block]) => block > 0) ? [PROJECTIONS.hidden] : []),
  ];
  const { hiddenSize } = student;
  return names.map((name) => ({
    name,
    shape: [hiddenSize, teacher.config.hiddenSize],
    initializer: { kind: "truncated-normal", stddev: 1 / Math.sqrt(hiddenSize) },
    hfName: name,
    hfTransposed: false,
  }));
}
