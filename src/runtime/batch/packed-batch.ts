import { invariant } from "../../errors.ts";
import type { Target } from "../../graph/serving/lowering.ts";
import { ATTENTION_INPUTS, PACKED_INPUTS } from "../../graph/serving/packed-inputs.ts";
import { type Head, readsPooled } from "../../model/heads.ts";
import { POOLED_OUTPUT, SEQUENCE_OUTPUT, type SequenceInput } from "../engine.ts";
import type { HostTensor, HostTensors } from "../session/ort.ts";
import { selectHead } from "./gather-indices.ts";
import { indexesWhere, int32, rowsOf } from "./row-selection.ts";

// Lays the sequences of a batch end to end as the inputs of a serving graph.

/** What decides which inputs a serving graph has. */
export interface BatchLayout {
  readonly target: Target;
  readonly heads: readonly Head[];
}

/** Where the sequences of a batch lie in its rows, and which of them asked for what. */
export interface PackedRows {
  /** First row of each sequence, then the total T. */
  readonly starts: Int32Array;
  /** Sequences that need the pooled output, in `first_index` order; the inverse of `pooledEntry`. */
  readonly pooledSequences: readonly number[];
}

/** Sequences laid end to end, as the inputs of a serving graph. */
export interface PackedBatch {
  readonly sequences: readonly SequenceInput[];
  readonly rows: PackedRows;
  /** T */
  readonly tokens: number;
  /** Places of attention's padded view that hold no token; 0 where the target needs no such view. */
  readonly paddedTokens: number;
  readonly feeds: HostTensors;
}

/** Lays sequences end to end. Pure; allocates each input once. */
export function packBatch({ target, heads }: BatchLayout, sequences: readonly SequenceInput[]): PackedBatch {
  invariant(sequences.length > 0, "a batch without sequences");
  const starts = new Int32Array(sequences.length + 1);
  sequences.forEach((sequence, index) => {
    starts[index + 1] = starts[index]! + sequence.inputIds.length;
  });
  const tokens = starts[sequences.length]!;
  const pooledHeads = new Set(heads.filter(({ kind }) => readsPooled(kind)).map(({ name }) => name));
  const pooledSequences = indexesWhere(sequences, ({ outputs }) =>
    outputs.some((output) => output === POOLED_OUTPUT || pooledHeads.has(output)),
  );
  const rows: PackedRows = { starts, pooledSequences };
  const pooledEntry = new Map(pooledSequences.map((sequence, entry) => [sequence, entry]));
  const wantsPooled = indexesWhere(sequences, ({ outputs }) => outputs.includes(POOLED_OUTPUT));
  const feeds: Record<string, HostTensor> = {
    ...embeddingFeeds(sequences, starts, tokens),
    ...attentionFeeds(target, starts),
    [PACKED_INPUTS.firstIndex]: int32(pooledSequences.map((sequence) => starts[sequence]!)),
    [PACKED_INPUTS.pooledIndex]: int32(wantsPooled.map((sequence) => pooledEntry.get(sequence)!)),
    [PACKED_INPUTS.sequenceIndex]: int32(rowsOf(sequences, starts, SEQUENCE_OUTPUT)),
  };
  for (const head of heads) Object.assign(feeds, selectHead(head, { sequences, starts, tokens, pooledEntry }));
  const paddedTokens = target === "cuda" ? 0 : sequences.length * longest(starts) - tokens;
  return { sequences, rows, tokens, paddedTokens, feeds };
}

function embeddingFeeds(sequences: readonly SequenceInput[], starts: Int32Array, tokens: number): HostTensors {
  const inputIds = new Int32Array(tokens);
  const tokenTypeIds = new Int32Array(tokens);
  const positionIds = new Int32Array(tokens);
  sequences.forEach((sequence, index) => {
    const start = starts[index]!;
    inputIds.set(sequence.inputIds, start);
    tokenTypeIds.set(sequence.tokenTypeIds, start);
    for (let position = 0; position < sequence.inputIds.length; position++) positionIds[start + position] = position;
  });
  return {
    [PACKED_INPUTS.inputIds]: int32(inputIds),
    [PACKED_INPUTS.tokenTypeIds]: int32(tokenTypeIds),
    [PACKED_INPUTS.positionIds]: int32(positionIds),
  };
}

function longest(starts: Int32Array): number {
  let length = 0;
  for (let index = 0; index + 1 < starts.length; index++)
    length = Math.max(length, starts[index + 1]! - starts[index]!);
  return length;
}

function attentionFeeds(target: Target, starts: Int32Array): HostTensors {
  const B = starts.length - 1;
  const T = starts[B]!;
  const S = longest(starts);
  const placesOfRows = new Int32Array(T);
  const rowsOfPlaces = new Int32Array(B * S);
  const keyMask = new Int32Array(B * S);
  for (let b = 0; b < B; b++) {
    const start = starts[b]!;
    const length = starts[b + 1]! - start;
    for (let s = 0; s < length; s++) placesOfRows[start + s] = b * S + s;
    for (let s = 0; s < S; s++) rowsOfPlaces[b * S + s] = s < length ? start + s : start;
    keyMask.fill(1, b * S, b * S + length);
  }
  const view = (data: Int32Array): HostTensor => ({ dtype: "int32", dims: [B, S], data });
  if (target !== "cuda") {
    return {
      [ATTENTION_INPUTS.padIndex]: view(rowsOfPlaces),
      [ATTENTION_INPUTS.unpadIndex]: int32(placesOfRows),
      [ATTENTION_INPUTS.keyMask]: view(keyMask),
    };
  }
  const tokenOffset = new Int32Array(B * S);
  tokenOffset.set(placesOfRows);
  let next = T;
  keyMask.forEach((isToken, place) => {
    if (isToken === 0) tokenOffset[next++] = place;
  });
  return {
    [ATTENTION_INPUTS.tokenOffset]: view(tokenOffset),
    [ATTENTION_INPUTS.cumulativeLengths]: int32(starts.slice()),
  };
}
