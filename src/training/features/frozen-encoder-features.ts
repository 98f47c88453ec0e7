import { createHash } from "node:crypto";
import { invariant } from "../../errors.ts";
import { type Head, readsPooled } from "../../model/heads.ts";
import { trunkParameters } from "../../model/parameters.ts";
import { type Engine, POOLED_OUTPUT, SEQUENCE_OUTPUT, type SequenceInput } from "../../runtime/engine.ts";
import { createEngine } from "../../runtime/packed-engine.ts";
import type { StartingModel } from "../starting-model.ts";
import { sequencesOf, type TrainingRecord } from "../step/collate.ts";
import { type FeatureKey, type FeatureStore, openFeatures } from "./feature-cache.ts";

// Computes once what a frozen encoder gives for every record, so that only the head is trained.

/**
 * What a frozen trunk makes of every record, computed once through the serving graph: the pooled output for heads that
 * read it, the sequence output for span heads. Training the head on these takes seconds.
 *
 * The outputs are those of serving, so without the trunk's dropout.
 */
export async function openTrunkOutputs(
  cacheDirectory: string,
  features: FeatureStore,
  { start, head, threads }: { readonly start: StartingModel; readonly head: Head; readonly threads?: number },
): Promise<FeatureStore> {
  const key: FeatureKey = {
    data: features.digest,
    tokenizer: start.tokenizer.digest,
    parameters: { trunk: trunkDigest(start), output: outputOf(head) },
  };
  return openFeatures(cacheDirectory, key, () => trunkOutputs(features, start, head, threads));
}

/** The trunk's output that a head reads. */
export function outputOf(head: Head): typeof POOLED_OUTPUT | typeof SEQUENCE_OUTPUT {
  return readsPooled(head.kind) ? POOLED_OUTPUT : SEQUENCE_OUTPUT;
}

async function* trunkOutputs(
  features: FeatureStore,
  { config, parameters }: StartingModel,
  head: Head,
  threads: number | undefined,
): AsyncGenerator<TrainingRecord> {
  const options = { device: "cpu" as const, ...(threads === undefined ? {} : { threads }) };
  const engine = await createEngine({ config, heads: [], parameters }, options);
  try {
    for (let at = 0; at < features.lengths.length; ) {
      const records: TrainingRecord[] = [];
      for (let tokens = 0; at < features.lengths.length && (tokens === 0 || tokens < engine.tokenBudget); at++) {
        records.push(await features.read(at));
        tokens += features.lengths[at]!;
      }
      yield* await withOutputs(engine, records, outputOf(head));
    }
  } finally {
    await engine.close();
  }
}

/** Runs the sequences of a few records as one batch, and puts their outputs in place of the ids. */
async function withOutputs(
  engine: Engine,
  records: readonly TrainingRecord[],
  output: typeof POOLED_OUTPUT | typeof SEQUENCE_OUTPUT,
): Promise<TrainingRecord[]> {
  const sequences = records.map((record) =>
    sequencesOf(record).map(
      ({ inputIds, segmentIds }): SequenceInput => ({ inputIds, tokenTypeIds: segmentIds, outputs: [output] }),
    ),
  );
  const { outputs } = await engine.run(sequences.flat());
  let at = 0;
  return records.map((record, index) => {
    const values = sequences[index]!.map(() => {
      const found = outputs[at++]?.get(output)?.["values"];
      invariant(found instanceof Float32Array, `the engine gave no ${output}`);
      return found;
    });
    const { input_ids: _, segment_ids: __, sequence_lengths: ___, ...labels } = record;
    const lengths = sequences[index]!.map(({ inputIds }) => (output === POOLED_OUTPUT ? 1 : inputIds.length));
    return {
      [output === POOLED_OUTPUT ? "pooled_output" : "sequence_output"]: concatenated(values),
      sequence_lengths: Int32Array.from(lengths),
      ...labels,
    };
  });
}

function trunkDigest({ config, parameters }: StartingModel): string {
  const hash = createHash("sha256");
  for (const { name } of trunkParameters(config)) {
    const { data } = parameters.get(name)!;
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex");
}

function concatenated(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
