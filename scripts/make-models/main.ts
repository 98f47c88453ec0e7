/**
 * Makes the bundled models from public data, unattended: vocabulary, pretraining, questions out of plain text, then for each
 * model a fine-tune, its score and its baseline, and a page about them all.
 *
 *     npm run make-models -- --data DATA --output WORK
 *
 * With a GPU and a published ALBERT, start from that instead; the official recipes then apply:
 *
 *     npm run make-models -- --data DATA --output WORK --init albert_base_v2 --device cuda
 *
 * What is finished is skipped and what was interrupted is resumed, so the same command goes on after anything. DATA holds
 * `corpus/*.txt.gz`, `glue/SST-2/{train,dev}.tsv`, `squad/{train,dev}-v1.1.json` and `race/RACE-{train,dev}.tar`, where a name may
 * go on after that (`.gz`). WORK gets everything made, the models in `WORK/models`. The values of every stage are in `settings.ts`;
 * `--settings FILE` replaces some of them (`{"pretraining": {"num_train_steps": 100}}`), `--only sentiment` makes one model.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { modelsPage, type ScoredModel } from "./models-page.ts";
import { FROM_PUBLISHED, FROM_SCRATCH, MODELS, type Settings } from "./settings.ts";
import { dataFiles, type Flags, flagsOf, Stages } from "./stages.ts";

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    output: { type: "string" },
    init: { type: "string" },
    vocab: { type: "string" },
    device: { type: "string", default: "cpu" },
    threads: { type: "string" },
    settings: { type: "string" },
    only: { type: "string" },
    seed: { type: "string", default: "1" },
  },
});
if (values.data === undefined || values.output === undefined) {
  throw new Error("expected --data DATA --output WORK; the head of scripts/make-models/main.ts says what DATA holds");
}
const data = resolve(values.data);
const work = resolve(values.output);
const settings = replaced(values.init === undefined ? FROM_SCRATCH : FROM_PUBLISHED, values.settings);
const machine: Flags = { device: values.device, ...(values.threads === undefined ? {} : { threads: values.threads }) };
const stages = new Stages(work);

mkdirSync(join(work, "models"), { recursive: true });
const chosen = values.only?.split(",") ?? MODELS.map(({ name }) => name);
const wanted = MODELS.filter(({ name }) => chosen.includes(name));
const start = values.init === undefined ? fromScratch() : fromPublished(values.init);
const models = wanted.map(makeModel);
writeFileSync(join(work, "models/README.md"), modelsPage(models, stages.commands));
console.log(`the models and a page about them are in ${join(work, "models")}`);

/** What each model is trained from, by the names that `MODELS` uses. */
type Starts = Readonly<Record<"trunk" | "cloze", Flags>>;

function fromPublished(init: string): Starts {
  const trunk = { init: resolve(init), ...(values.vocab === undefined ? {} : { vocab: resolve(values.vocab) }) };
  return { trunk, cloze: trunk };
}

function fromScratch(): Starts {
  const trunk = { init: pretrain() };
  return { trunk, cloze: wanted.some((model) => model.start === "cloze") ? { init: trainOnCloze(trunk) } : trunk };
}

/** Vocabulary, architecture and trunk. @returns the trunk's directory */
function pretrain(): string {
  const vocabulary = join(work, "vocabulary");
  stages.run("vocabulary", `${vocabulary}.model`, "albert", [
    ...["vocab", "train", "--input", ...dataFiles(data, "corpus/")],
    ...flagsOf({ ...settings.vocabulary, output: vocabulary }),
  ]);
  const architecture = join(work, "architecture.json");
  writeFileSync(architecture, JSON.stringify(settings.architecture, null, 2));
  const output = join(work, "trunk");
  const flags = { config: architecture, vocab: `${vocabulary}.model`, seed: values.seed, ...settings.pretraining };
  const texts = textsOf("pretraining");
  stages.train("pretraining", output, ["pretrain", "--input", ...texts, ...flagsOf({ ...flags, ...machine, output })]);
  return output;
}

/** @returns directory of the trunk after the cloze questions */
function trainOnCloze(trunk: Flags): string {
  const train = join(work, "cloze.json");
  const count = String(settings["cloze-questions"]["count"]);
  const args = [train, count, ...textsOf("cloze")];
  stages.run("making cloze questions", train, "scripts/make-models/cloze-questions.ts", args);
  const output = join(work, "cloze");
  const flags = { task: "squad-v1", ...trunk, train, seed: values.seed, ...settings.cloze, ...machine, output };
  stages.train("training on cloze questions", output, ["train", ...flagsOf(flags)]);
  return output;
}

function textsOf(stage: "pretraining" | "cloze"): string[] {
  return String(settings.texts[stage])
    .split(",")
    .flatMap((name) => dataFiles(data, `corpus/${name}`));
}

function makeModel(model: (typeof MODELS)[number]): ScoredModel {
  const { name, task, labels, description } = model;
  const [train, dev] = [model.train, model.dev].map((prefix) => dataFiles(data, prefix)[0]!) as [string, string];
  const trained = join(work, "fine-tuned", name);
  const rows = task === "sst-2" ? heldOut(train) : { train };
  const flags = {
    task,
    ...start[model.start],
    ...rows,
    seed: values.seed,
    ...settings[name],
    ...machine,
    output: trained,
  };
  stages.train(`fine-tuning ${name}`, trained, ["train", ...flagsOf(flags)]);
  const output = join(work, "models", name);
  stages.run(`naming ${name}`, join(output, "manifest.json"), "scripts/name-labels.ts", [
    ...[trained, output, labels, description],
  ]);
  const evaluated = ["evaluate", ...flagsOf({ task, model: output, data: dev, ...machine }), "--json"];
  const score = stages.json(`scoring ${name}`, `scores/${name}.json`, "albert", evaluated);
  const guessing = [model.guess, "--train", train, "--dev", dev];
  const baseline = stages.json(
    `baseline of ${name}`,
    `scores/${name}.baseline.json`,
    "scripts/trivial-baselines.ts",
    guessing,
  );
  return { ...model, score, baseline };
}

/** Whole sentences apart, with their phrases: any other choice of SST-2's rows would be seen in training in parts. */
function heldOut(train: string): Flags {
  const output = join(work, "sst-2");
  const count = String(settings["held-out-sentences"]["count"]);
  const made = join(output, "held-out.tsv");
  stages.run("holding sentences out", made, "scripts/hold-out-sentences.ts", [train, output, count]);
  return { train: join(output, "train.tsv"), eval: made };
}

/** The table with the values of a file in place of its own. */
function replaced(table: Settings, file: string | undefined): Settings {
  if (file === undefined) return table;
  const replacements = JSON.parse(readFileSync(file, "utf8")) as Partial<Settings>; // keys are checked below
  const unknown = Object.keys(replacements).filter((stage) => !Object.hasOwn(table, stage));
  if (unknown.length > 0) throw new Error(`${file} names no stage of ${Object.keys(table)}: ${unknown}`);
  const merged = Object.entries(table).map(([stage, flags]) => [
    stage,
    { ...flags, ...replacements[stage as keyof Settings] },
  ]);
  return Object.fromEntries(merged) as Settings;
}
