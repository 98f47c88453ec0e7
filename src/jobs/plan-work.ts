import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { measurePretraining, planPretraining } from "../pretraining/plan.ts";
import { preparePretraining } from "../pretraining/pretrain.ts";
import { readTextLines } from "../pretraining/text-lines.ts";
import { OFFICIAL_VOCABULARY_TRAINING } from "../pretraining/vocabulary.ts";
import type { Example } from "../tasks/datasets/examples.ts";
import { evaluateDataset } from "../tasks/evaluation/evaluate-dataset.ts";
import { acceptedExamples } from "../training/data/rows.ts";
import { openExecutor } from "../training/executors/open-executor.ts";
import { prepareFineTune } from "../training/fine-tune.ts";
import { type AppliedSetting, measurePlan, planFineTune } from "../training/plan.ts";
import { evaluationEngine, makeRecords, openEvaluation, recordOptions, tokenizerOf } from "./data-work.ts";
import { INSTANCE_SETTING_NAMES, parseInstanceSettings } from "./instance-settings.ts";
import type { JobPlan } from "./job-service.ts";
import type { WorkHooks } from "./job-work.ts";
import { divideRecipe } from "./own-recipe.ts";
import { fineTuneSpec, jobPlanOf, pretrainSpec } from "./train-work.ts";
import { required, taskOf } from "./work-control.ts";
import { rejectionOf } from "./work-failures.ts";
import type { WorkOrder } from "./work-order.ts";

const NOTHING_PLANNED: JobPlan = {
  problems: [],
  steps: 0,
  tokens: 0,
  paddingShare: 0,
  peakMemoryBytes: 0,
  diskBytes: 0,
  etaSeconds: 0,
  settings: [],
};

const TOOLS = {
  openExecutor,
  clock: () => performance.now(),
  residentBytes: () => process.memoryUsage.rss(),
};

/**
 * Says what a job would do, as far as its kind has it: reads and checks everything as the job would, and measures a small
 * part of the work. What would have the job rejected is told as problems.
 */
export async function planWork(order: WorkOrder): Promise<JobPlan> {
  try {
    switch (order.spec.kind) {
      case "fine-tune":
        return await planFineTuneJob(order);
      case "pretrain":
        return await planPretrainJob(order);
      case "evaluate":
        return await planEvaluation(order);
      case "train-vocabulary":
        return await planVocabulary(order);
      case "pretraining-data":
        return await planPretrainingData(order);
    }
  } catch (error) {
    return { ...NOTHING_PLANNED, problems: rejectionOf(error).problems };
  }
}

async function planFineTuneJob(order: WorkOrder): Promise<JobPlan> {
  const prepared = await prepareFineTune(fineTuneSpec(order));
  try {
    return jobPlanOf(await measurePlan(planFineTune(prepared), prepared, TOOLS), order.spec);
  } finally {
    await prepared.close();
  }
}

async function planPretrainJob(order: WorkOrder): Promise<JobPlan> {
  const prepared = await preparePretraining(pretrainSpec(order));
  const plan = await planPretraining(prepared, Object.keys(order.spec.recipe));
  return jobPlanOf(await measurePretraining(plan, prepared, TOOLS), order.spec);
}

/** Examples that an evaluation is measured on. */
const SAMPLED_EXAMPLES = 64;

async function planEvaluation(order: WorkOrder): Promise<JobPlan> {
  const { model, tasks, dataset } = await openEvaluation(order);
  const sample: Example[] = [];
  let examples = 0;
  for await (const example of acceptedExamples(dataset)) {
    if (examples++ < SAMPLED_EXAMPLES) sample.push(example);
  }
  const engine = await evaluationEngine(order, model);
  try {
    const from = performance.now();
    const { tokens } = await evaluateDataset(engine, tasks, taskOf(order.spec.task), sample);
    const share = examples / sample.length;
    return {
      ...NOTHING_PLANNED,
      tokens: Math.round(share * tokens),
      peakMemoryBytes: process.memoryUsage.rss(),
      etaSeconds: (share * (performance.now() - from)) / 1000,
      settings: [{ name: "examples", value: String(examples), origin: "the data" }, ...ownSettings(order)],
    };
  } finally {
    await engine.close();
  }
}

async function planVocabulary(order: WorkOrder): Promise<JobPlan> {
  const { vocabSize = 30_000, cased = false } = divideRecipe(order.spec, "recipe.").own;
  const { bytes, lines } = await sizeOfText(required(order.train, "train"));
  const { characterCoverage, inputSentenceSize } = OFFICIAL_VOCABULARY_TRAINING;
  const given = Object.keys(order.spec.recipe);
  return {
    ...NOTHING_PLANNED,
    diskBytes: bytes, // the cleaned text that the trainer reads
    settings: [
      { name: "lines", value: String(Math.min(lines, inputSentenceSize)), origin: "the data" },
      setting("vocab_size", vocabSize, given),
      setting("cased", cased, given),
      setting("character_coverage", characterCoverage, given),
    ],
  };
}

/** Text that the making of instances is measured on. */
const SAMPLED_BYTES = 500_000;

async function planPretrainingData(order: WorkOrder): Promise<JobPlan> {
  const recipe = parseInstanceSettings(divideRecipe(order.spec, "recipe.").settings, "recipe.");
  const tokenizer = await tokenizerOf(order);
  const options = recordOptions(recipe, tokenizer);
  const text = await sizeOfText(required(order.train, "train"));
  const directory = await mkdtemp(join(order.directory, "sample-"));
  try {
    const [sample, output] = [join(directory, "text.txt"), join(directory, "instances.tf_record")];
    await writeFile(sample, text.beginning);
    const from = performance.now();
    const made = await makeRecords(sample, tokenizer, QUIETLY, {
      options,
      dupeFactor: recipe.dupeFactor,
      seed: order.spec.seed,
      output: [output],
    });
    const seconds = (performance.now() - from) / 1000;
    const share = text.bytes / Math.max(1, Buffer.byteLength(text.beginning));
    const given = Object.keys(order.spec.recipe);
    const values: Readonly<Record<string, unknown>> = { ...recipe };
    return {
      ...NOTHING_PLANNED,
      tokens: Math.round(share * made.text.tokens),
      peakMemoryBytes: process.memoryUsage.rss(),
      diskBytes: Math.round(share * (await stat(output)).size),
      etaSeconds: share * seconds,
      settings: [
        { name: "instances", value: `about ${Math.round(share * made.records.instances)}`, origin: "the data" },
        ...INSTANCE_SETTING_NAMES.map(({ name, key }) => setting(name, values[key], given)),
      ],
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Nobody hears of a plan's progress, and nothing stops it. */
const QUIETLY = {
  hooks: {
    async startChosen() {},
    phase() {},
    activity() {},
    planned() {},
    event() {},
    yielded() {},
  } satisfies WorkHooks,
  signal: new AbortController().signal,
  beforeStep() {},
};

/** Lines and bytes of a text, unpacked, and the lines that it begins with. */
async function sizeOfText(file: string): Promise<{ bytes: number; lines: number; beginning: string }> {
  let [bytes, lines] = [0, 0];
  const beginning: string[] = [];
  for await (const { text } of readTextLines(file)) {
    if (bytes < SAMPLED_BYTES) beginning.push(`${text}\n`);
    bytes += Buffer.byteLength(text) + 1;
    lines++;
  }
  return { bytes, lines, beginning: beginning.join("") };
}

function ownSettings({ spec }: WorkOrder): AppliedSetting[] {
  return Object.entries(spec.recipe).map(([name, value]) => ({ name, value, origin: "given" }));
}

function setting(name: string, value: unknown, given: readonly string[]): AppliedSetting {
  return { name, value: String(value), origin: given.includes(name) ? "given" : "default" };
}
