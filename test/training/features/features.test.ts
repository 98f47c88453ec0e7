import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type FeatureKey,
  featureCacheName,
  openFeatures,
  sweepFeatures,
} from "../../../src/training/features/feature-cache.ts";
import { type Objective, objectiveOf } from "../../../src/training/objectives.ts";
import { collate, type TrainingRecord } from "../../../src/training/step/collate.ts";
import { watchFlushes } from "../../support/flushes.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "albert-features-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const key: FeatureKey = { data: "d", tokenizer: "t", parameters: { task: "sst-2", maxSeqLength: 64 } };

const record = fc
  .record({
    ids: fc.array(fc.integer({ min: 0, max: 30_000 }), { minLength: 2, maxLength: 40 }),
    label: fc.nat(3),
    score: fc.float({ noNaN: true }),
  })
  .map(
    ({ ids, label, score }): TrainingRecord => ({
      input_ids: Int32Array.from(ids),
      segment_ids: new Int32Array(ids.length),
      label_ids: Int32Array.of(label),
      label_values: Float32Array.of(score),
    }),
  );

describe("what interrupted runs left in the feature cache", () => {
  it("is removed when nobody has written to it for an hour, and nothing else is", async () => {
    const cache = await mkdtemp(join(tmpdir(), "albert-sweep-"));
    await mkdir(join(cache, "half.writing"));
    await writeFile(join(cache, "half.writing", "records.bin"), "x");
    await mkdir(join(cache, "whole"));
    expect(await sweepFeatures(cache)).toEqual([]);
    expect(await sweepFeatures(cache, Date.now() + 3_700_000)).toEqual(["half.writing"]);
    expect(await readdir(cache)).toEqual(["whole"]);
    expect(await sweepFeatures(join(cache, "absent"))).toEqual([]);
    await rm(cache, { recursive: true });
  });
});

describe("the feature cache", () => {
  it("gives back every record exactly, in any order, after reopening", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 30 }), fc.nat(), async (records, turn) => {
        const own = join(directory, String(Math.random()));
        await (await openFeatures(own, key, () => records)).close();
        const store = await openFeatures(own, key, () => {
          throw new Error("made twice");
        });
        expect([...store.lengths]).toEqual(records.map(({ input_ids }) => input_ids!.length));
        for (let i = 0; i < records.length; i++) {
          const at = (i + turn) % records.length;
          expect(await store.read(at)).toEqual(records[at]);
        }
        await store.close();
      }),
      { numRuns: 20 },
    );
  });

  it("is keyed by data, tokenizer and parameters, in whatever order those are named", () => {
    const name = featureCacheName(key);
    expect(featureCacheName({ ...key, parameters: { maxSeqLength: 64, task: "sst-2" } })).toBe(name);
    for (const other of [
      { ...key, data: "e" },
      { ...key, tokenizer: "u" },
      { ...key, parameters: { ...key.parameters, maxSeqLength: 65 } },
    ]) {
      expect(featureCacheName(other)).not.toBe(name);
    }
  });

  it("makes damaged or half-written features again", async () => {
    const records = fc.sample(record, { numRuns: 5, seed: 1 });
    const first = await openFeatures(directory, key, () => records);
    await first.close();
    const handle = await open(join(directory, featureCacheName(key), "records.bin"), "r+");
    await handle.write(Buffer.from([255]), 0, 1, 5);
    await handle.close();
    const half = join(directory, `${featureCacheName(key)}.writing`); // as a killed process leaves it
    await mkdir(half);
    await writeFile(join(half, "records.bin"), "half");
    let made = 0;
    const again = await openFeatures(directory, key, () => {
      made++;
      return records;
    });
    expect(made).toBe(1);
    expect(again.digest).toBe(first.digest);
    expect(await again.read(3)).toEqual(records[3]);
    await again.close();
    expect(await readdir(directory)).toEqual([featureCacheName(key)]);
  });

  it("are on the disk before they have their name, and the name is", async () => {
    const flushes = watchFlushes(directory);
    const made = await openFeatures(join(directory, "own"), key, () => fc.sample(record, { numRuns: 5, seed: 3 }));
    expect(flushes.stop()).toEqual([]);
    await made.close();
  });

  it("makes them again whichever byte of whichever file is damaged", async () => {
    const records = fc.sample(record, { numRuns: 5, seed: 2 });
    const sound = await openFeatures(directory, key, () => records);
    await sound.close();
    const place = join(directory, featureCacheName(key));
    for (const file of await readdir(place)) {
      const bytes = await readFile(join(place, file));
      for (let at = 0; at < bytes.length; at += 11) {
        const damaged = Buffer.from(bytes);
        damaged[at]! ^= 1;
        await writeFile(join(place, file), damaged);
        const again = await openFeatures(directory, key, () => records);
        expect(again.digest, `${file}, byte ${at}`).toBe(sound.digest);
        expect(await again.read(4), `${file}, byte ${at}`).toEqual(records[4]);
        await again.close();
      }
    }
  });

  it("refuses data without one example", async () => {
    await expect(openFeatures(directory, key, () => [])).rejects.toMatchObject({ reason: "NO_EXAMPLES" });
  });

  it("holds a data set of SQuAD's size in little memory", async () => {
    const count = 87_599;
    function* windows(): Generator<TrainingRecord> {
      for (let i = 0; i < count; i++) {
        const input_ids = new Int32Array(284 + (i % 100)).fill(i % 30_000);
        yield { input_ids, segment_ids: new Int32Array(input_ids.length), start_positions: Int32Array.of(i) };
      }
    }
    const before = process.memoryUsage();
    let highest = 0;
    const watched = function* () {
      let at = 0;
      for (const window of windows()) {
        if (at++ % 5000 === 0) {
          const now = process.memoryUsage();
          highest = Math.max(highest, now.arrayBuffers + now.heapUsed - before.arrayBuffers - before.heapUsed);
        }
        yield window;
      }
    };
    const store = await openFeatures(directory, key, watched);
    expect(store.lengths).toHaveLength(count);
    expect((await store.read(count - 1))["start_positions"]).toEqual(Int32Array.of(count - 1));
    await store.close();
    expect(highest).toBeLessThan(100e6); // all records together take 234 MB
  });
});

describe("collation", () => {
  const classification = objectiveOf({
    name: "label",
    kind: "classification",
    problemType: "single-label",
    labels: ["a", "b", "c", "d"],
  });

  it("pads with mask 0 and fills missing rows with weight 0", () => {
    const records = [
      { input_ids: Int32Array.of(2, 7, 3), segment_ids: Int32Array.of(0, 0, 0), label_ids: Int32Array.of(3) },
      { input_ids: Int32Array.of(2, 3), segment_ids: Int32Array.of(0, 1), label_ids: Int32Array.of(1) },
    ];
    const batch = collate(classification, records, { sequenceLength: 4, rows: 3 });
    expect(batch).toEqual({
      input_ids: { shape: [3, 4], data: Int32Array.of(2, 7, 3, 0, 2, 3, 0, 0, 2, 7, 3, 0) },
      input_mask: { shape: [3, 4], data: Float32Array.of(1, 1, 1, 0, 1, 1, 0, 0, 1, 1, 1, 0) },
      segment_ids: { shape: [3, 4], data: Int32Array.of(0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) },
      example_weights: { shape: [3], data: Float32Array.of(1, 1, 0) },
      label_ids: { shape: [3], data: Int32Array.of(3, 1, 3) },
    });
  });

  it("lays the choices of a question side by side and masks those it lacks", () => {
    const choice: Objective = objectiveOf({ name: "choice", kind: "multiple-choice" });
    const record = {
      input_ids: Int32Array.of(2, 8, 3, 2, 3),
      segment_ids: Int32Array.of(0, 1, 1, 0, 0),
      sequence_lengths: Int32Array.of(3, 2),
      label_ids: Int32Array.of(1),
    };
    const batch = collate(choice, [record], { sequenceLength: 3, rows: 1 }, { choices: 3 });
    expect(batch["input_ids"]).toEqual({ shape: [1, 3, 3], data: Int32Array.of(2, 8, 3, 2, 3, 0, 0, 0, 0) });
    expect(batch["choice_mask"]).toEqual({ shape: [1, 3], data: Float32Array.of(1, 1, 0) });
  });

  it("lets no answer lie in padding", () => {
    const span = objectiveOf({ name: "answer", kind: "span-answerability" });
    const record = {
      input_ids: Int32Array.of(2, 8, 3),
      segment_ids: Int32Array.of(0, 0, 1),
      p_mask: Float32Array.of(0, 0, 1),
      start_positions: Int32Array.of(1),
      end_positions: Int32Array.of(1),
      is_impossible: Float32Array.of(0),
    };
    const batch = collate(span, [record], { sequenceLength: 5, rows: 1 });
    expect(batch["p_mask"]!.data).toEqual(Float32Array.of(0, 0, 1, 1, 1));
  });
});
