import { basename, join } from "node:path";
import type { ENCODER_MODELS, EncoderSettings } from "./encoder-settings.ts";
import type { ModelCard } from "./models-page.ts";
import { dataFiles, type Flags, flagsOf, heldOutSentences, type Workshop } from "./stages.ts";

type EncoderModel = (typeof ENCODER_MODELS)[number];
type FineTuned = Exclude<EncoderModel, { task: "encode" }>;

/**
 * Makes models from a sentence encoder: itself, and fine-tunes of it. They are stored as int8, their word embeddings apart.
 *
 * @param base  directory of sentence-transformers, or what else `albert import` reads
 */
export function makeFromEncoder(
  models: readonly EncoderModel[],
  settings: EncoderSettings,
  workshop: Workshop,
  base: string,
): ModelCard[] {
  const { stages, work } = workshop;
  const encoder = join(work, "encoder");
  stages.run("importing", join(encoder, "manifest.json"), "albert", ["import", base, "--output", encoder]);
  return models.map((model) => makeModel(model, encoder, settings, workshop));
}

function makeModel(model: EncoderModel, encoder: string, settings: EncoderSettings, workshop: Workshop): ModelCard {
  const { name, labels, description } = model;
  const { stages, data, work, machine } = workshop;
  const { trained, heldOut } =
    model.task === "encode" ? { trained: encoder, heldOut: undefined } : fineTune(model, encoder, settings, workshop);
  const named = join(work, "named", name);
  stages.run(`naming ${name}`, join(named, "manifest.json"), "scripts/name-labels.ts", [
    ...[trained, named, labels, description],
  ]);
  const output = join(work, "models", name);
  const stored = ["convert", named, "--weights", "int8", "--embeddings-apart", "--output", output];
  // Measured on what was held out of the training, which also finds the null threshold anew.
  if (heldOut !== undefined) stored.push("--task", model.task, "--data", heldOut);
  stages.run(`storing ${name}`, join(output, "manifest.json"), "albert", stored);
  const rows = model.measured.flatMap(({ task, data: prefix, ...more }) => {
    const place = basename(prefix);
    const scoreOf = (directory: string, weights: string) => {
      const extra: Flags = "flags" in more ? more.flags : {};
      const flags = { task, model: directory, data: dataFiles(data, prefix)[0]!, ...extra, ...machine };
      const made = `scores/${name}.${weights}.${place}.json`;
      return stages.json(`scoring ${name}, ${weights}, on ${place}`, made, "albert", [
        "evaluate",
        ...flagsOf(flags),
        "--json",
      ]);
    };
    return [
      [`${place}: this model`, scoreOf(output, "int8")] as const,
      [`${place}: before its weights were rounded`, scoreOf(named, "float32")] as const,
    ];
  });
  return { name, description, rows };
}

/** @returns directory of the fine-tuned model, and what chose its checkpoint */
function fineTune(
  model: FineTuned,
  encoder: string,
  settings: EncoderSettings,
  workshop: Workshop,
): { readonly trained: string; readonly heldOut: string } {
  const { stages, work, machine, seed } = workshop;
  const { name, task } = model;
  const rows = dividedData(model, settings, workshop);
  const output = join(work, "fine-tuned", name);
  const flags = { task, init: encoder, ...rows, seed, ...settings[name], ...machine, output };
  stages.train(`fine-tuning ${name}`, output, ["train", ...flagsOf(flags)]);
  return { trained: output, heldOut: rows.eval };
}

/** What a model learns from, and what is kept out of that to choose its checkpoint. */
function dividedData(
  { task, train: prefix }: FineTuned,
  settings: EncoderSettings,
  workshop: Workshop,
): { readonly train: string; readonly eval: string } {
  const train = dataFiles(workshop.data, prefix)[0]!;
  switch (task) {
    case "sst-2":
      return heldOutSentences(workshop, train, settings["held-out-sentences"]);
    case "squad-v2":
      return answerlessQuestions(train, settings["answerless-questions"], workshop);
    case "mnli":
      return premisesAndTopics(train, settings, workshop);
  }
}

/** MNLI's rows with hypotheses about topics; some premises are held out, with all of their rows. */
function premisesAndTopics(train: string, settings: EncoderSettings, { stages, data, work }: Workshop) {
  const output = join(work, "mnli");
  const held = join(output, "held-out.tsv");
  stages.run("holding premises out", held, "scripts/hold-out-rows.ts", [
    ...[train, output, "sentence1", String(settings["held-out-premises"].count)],
  ]);
  const joined = join(output, "with-topics.tsv");
  stages.run("adding topics", joined, "scripts/make-models/topic-hypotheses.ts", [
    ...[join(output, "train.tsv"), joined, String(settings["topic-hypotheses"].count)],
    dataFiles(data, "squad/train-v1.1")[0]!,
  ]);
  return { train: joined, eval: held };
}

/** SQuAD v1's questions with some that have no answer; whole articles are held out. */
function answerlessQuestions(train: string, settings: Flags, { stages, data, work }: Workshop) {
  const output = join(work, "squad");
  const further = dataFiles(data, "squad/train-v2.0")[0]!;
  const held = join(output, "held-out.json");
  stages.run("making questions without an answer", held, "scripts/make-models/answerless-questions.ts", [
    ...[output, String(settings["share"]), String(settings["most_characters"]), train, further],
  ]);
  return { train: join(output, "train.json"), eval: held };
}
