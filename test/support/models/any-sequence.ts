import fc from "fast-check";
import type { AlbertConfig } from "../../../src/model/config.ts";
import type { OutputTensors, SequenceInput, SequenceOutput } from "../../../src/runtime/engine.ts";
import { ALL_HEADS } from "./random-model.ts";

/** Everything that a model with `ALL_HEADS` computes. */
export const OUTPUTS = [...ALL_HEADS.map(({ name }) => name), "@pooled", "@sequence"];

/** Any sequence that asks such a model for any outputs. */
export function sequencesFor(config: AlbertConfig): fc.Arbitrary<SequenceInput> {
  return fc
    .record({
      ids: fc.array(fc.nat(config.vocabSize - 1), {
        minLength: 1,
        maxLength: config.maxPositionEmbeddings,
        size: "max",
      }),
      types: fc.nat(),
      outputs: fc.uniqueArray(fc.constantFrom(...OUTPUTS), { minLength: 1 }),
      masked: fc.array(fc.nat(), { maxLength: 4 }),
      forbidden: fc.nat(),
      startTopN: fc.option(fc.integer({ min: 1, max: 7 }), { nil: undefined }),
      endTopN: fc.option(fc.integer({ min: 1, max: 7 }), { nil: undefined }),
    })
    .map(({ ids, types, outputs, masked, forbidden, startTopN, endTopN }) => ({
      inputIds: Int32Array.from(ids),
      tokenTypeIds: Int32Array.from(ids, (_, position) => (types >> (position % 30)) & 1),
      outputs,
      maskedPositions: Int32Array.from(masked, (position) => position % ids.length),
      answerMask: Uint8Array.from(ids, (_, position) => (position === 0 ? 0 : (forbidden >> (position % 30)) & 1)),
      ...(startTopN === undefined ? {} : { startTopN }),
      ...(endTopN === undefined ? {} : { endTopN }),
    }));
}

/** Bit patterns, so that 0 and -0 differ and nothing is "close". */
export function bits(output: SequenceOutput): Record<string, Record<string, number[]>> {
  const ofTensors = (tensors: OutputTensors) =>
    Object.fromEntries(
      Object.entries(tensors).map(([name, values]) => {
        const copy = values.slice();
        return [name, [...new Int32Array(copy.buffer, copy.byteOffset, copy.length)]];
      }),
    );
  return Object.fromEntries([...output].map(([name, tensors]) => [name, ofTensors(tensors)]));
}
