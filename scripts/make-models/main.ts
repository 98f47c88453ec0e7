/**
 * Makes models such as the bundled ones from public data, unattended: for each a fine-tune, its score, what to compare it with, and
 * a page about them all. From a sentence encoder of the BERT family, as the bundled models are (all-MiniLM-L6-v2):
 *
 *     npm run make-models -- --data DATA --output WORK --base all-MiniLM-L6-v2
 *
 * From random weights, with a vocabulary, pretraining and questions out of plain text first:
 *
 *     npm run make-models -- --data DATA --output WORK
 *
 * With a GPU, from a published ALBERT; the official recipes then apply:
 *
 *     npm run make-models -- --data DATA --output WORK --init albert_base_v2 --device cuda
 *
 * What is finished is skipped and what was interrupted is resumed, so the same command goes on after anything. DATA holds
 * `glue/SST-2/{train,dev}.tsv`, `squad/{train,dev}-v1.1.json` and `race/RACE-{train,dev}.tar`, where a name may go on after that
 * (`.gz`); from random weights also `corpus/*.txt.gz`; with `--base` no RACE, but `squad/{train,dev}-v2.0`, `glue/STS-B/dev` and
 * `glue/MNLI/{train,dev_matched}`.
 * WORK gets everything made, the models in `WORK/models`. The values of every stage are in
 * `albert-settings.ts` and `encoder-settings.ts`; `--settings FILE` replaces some of them (`{"pretraining": {"num_train_steps":
 * 100}}`), `--only sentiment` makes one model.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ALBERT_MODELS, FROM_PUBLISHED, FROM_SCRATCH } from "./albert-settings.ts";
import { ENCODER_MODELS, ENCODER_SETTINGS } from "./encoder-settings.ts";
import { makeFromAlbert } from "./from-albert.ts";
import { makeFromEncoder } from "./from-encoder.ts";
import { type ModelCard, modelsPage } from "./models-page.ts";
import { type Flags, Stages, type Workshop } from "./stages.ts";

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    output: { type: "string" },
    base: { type: "string" },
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
if (values.base !== undefined && values.init !== undefined) throw new Error("expected --base or --init, not both");

const work = resolve(values.output);
const stages = new Stages(work);
const workshop: Workshop = {
  stages,
  work,
  data: resolve(values.data),
  machine: { device: values.device, ...(values.threads === undefined ? {} : { threads: values.threads }) },
  seed: values.seed,
};
mkdirSync(join(work, "models"), { recursive: true });
writeFileSync(join(work, "models/README.md"), modelsPage(makeModels(), stages.commands));
console.log(`the models and a page about them are in ${join(work, "models")}`);

function makeModels(): ModelCard[] {
  const { base, init, vocab } = values;
  if (base !== undefined) {
    return makeFromEncoder(chosenOf(ENCODER_MODELS), replaced(ENCODER_SETTINGS), workshop, resolve(base));
  }
  if (init === undefined) return makeFromAlbert(chosenOf(ALBERT_MODELS), replaced(FROM_SCRATCH), workshop);
  const published = { init: resolve(init), ...(vocab === undefined ? {} : { vocab: resolve(vocab) }) };
  return makeFromAlbert(chosenOf(ALBERT_MODELS), replaced(FROM_PUBLISHED), workshop, published);
}

/** Those of some models that `--only` names; all of them without it. */
function chosenOf<M extends { readonly name: string }>(models: readonly M[]): M[] {
  const names = values.only?.split(",");
  const unknown = names?.filter((name) => !models.some((model) => model.name === name)) ?? [];
  if (unknown.length > 0)
    throw new Error(`--only names ${unknown}, which is none of ${models.map(({ name }) => name)}`);
  return models.filter(({ name }) => names === undefined || names.includes(name));
}

/** A table of settings with the values of `--settings` in place of its own. */
function replaced<S extends Readonly<Record<string, Flags>>>(table: S): S {
  if (values.settings === undefined) return table;
  const replacements = JSON.parse(readFileSync(values.settings, "utf8")) as Partial<S>; // keys are checked below
  const unknown = Object.keys(replacements).filter((stage) => !Object.hasOwn(table, stage));
  if (unknown.length > 0) throw new Error(`${values.settings} names no stage of ${Object.keys(table)}: ${unknown}`);
  const merged = Object.entries(table).map(([stage, flags]) => [stage, { ...flags, ...replacements[stage] }]);
  return Object.fromEntries(merged) as S;
}
