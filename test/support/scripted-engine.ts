import type { ModelDescription } from "../../src/model/directory/model-directory.ts";
import type { Head } from "../../src/model/heads.ts";
import {
  type BatchResult,
  type Engine,
  type OutputTensors,
  POOLED_OUTPUT,
  SEQUENCE_OUTPUT,
  type SequenceInput,
} from "../../src/runtime/engine.ts";

/** What a test may do to batches. */
export interface EngineScript {
  /** Runs before a batch is computed; may wait, or throw what the engine shall fail with. */
  before?: ((sequences: readonly SequenceInput[]) => Promise<void> | void) | undefined;
  /** Value of every float output in place of the computed ones. */
  value?: number | undefined;
  predictMs?: ((lengths: readonly number[]) => number) | undefined;
  /** Answers with one output too few. */
  drop?: boolean | undefined;
}

/**
 * An engine without a model: every output has the shape the contract states and values that are a fixed function of the
 * token ids. The script may be changed while it serves.
 */
export function scriptedEngine(model: ModelDescription, script: EngineScript): Engine {
  return {
    device: "cpu",
    tokenBudget: 256,
    predictMs: (lengths) => script.predictMs?.(lengths) ?? 0.001 * lengths.length,
    run: async (sequences): Promise<BatchResult> => {
      await script.before?.(sequences);
      const outputs = sequences.map(
        (sequence) =>
          new Map(sequence.outputs.map((name) => [name, tensorsOf(model, sequence, name, script.value)] as const)),
      );
      const tokens = sequences.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
      if (script.drop) outputs.pop();
      return { outputs, cost: { tokens, paddedTokens: 0, assembleMs: 0.01, runMs: 0.1 } };
    },
    close: async () => {},
  };
}

function tensorsOf(
  model: ModelDescription,
  sequence: SequenceInput,
  name: string,
  value: number | undefined,
): OutputTensors {
  const { inputIds } = sequence;
  const hidden = model.config.hiddenSize;
  const floats = (length: number, salt: number) =>
    Float32Array.from({ length }, (_, i) => value ?? Math.sin(inputIds[i % inputIds.length]! * (i + salt)));
  if (name === POOLED_OUTPUT) return { values: floats(hidden, 1) };
  if (name === SEQUENCE_OUTPUT) return { values: floats(hidden * inputIds.length, 1) };
  const head = model.heads.find((candidate) => candidate.name === name)!;
  switch (head.kind) {
    case "span":
      return { startLogits: floats(inputIds.length, 1), endLogits: floats(inputIds.length, 2) };
    case "span-answerability":
      return beams(sequence, floats);
    case "masked-lm":
      return { logits: floats(sequence.maskedPositions!.length * model.config.vocabSize, 1) };
    default:
      return { logits: floats(logitsOf(head), 1) };
  }
}

function beams(
  { answerMask, startTopN = 5, endTopN = 5 }: SequenceInput,
  floats: (length: number, salt: number) => Float32Array,
): OutputTensors {
  const open = [...answerMask!.keys()].filter((i) => answerMask![i] === 0);
  const starts = open.slice(0, startTopN);
  const ends = open.slice(0, endTopN);
  return {
    startLogProbs: floats(starts.length, 1),
    startIndexes: Int32Array.from(starts),
    endLogProbs: floats(starts.length * ends.length, 2),
    endIndexes: Int32Array.from(starts.flatMap(() => ends)),
    answerabilityLogit: floats(1, 3),
  };
}

function logitsOf(head: Head): number {
  if (head.kind === "classification") return head.labels.length;
  return head.kind === "sentence-order" ? 2 : 1;
}
