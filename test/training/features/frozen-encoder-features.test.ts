import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Head } from "../../../src/model/heads.ts";
import { createEngine } from "../../../src/runtime/packed-engine.ts";
import { openFeatures } from "../../../src/training/features/feature-cache.ts";
import { openTrunkOutputs, outputOf } from "../../../src/training/features/frozen-encoder-features.ts";
import type { StartingModel } from "../../../src/training/starting-model.ts";
import type { TrainingRecord } from "../../../src/training/step/collate.ts";
import { tinyModel } from "../../support/models/tiny-model.ts";

const directory = mkdtempSync(join(tmpdir(), "albert-trunk-outputs-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const start = { ...tinyModel(), tokenizer: { digest: "t" } } as unknown as StartingModel;
const WIDTH = start.config.hiddenSize;

/** A record of sequences that lie end to end. */
const recordOf = (...sequences: readonly number[][]): TrainingRecord => ({
  input_ids: Int32Array.from(sequences.flat()),
  segment_ids: Int32Array.from(sequences.flat(), (_, i) => i % 2),
  sequence_lengths: Int32Array.from(sequences, ({ length }) => length),
  label_ids: Int32Array.of(1),
});

/** What the trunk makes of the records, read back from the cache. */
async function outputsOf(name: string, head: Head, records: readonly TrainingRecord[]): Promise<TrainingRecord[]> {
  const features = await openFeatures(directory, { data: name, tokenizer: "t", parameters: {} }, () => records);
  const store = await openTrunkOutputs(directory, features, { start, head, threads: 1 });
  const outputs: TrainingRecord[] = [];
  for (let i = 0; i < records.length; i++) outputs.push(await store.read(i));
  await Promise.all([features.close(), store.close()]);
  return outputs;
}

describe.each([
  { head: { kind: "multiple-choice", name: "choice" } as Head, tensor: "pooled_output", rows: [1, 1, 1] },
  { head: { kind: "span", name: "answer" } as Head, tensor: "sequence_output", rows: [4, 2, 3] },
])("the $tensor of a frozen trunk", ({ head, tensor, rows }) => {
  it("is for every sequence of a record what the encoder gives for that sequence alone, in order", async () => {
    const sequences = [
      [2, 5, 8, 3],
      [2, 3],
      [2, 7, 3],
    ];
    const [both, third] = await outputsOf("together", head, [
      recordOf(...sequences.slice(0, 2)),
      recordOf(sequences[2]!),
    ]);
    expect([...both!["sequence_lengths"]!, ...third!["sequence_lengths"]!]).toEqual(rows);
    expect(both!["label_ids"]).toEqual(Int32Array.of(1));
    const output = outputOf(head);
    const engine = await createEngine({ ...start, heads: [] }, { device: "cpu", threads: 1 });
    const alone: number[] = [];
    for (const sequence of sequences) {
      const { input_ids: inputIds, segment_ids: tokenTypeIds } = recordOf(sequence) as Record<string, Int32Array>;
      const { outputs } = await engine.run([{ inputIds: inputIds!, tokenTypeIds: tokenTypeIds!, outputs: [output] }]);
      alone.push(...(outputs[0]!.get(output)!["values"] as Float32Array));
    }
    await engine.close();
    const values = [...both![tensor]!, ...third![tensor]!];
    expect(values).toHaveLength(rows.reduce((sum, count) => sum + count, 0) * WIDTH);
    for (const [i, value] of values.entries()) expect(value).toBeCloseTo(alone[i]!, 5);
    expect(alone.some((value) => Math.abs(value) > 0.01)).toBe(true);
  });
});
