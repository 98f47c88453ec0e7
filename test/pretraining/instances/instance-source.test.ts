import { describe, expect, it } from "vitest";
import { packTokens } from "../../../src/pretraining/corpus/packed-token.ts";
import { DEFAULT_INSTANCE_OPTIONS, trainingRecord } from "../../../src/pretraining/instances/instance.ts";
import { InstanceSource, type InstanceSourceOptions } from "../../../src/pretraining/instances/instance-source.ts";
import { DocumentsInMemory } from "../../../src/pretraining/instances/official-instances.ts";
import { pretrainingObjective } from "../../../src/training/objectives.ts";
import { collate } from "../../../src/training/step/collate.ts";
import { tinyText, tinyTokenizer } from "../../support/english.ts";

const tokenizer = tinyTokenizer();

function documents(count: number, sentences: (document: number) => number): DocumentsInMemory {
  const text = tinyText(count, sentences).trim();
  return new DocumentsInMemory(
    text
      .split("\n\n")
      .map((block) => block.split("\n").map((line) => packTokens(tokenizer.tokenize(line), "sentencepiece"))),
  );
}

const options: InstanceSourceOptions = {
  ...DEFAULT_INSTANCE_OPTIONS,
  maxSequenceLength: 48,
  vocabSize: tokenizer.vocabSize,
  special: tokenizer.special,
  seed: 7,
};
const text = documents(60, (d) => 2 + (d % 9));

function epochOf(source: InstanceSource, epoch: number) {
  return Array.from({ length: source.length }, (_, position) => source.instance(epoch, position));
}

describe("an instance source", () => {
  it("gives the same instance for the same epoch and position, in any order of asking", () => {
    const source = new InstanceSource(text, options);
    const whole = [epochOf(source, 0), epochOf(source, 1)];
    const resumed = new InstanceSource(text, options);
    for (const [epoch, position] of [
      [1, 5],
      [0, 3],
      [1, 0],
      [0, source.length - 1],
    ] as const) {
      expect(resumed.instance(epoch, position)).toEqual(whole[epoch]![position]);
    }
  });

  it("rng chunks and masks anew in every epoch and for every seed", () => {
    const source = new InstanceSource(text, options);
    const other = new InstanceSource(text, { ...options, seed: 8 });
    const fingerprint = (instances: ReturnType<typeof epochOf>) => instances.map(({ inputIds }) => inputIds.join());
    const first = new Set(fingerprint(epochOf(source, 0)));
    expect(fingerprint(epochOf(source, 1)).filter((key) => first.has(key)).length).toBeLessThan(first.size / 10);
    expect(fingerprint(epochOf(other, 0)).filter((key) => first.has(key)).length).toBeLessThan(first.size / 10);
  });

  it("cuts documents anew in every epoch, not only masks them anew", () => {
    const source = new InstanceSource(text, options);
    const unmasked = (epoch: number) =>
      epochOf(source, epoch).map(({ inputIds, maskedPositions, maskedIds }) => {
        const original = inputIds.slice();
        maskedPositions.forEach((position, i) => {
          original[position] = maskedIds[i]!;
        });
        return original.join();
      });
    const first = new Set(unmasked(0));
    expect(unmasked(1).filter((key) => first.has(key)).length).toBeLessThan(first.size / 2);
  });

  it("takes a random second segment from another document, never the same", () => {
    const pair = new DocumentsInMemory([[Uint32Array.of(10, 11)], [Uint32Array.of(12, 13)]]);
    const source = new InstanceSource(pair, { ...options, maskedLmProb: 0 });
    for (let epoch = 0; epoch < 20; epoch++) {
      const instances = epochOf(source, epoch).filter(({ inputIds }) => inputIds.length === 7);
      for (const { inputIds } of instances)
        expect([...inputIds].sort((a, b) => a - b)).toEqual([2, 3, 3, 10, 11, 12, 13]);
    }
  });

  it("makes well-formed sequences", () => {
    const { cls, sep, mask, pad, unk } = tokenizer.special;
    const source = new InstanceSource(text, options);
    for (const instance of epochOf(source, 0)) {
      const { inputIds, segmentIds, maskedPositions, maskedIds, tokenBoundary } = instance;
      expect(inputIds.length).toBeLessThanOrEqual(options.maxSequenceLength);
      expect(inputIds[0]).toBe(cls);
      const separators = [...inputIds.keys()].filter((i) => inputIds[i] === sep);
      expect(separators.length).toBe(2);
      expect(separators[1]).toBe(inputIds.length - 1);
      expect([...segmentIds]).toEqual(Array.from(inputIds, (_, i) => (i <= separators[0]! ? 0 : 1)));
      expect(maskedIds.length).toBe(maskedPositions.length);
      expect([...maskedPositions]).toEqual([...new Set(maskedPositions)].sort((a, b) => a - b));
      for (const position of maskedPositions) expect([0, ...separators]).not.toContain(position);
      for (const id of maskedIds) expect([cls, sep, mask, pad]).not.toContain(id);
      for (const id of inputIds) expect([pad, unk]).not.toContain(id);
      expect(tokenBoundary.length).toBe(inputIds.length);
    }
  });

  it("masks at the official rates and swaps half of the pairs", () => {
    const source = new InstanceSource(
      documents(400, () => 8),
      { ...options, shortSequenceProb: 0 },
    );
    const instances = epochOf(source, 0);
    let predicted = 0;
    let masked = 0;
    let kept = 0;
    let tokens = 0;
    for (const { inputIds, maskedPositions, maskedIds } of instances) {
      tokens += inputIds.length;
      predicted += maskedIds.length;
      maskedPositions.forEach((position, i) => {
        if (inputIds[position] === tokenizer.special.mask) masked++;
        else if (inputIds[position] === maskedIds[i]) kept++;
      });
    }
    expect(predicted).toBeGreaterThan(4000);
    expect(predicted / tokens).toBeGreaterThan(0.13);
    expect(predicted / tokens).toBeLessThan(0.16);
    expect(Math.abs(masked / predicted - 0.8)).toBeLessThan(0.03);
    expect(Math.abs(kept / predicted - 0.1 - 0.1 / (tokenizer.vocabSize - 5))).toBeLessThan(0.02);
    const { swapped, "in-order": inOrder } = source.composition(0);
    expect(Math.abs(swapped / (swapped + inOrder) - 0.5)).toBeLessThan(0.06);
  });

  it.each([
    ["random-next", { "random-next": 20 }],
    ["split", { split: 12, "split-swapped": 8 }],
  ] as const)("turns documents of one sentence into %s instances", (singleSentence, kinds) => {
    const source = new InstanceSource(
      documents(20, () => 1),
      { ...options, singleSentence, shortSequenceProb: 0 },
    );
    const counts = source.composition(0);
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    expect(total).toBe(20);
    for (const [kind, count] of Object.entries(counts)) expect(count > 0).toBe(kind in kinds);
    for (const { label, inputIds } of epochOf(source, 0)) {
      expect(inputIds.length).toBeGreaterThan(4);
      if (singleSentence === "random-next") expect(label).toBe(1);
    }
  });

  it("says so when nothing can be made of the text", () => {
    const oneSentenceEach = documents(20, () => 1);
    expect(() => new InstanceSource(oneSentenceEach, { ...options, singleSentence: "drop" })).toThrow(
      /gives no instance/,
    );
    expect(() => new InstanceSource(text, { ...options, maxSequenceLength: 4, ngram: 0 })).toThrow(
      /max_seq_length.*ngram/,
    );
  });

  it("makes records that collate lays into a batch", () => {
    const source = new InstanceSource(text, options);
    const records = [0, 1, 2].map((position) => trainingRecord(source.instance(0, position)));
    const objective = pretrainingObjective({ kind: "masked-lm", name: "mlm" }, { kind: "sentence-order", name: "sop" });
    const batch = collate(objective, records, { rows: 4, sequenceLength: 48 }, { predictions: 20 });
    expect(batch["input_ids"]!.shape).toEqual([4, 48]);
    expect(Array.from(batch["masked_lm_weights"]!.data).filter((weight) => weight === 1).length).toBe(
      records.reduce((sum, record) => sum + record["masked_lm_ids"]!.length, 0),
    );
  });
});
