import { createHash } from "node:crypto";
import { invariant } from "../../errors.ts";
import type { Engine, SequenceInput } from "../../runtime/engine.ts";
import { createEngine } from "../../runtime/packed-engine.ts";
import { type FeatureStore, openFeatures } from "../features/feature-cache.ts";
import { sequencesOf, type TrainingRecord } from "../step/collate.ts";
import type { Teacher } from "./distillation.ts";

// Asks a teacher once about every record, so that it need not compute in every step.

/** What asking takes. */
export interface AnswersSpec {
  readonly teacher: Teacher;
  /** Of the teacher's weights and tokenizer. */
  readonly digest: string;
  /** The records as the teacher's own tokenizer cuts them, in the same order; the student's when left out. */
  readonly asked?: FeatureStore;
  readonly threads?: number;
}

/**
 * The records with `teacher_logits`: the teacher's answer to each, through the serving graph. They lie in the cache, a number a label
 * on top of what each record takes, and are found there when the run is continued.
 */
export async function openTeacherAnswers(
  cacheDirectory: string,
  features: FeatureStore,
  spec: AnswersSpec,
): Promise<FeatureStore> {
  const { teacher, digest, asked = features } = spec;
  const key = {
    data: createHash("sha256").update(features.digest).update(asked.digest).digest("hex"),
    tokenizer: digest,
    parameters: { answers: JSON.stringify(teacher.head) },
  };
  return openFeatures(cacheDirectory, key, () => answeredRecords(features, asked, spec));
}

async function* answeredRecords(
  features: FeatureStore,
  asked: FeatureStore,
  { teacher, threads }: AnswersSpec,
): AsyncGenerator<TrainingRecord> {
  invariant(asked.lengths.length === features.lengths.length, "both tokenizers make a record of every example");
  const { config, head, parameters } = teacher;
  const options = { device: "cpu" as const, ...(threads === undefined ? {} : { threads }) };
  const engine = await createEngine({ config, heads: [head], parameters }, options);
  try {
    for (let at = 0; at < asked.lengths.length; ) {
      const from = at;
      const records: TrainingRecord[] = [];
      for (let tokens = 0; at < asked.lengths.length && (tokens === 0 || tokens < engine.tokenBudget); at++) {
        records.push(await asked.read(at));
        tokens += asked.lengths[at]!;
      }
      const answers = await answersTo(engine, records, head.name);
      for (const [i, answer] of answers.entries()) {
        yield { ...(await features.read(from + i)), teacher_logits: answer };
      }
    }
  } finally {
    await engine.close();
  }
}

/** Logits of each record: of its labels, or one for each of its choices. */
async function answersTo(engine: Engine, records: readonly TrainingRecord[], head: string): Promise<Float32Array[]> {
  const sequences = records.map((record) =>
    sequencesOf(record).map(
      ({ inputIds, segmentIds }): SequenceInput => ({ inputIds, tokenTypeIds: segmentIds, outputs: [head] }),
    ),
  );
  const { outputs } = await engine.run(sequences.flat());
  let at = 0;
  return sequences.map((own) =>
    Float32Array.from(
      own.flatMap(() => {
        const logits = outputs[at++]?.get(head)?.["logits"];
        invariant(logits instanceof Float32Array, `the engine gave no logits of ${head}`);
        return [...logits];
      }),
    ),
  );
}
