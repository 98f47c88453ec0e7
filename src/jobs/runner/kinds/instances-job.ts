import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AlbertError } from "../../../errors.ts";
import { readVocabulary } from "../../../model/directory/vocabulary.ts";
import type { TextReport } from "../../../pretraining/corpus/text-documents.ts";
import { measureText } from "../../../pretraining/corpus/text-size.ts";
import { WORD_BYTES } from "../../../pretraining/corpus/token-store-files.ts";
import { buildTokenStore } from "../../../pretraining/corpus/token-store-writer.ts";
import type { InstanceOptions } from "../../../pretraining/instances/instance.ts";
import { checkInstanceOptions } from "../../../pretraining/instances/instance-options.ts";
import { instanceOptions } from "../../../pretraining/pretraining-data.ts";
import {
  type InstanceRecords,
  writeInstanceRecords,
  writeOfficialRecords,
} from "../../../pretraining/records/instance-records.ts";
import type { RecordReport } from "../../../pretraining/records/record-writer.ts";
import { loadTokenizer } from "../../../tokenizer/load-tokenizer.ts";
import type { Tokenizer } from "../../../tokenizer/tokenizer.ts";
import { nameOf } from "../../../training/settings/table.ts";
import { openStart } from "../../../training/starting-model.ts";
import { EMPTY_PLAN, type JobOutcome, type JobPlan } from "../../job-outcome.ts";
import { INSTANCES, type InstanceJobSettings, parseInstanceSettings, splitRecipe } from "../../job-recipe.ts";
import { appliedSetting, type JobControl, NO_OP_CONTROL, required, WORK_DIRECTORY } from "../job-control.ts";
import type { ResolvedSpec } from "../resolved-spec.ts";
import { requireResources } from "../resources.ts";

// The job that makes pretraining instances: its run and its plan.

/** Everything that making instances needs to know. */
interface InstancePlan {
  readonly text: string;
  readonly tokenizer: Tokenizer;
  readonly recipe: InstanceJobSettings;
  readonly records: Omit<InstanceRecords, "output"> & { readonly options: InstanceOptions };
}

/** Turns text into pretraining instances; the result is a TFRecord file in the official layout. */
export async function instancesJob(resolved: ResolvedSpec, control: JobControl): Promise<JobOutcome> {
  const { hooks } = control;
  const work = await prepareInstances(resolved);
  hooks.activity("planning");
  const plan = await planOf(resolved, work);
  hooks.phase("validated");
  hooks.planned(plan);
  await requireResources(
    resolved.directory,
    { memoryBytes: 0, diskBytes: plan.diskBytes },
    { memory: "", disk: "lower dupe_factor, or give less text" },
  );
  hooks.phase("prepared");
  const path = join(resolved.directory, WORK_DIRECTORY, "instances.tf_record");
  const made = await makeRecords(work, work.text, path, control);
  hooks.phase("trained");
  const { documents, sentences, tokens } = made.text;
  const { instances, predictions } = made.records;
  return {
    kind: "finished",
    metrics: { documents, sentences, tokens, instances, predictions },
    file: { name: "instances.tf_record", path },
  };
}

/** Says what such a job would take, from the instances of what its text begins with. */
export async function planInstancesJob(resolved: ResolvedSpec): Promise<JobPlan> {
  return planOf(resolved, await prepareInstances(resolved));
}

async function prepareInstances(resolved: ResolvedSpec): Promise<InstancePlan> {
  const text = required(resolved.train, "train");
  const recipe = parseInstanceSettings(splitRecipe(resolved.spec, "recipe.").settings, "recipe.");
  const tokenizer = await tokenizerOf(resolved);
  const { vocabSize, special } = tokenizer;
  const options = { ...instanceOptions(recipe), maxSequenceLength: recipe.maxSeqLength, vocabSize, special };
  checkInstanceOptions(options);
  return { text, tokenizer, recipe, records: { options, dupeFactor: recipe.dupeFactor, seed: resolved.spec.seed } };
}

/** Text that the making of instances is measured on. */
const SAMPLED_BYTES = 500_000;

async function planOf(resolved: ResolvedSpec, work: InstancePlan): Promise<JobPlan> {
  const { bytes, beginning } = await measureText(work.text, SAMPLED_BYTES);
  const sampled = Buffer.byteLength(beginning);
  const directory = await mkdtemp(join(resolved.directory, "sample-"));
  const given = Object.keys(resolved.spec.recipe);
  const values: Readonly<Record<string, unknown>> = { ...work.recipe };
  const settings = Object.keys(INSTANCES).map((key) => appliedSetting(nameOf(key), values[key], given));
  try {
    const [sample, output] = [join(directory, "text.txt"), join(directory, "instances.tf_record")];
    await writeFile(sample, beginning);
    const from = performance.now();
    const made = await makeRecords(work, sample, output, NO_OP_CONTROL);
    const seconds = (performance.now() - from) / 1000;
    const share = bytes / Math.max(1, sampled);
    const tokens = Math.round(share * made.text.tokens);
    return {
      ...EMPTY_PLAN,
      tokens,
      peakMemoryBytes: process.memoryUsage.rss(),
      diskBytes: Math.round(share * (await stat(output)).size) + WORD_BYTES * tokens,
      etaSeconds: share * seconds,
      settings: [
        { name: "instances", value: `about ${Math.round(share * made.records.instances)}`, origin: "the data" },
        ...settings,
      ],
    };
  } catch (error) {
    // What follows may hold instances though the beginning does not.
    if (sampled < bytes && error instanceof AlbertError) return { ...EMPTY_PLAN, settings };
    throw error;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Turns one file of text into instances. */
async function makeRecords(
  { tokenizer, records: wanted }: InstancePlan,
  file: string,
  output: string,
  { hooks, signal, beforeStep }: JobControl,
): Promise<{ readonly text: TextReport; readonly records: RecordReport }> {
  const records = { ...wanted, output: [output] };
  const stopOrYield = () => {
    void beforeStep(0);
    signal.throwIfAborted();
  };
  hooks.activity("tokenizing");
  if (records.options.officialQuirks) return writeOfficialRecords([file], tokenizer, records);
  const store = `${output}.tokens`;
  await rm(store, { recursive: true, force: true });
  try {
    const text = await buildTokenStore(store, {
      files: [file],
      tokenizer,
      officialQuirks: false,
      onProgress: stopOrYield,
    });
    hooks.activity("making instances");
    return { text, records: await writeInstanceRecords(store, { ...records, beforeInstance: stopOrYield }) };
  } finally {
    await rm(store, { recursive: true, force: true });
  }
}

/** The tokenizer that instances are made with: of a vocabulary, or of the model that the job starts from. */
async function tokenizerOf({ vocabulary, start, spec }: ResolvedSpec): Promise<Tokenizer> {
  if (vocabulary === undefined) return (await openStart(required(start, "init"), spec.seed)).tokenizer;
  return loadTokenizer(await readVocabulary(vocabulary.path, { lowerCase: vocabulary.lowerCase }));
}
