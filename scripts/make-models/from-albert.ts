import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ALBERT_MODELS, Settings } from "./albert-settings.ts";
import type { ModelCard } from "./models-page.ts";
import { dataFiles, type Flags, flagsOf, heldOutSentences, type Workshop } from "./stages.ts";

type AlbertModel = (typeof ALBERT_MODELS)[number];

/** What each model is trained from, by the names that `ALBERT_MODELS` uses. */
type Starts = Readonly<Record<AlbertModel["start"], Flags>>;

/**
 * Makes models of the ALBERT architecture.
 *
 * @param published  flags of a published checkpoint to start from; random weights and pretraining without it
 */
export function makeFromAlbert(
  models: readonly AlbertModel[],
  settings: Settings,
  workshop: Workshop,
  published?: Flags,
): ModelCard[] {
  const starts: Starts =
    published === undefined ? fromScratch(models, settings, workshop) : { trunk: published, cloze: published };
  return models.map((model) => makeModel(model, starts[model.start], settings, workshop));
}

function fromScratch(models: readonly AlbertModel[], settings: Settings, workshop: Workshop): Starts {
  const trunk = { init: pretrain(settings, workshop) };
  const asked = models.some((model) => model.start === "cloze");
  return { trunk, cloze: asked ? { init: trainOnCloze(trunk, settings, workshop) } : trunk };
}

/** Vocabulary, architecture and trunk. @returns the trunk's directory */
function pretrain(settings: Settings, workshop: Workshop): string {
  const { stages, data, work, machine, seed } = workshop;
  const vocabulary = join(work, "vocabulary");
  stages.run("vocabulary", `${vocabulary}.model`, "albert", [
    ...["vocab", "train", "--input", ...dataFiles(data, "corpus/")],
    ...flagsOf({ ...settings.vocabulary, output: vocabulary }),
  ]);
  const architecture = join(work, "architecture.json");
  writeFileSync(architecture, JSON.stringify(settings.architecture, null, 2));
  const output = join(work, "trunk");
  const flags = { config: architecture, vocab: `${vocabulary}.model`, seed, ...settings.pretraining };
  const texts = textsOf("pretraining", settings, workshop);
  stages.train("pretraining", output, ["pretrain", "--input", ...texts, ...flagsOf({ ...flags, ...machine, output })]);
  return output;
}

/** @returns directory of the trunk after the cloze questions */
function trainOnCloze(trunk: Flags, settings: Settings, workshop: Workshop): string {
  const { stages, work, machine, seed } = workshop;
  const train = join(work, "cloze.json");
  const count = String(settings["cloze-questions"]["count"]);
  const args = [train, count, ...textsOf("cloze", settings, workshop)];
  stages.run("making cloze questions", train, "scripts/make-models/cloze-questions.ts", args);
  const output = join(work, "cloze");
  const flags = { task: "squad-v1", ...trunk, train, seed, ...settings.cloze, ...machine, output };
  stages.train("training on cloze questions", output, ["train", ...flagsOf(flags)]);
  return output;
}

function textsOf(stage: "pretraining" | "cloze", { texts }: Settings, { data }: Workshop): string[] {
  return String(texts[stage])
    .split(",")
    .flatMap((name) => dataFiles(data, `corpus/${name}`));
}

function makeModel(model: AlbertModel, start: Flags, settings: Settings, workshop: Workshop): ModelCard {
  const { name, task, labels, description, guess, published } = model;
  const { stages, data, work, machine, seed } = workshop;
  const [train, dev] = [model.train, model.dev].map((prefix) => dataFiles(data, prefix)[0]!) as [string, string];
  const trained = join(work, "fine-tuned", name);
  const rows = task === "sst-2" ? heldOutSentences(workshop, train, settings["held-out-sentences"]) : { train };
  const flags = { task, ...start, ...rows, seed, ...settings[name], ...machine, output: trained };
  stages.train(`fine-tuning ${name}`, trained, ["train", ...flagsOf(flags)]);
  const output = join(work, "models", name);
  stages.run(`naming ${name}`, join(output, "manifest.json"), "scripts/name-labels.ts", [
    ...[trained, output, labels, description],
  ]);
  const evaluated = ["evaluate", ...flagsOf({ task, model: output, data: dev, ...machine }), "--json"];
  const score = stages.json(`scoring ${name}`, `scores/${name}.json`, "albert", evaluated);
  const baseline = stages.json(`baseline of ${name}`, `scores/${name}.baseline.json`, "scripts/trivial-baselines.ts", [
    guess,
    "--train",
    train,
    "--dev",
    dev,
  ]);
  const rowsOfPage = [
    ["this model", score],
    ["guessing", baseline],
    ["published, on the whole development set", published],
  ] as const;
  return { name, description, rows: rowsOfPage };
}
