import { createHash } from "node:crypto";
import type { Answerer } from "../../model/heads.ts";
import type { Tensor } from "../../model/tensor.ts";
import type { Example } from "../../tasks/datasets/examples.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { PreparedDistillation } from "../distillation/prepare-distillation.ts";
import { openTeacherAnswers } from "../distillation/teacher-answers.ts";
import type { TrainingSettings } from "../settings/fine-tuning.ts";
import type { Task } from "../settings/recipes.ts";
import type { StartingModel } from "../starting-model.ts";
import type { MixedPart } from "../step/data-order.ts";
import { type FeatureStore, openFeatures } from "./feature-cache.ts";
import { openTrunkOutputs } from "./frozen-encoder-features.ts";
import { recordParameters, recordsOf } from "./records.ts";
import type { CheckedData } from "./task-data.ts";

// The features that a fine-tuning run trains on, with everything that is computed once before its first step.

/** What a run's features depend on. */
export interface RunFeaturesSpec {
  readonly cache: string;
  readonly task: Task;
  readonly data: CheckedData;
  readonly head: Answerer;
  readonly settings: TrainingSettings;
  readonly start: StartingModel;
  /** Of trunk and head, as training begins. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly distillation: PreparedDistillation | undefined;
  readonly threads?: number;
  readonly onActivity: (activity: string) => void;
}

/**
 * Makes a run's features, or finds them in the cache: token ids and labels, a teacher's answers where these are stored, and the
 * trunk's outputs in place of ids where the head alone is trained.
 *
 * @returns also how many questions could not be aligned and are left out, and of several files how many records each has
 */
export async function openRunFeatures(
  spec: RunFeaturesSpec,
): Promise<{ readonly features: FeatureStore; readonly dropped: number; readonly mix?: readonly MixedPart[] }> {
  const { cache, head, settings, start, parameters, distillation, onActivity } = spec;
  const threads = spec.threads === undefined ? {} : { threads: spec.threads };
  onActivity("making features");
  const { features: ids, dropped, mix } = await openIds(spec, start.tokenizer);
  const mixed = mix === undefined ? {} : { mix };
  let features = ids;
  if (distillation?.settings.teacherAnswers === "stored") {
    onActivity("asking the teacher");
    const { teacher, sameTokenizer, head: answering } = distillation;
    const asked = sameTokenizer ? undefined : (await openIds(spec, teacher.tokenizer)).features;
    features = await openTeacherAnswers(cache, ids, {
      teacher: { config: teacher.config, head: answering, parameters: teacher.parameters },
      digest: teacher.digest,
      ...(asked === undefined ? {} : { asked }),
      ...threads,
    });
    await asked?.close();
    await ids.close();
  }
  if (!settings.headOnly || head.kind === "vectors") return { features, dropped, ...mixed };
  onActivity("computing the trunk's outputs");
  const outputs = await openTrunkOutputs(cache, features, { start: { ...start, parameters }, head, ...threads });
  await features.close();
  return { features: outputs, dropped, ...mixed };
}

/** Records of token ids as a tokenizer cuts the examples, those without labels last. */
async function openIds({ cache, task, data, head, settings, distillation }: RunFeaturesSpec, tokenizer: Tokenizer) {
  const taught = distillation !== undefined;
  const options = { ...settings, task, head, tokenizer, ...(taught ? { taught } : {}) };
  const { train, unlabelled, parts } = data;
  const keyOf = (digest: string) => ({
    ...{ data: digest, tokenizer: tokenizer.digest },
    parameters: recordParameters(options),
  });
  let dropped = 0;
  const onDropped = () => dropped++;
  if (parts !== undefined) {
    const stores: FeatureStore[] = [];
    for (const { data: part } of parts) {
      const make = () => recordsOf(part.examples(), { ...options, onDropped });
      stores.push(await openFeatures(cache, keyOf(part.digest), make));
    }
    const mix = parts.map(({ weight }, part) => ({ examples: stores[part]!.lengths.length, weight }));
    return { features: joinedFeatures(stores), dropped, mix };
  }
  const key = keyOf(unlabelled === undefined ? train.digest : digestOf(train.digest, unlabelled.digest));
  const examples = () => (unlabelled === undefined ? train.examples() : both(train.examples(), unlabelled.examples()));
  const features = await openFeatures(cache, key, () => recordsOf(examples(), { ...options, onDropped }));
  return { features, dropped };
}

/** The records of several stores as one, in order. */
function joinedFeatures(stores: readonly FeatureStore[]): FeatureStore {
  const lengths = new Uint16Array(stores.reduce((sum, store) => sum + store.lengths.length, 0));
  const starts: number[] = [];
  let start = 0;
  for (const store of stores) {
    starts.push(start);
    lengths.set(store.lengths, start);
    start += store.lengths.length;
  }
  return {
    digest: digestOf(...stores.map(({ digest }) => digest)),
    lengths,
    read(index) {
      const store = starts.findLastIndex((from) => from <= index);
      return stores[store]!.read(index - starts[store]!);
    },
    async close() {
      for (const store of stores) await store.close();
    },
  };
}

async function* both(first: AsyncIterable<Example>, second: AsyncIterable<Example>): AsyncGenerator<Example> {
  yield* first;
  yield* second;
}

function digestOf(...parts: readonly string[]): string {
  return createHash("sha256").update(parts.join("\n")).digest("hex");
}
