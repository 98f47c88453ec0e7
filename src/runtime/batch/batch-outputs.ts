import { headOutput, TRUNK_OUTPUTS } from "../../graph/serving/packed-inputs.ts";
import type { Head } from "../../model/heads.ts";
import {
  type OutputName,
  type OutputTensors,
  POOLED_OUTPUT,
  SEQUENCE_OUTPUT,
  type SequenceInput,
  type SequenceOutput,
} from "../engine.ts";
import type { HostTensors } from "../session/ort.ts";
import { askedBeamOf, beamOf } from "./gather-indices.ts";
import type { PackedBatch } from "./packed-batch.ts";

/** Log-probability of a place that no answer can use. */
const FORBIDDEN = -1e30;

/**
 * Gives every sequence its part of a run's outputs. The parts are views of the run's own memory: they do not overlap, so
 * each belongs to its receiver.
 */
export function splitOutputs(heads: readonly Head[], batch: PackedBatch, outputs: HostTensors): SequenceOutput[] {
  const results = batch.sequences.map(() => new Map<OutputName, OutputTensors>());
  const give = (name: OutputName, read: (reader: RowReader, sequence: SequenceInput) => OutputTensors) => {
    const reader = new RowReader(outputs);
    batch.sequences.forEach((sequence, index) => {
      if (sequence.outputs.includes(name)) results[index]!.set(name, read(reader, sequence));
    });
  };
  give(POOLED_OUTPUT, (reader) => ({ values: reader.floats(TRUNK_OUTPUTS.pooled, 1) }));
  give(SEQUENCE_OUTPUT, (reader, { inputIds }) => ({ values: reader.floats(TRUNK_OUTPUTS.sequence, inputIds.length) }));
  for (const head of heads) give(head.name, (reader, sequence) => readHead(head, reader, sequence));
  return results;
}

/** Hands out consecutive rows of each output: sequences come in the order in which they were packed. */
class RowReader {
  readonly #outputs: HostTensors;
  readonly #next = new Map<string, number>();

  constructor(outputs: HostTensors) {
    this.#outputs = outputs;
  }

  floats(output: string, rows: number): Float32Array {
    // Serving graphs publish only float32 and int32, and each output's type is fixed (see packed-inputs.ts).
    return this.#take(output, rows) as Float32Array;
  }

  ints(output: string, rows: number): Int32Array {
    return this.#take(output, rows) as Int32Array;
  }

  /** Elements of one row. */
  width(output: string): number {
    return this.#outputs[output]!.dims.slice(1).reduce((size, dim) => size * dim, 1);
  }

  #take(output: string, rows: number): unknown {
    const { data } = this.#outputs[output]!;
    const width = this.width(output);
    const from = this.#next.get(output) ?? 0;
    this.#next.set(output, from + rows);
    return data.subarray(from * width, (from + rows) * width);
  }
}

function readHead(head: Head, reader: RowReader, sequence: SequenceInput): OutputTensors {
  const logits = headOutput(head.name, "logits");
  switch (head.kind) {
    case "classification":
    case "multiple-choice":
    case "sentence-order":
      return { logits: reader.floats(logits, 1) };
    case "masked-lm":
      return { logits: reader.floats(logits, sequence.maskedPositions?.length ?? 0) };
    case "span":
      return spanLogits(reader.floats(logits, sequence.inputIds.length));
    case "span-answerability":
      return readBeams(head.name, reader, sequence);
  }
}

/** Two columns, start and end, as two arrays. */
function spanLogits(pairs: Float32Array): OutputTensors {
  const length = pairs.length / 2;
  const startLogits = new Float32Array(length);
  const endLogits = new Float32Array(length);
  for (let token = 0; token < length; token++) {
    startLogits[token] = pairs[2 * token]!;
    endLogits[token] = pairs[2 * token + 1]!;
  }
  return { startLogits, endLogits };
}

/**
 * A sequence's own beams out of the widest of the batch. Where a sequence has fewer positions than its beam is wide, the
 * official code, which always pads, finds forbidden padding there: so do we, with the positions that follow the sequence.
 */
function readBeams(head: string, reader: RowReader, sequence: SequenceInput): OutputTensors {
  const names = {
    startLogProbs: headOutput(head, "start_log_probs"),
    startIndexes: headOutput(head, "start_indexes"),
    endLogProbs: headOutput(head, "end_log_probs"),
    endIndexes: headOutput(head, "end_indexes"),
  };
  const rows = {
    startLogProbs: reader.floats(names.startLogProbs, 1),
    startIndexes: reader.ints(names.startIndexes, 1),
    endLogProbs: reader.floats(names.endLogProbs, 1),
    endIndexes: reader.ints(names.endIndexes, 1),
  };
  const asked = askedBeamOf(sequence);
  const own = beamOf(sequence);
  const widestEnds = rows.startIndexes.length === 0 ? 0 : rows.endIndexes.length / rows.startIndexes.length;
  const length = sequence.inputIds.length;
  const startLogProbs = new Float32Array(asked.starts).fill(FORBIDDEN);
  const startIndexes = new Int32Array(asked.starts);
  const endLogProbs = new Float32Array(asked.starts * asked.ends).fill(FORBIDDEN);
  const endIndexes = new Int32Array(asked.starts * asked.ends);
  for (let k = 0; k < asked.starts; k++) {
    const real = k < own.starts;
    startIndexes[k] = real ? rows.startIndexes[k]! : length + k - own.starts;
    if (real) startLogProbs[k] = rows.startLogProbs[k]!;
    for (let j = 0; j < asked.ends; j++) {
      const to = k * asked.ends + j;
      if (real && j < own.ends) {
        endIndexes[to] = rows.endIndexes[k * widestEnds + j]!;
        endLogProbs[to] = rows.endLogProbs[k * widestEnds + j]!;
      } else {
        endIndexes[to] = real ? length + j - own.ends : length + j;
      }
    }
  }
  const answerabilityLogit = reader.floats(headOutput(head, "answerability_logits"), 1);
  return { startLogProbs, startIndexes, endLogProbs, endIndexes, answerabilityLogit };
}
