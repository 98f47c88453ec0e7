import { basename, resolve } from "node:path";
import type { Command } from "commander";
import { invalidInput } from "../../errors.ts";
import type { Calibration } from "../../model/directory/model-directory.ts";
import { contentsOf, writeModelDirectory } from "../../model/directory/write-model-directory.ts";
import type { ClassificationHead } from "../../model/heads.ts";
import type { ClassificationExample } from "../../tasks/datasets/examples.ts";
import { calibrateHead } from "../../tasks/evaluation/calibrate-head.ts";
import { evaluateDataset } from "../../tasks/evaluation/evaluate-dataset.ts";
import { addDatasetOptions, type DatasetFlags, type OpenDataset, withDataset } from "../evaluation/dataset-run.ts";

// Fits what a model decides to held-out data, and writes the model with the fit.

interface CalibrateFlags extends Omit<DatasetFlags, "model"> {
  readonly output: string;
  readonly name?: string;
}

/** Adds `albert calibrate`: a model's temperature or thresholds, fitted to data that it was not trained on. */
export function registerCalibrate(program: Command): void {
  const command = program
    .command("calibrate")
    .description(
      "fit a model's decisions to data that it was not trained on: a temperature (one label a text), thresholds (any number of labels), or the null threshold (SQuAD v2)",
    )
    .argument("<model>", "model directory, Hugging Face directory or TensorFlow checkpoint")
    .requiredOption("--output <dir>", "directory to make; must not exist")
    .option("--name <name>", "name of the model (default: the output directory's)");
  addDatasetOptions(command, { model: false })
    .option("--json", "print JSON")
    .action(async (path: string, flags: CalibrateFlags) => {
      const { output, name = basename(resolve(output)) } = flags;
      const request = { split: flags.split ?? "dev", purpose: "evaluate" } as const;
      const report = await withDataset({ ...flags, model: path }, request, async (opened) => {
        const { model } = opened;
        const { heads, metrics, calibrated } = await fitted(opened, flags);
        const contents = contentsOf(model);
        const { digest } = await writeModelDirectory(output, {
          ...{ ...contents, name, heads: heads ?? contents.heads },
          metrics: { ...contents.metrics, ...metrics },
          lineage: { ...contents.lineage, calibrated },
        });
        const head = heads?.find((one) => one.name === opened.head.name);
        return { model: output, digest, ...(head === undefined ? {} : { head }), ...calibrated };
      });
      process.stdout.write(
        flags.json
          ? `${JSON.stringify(report, null, 2)}\n`
          : `${[`${output}  ${report.digest}`, ...fitText(report.head), ...calibrationText(report)].join("\n")}\n`,
      );
    });
}

/** The model's heads and metrics with the fit, and what is said of it. */
async function fitted(opened: OpenDataset, { task }: CalibrateFlags) {
  const { engine, model, tasks, head, examples, options } = opened;
  const origin = { from: model.digest, task };
  switch (head.kind) {
    case "classification": {
      const labelled = examples as AsyncIterable<ClassificationExample>; // whose kind the head's kind decides
      const fit = await calibrateHead({ engine, model: tasks, task, examples: labelled, options }, head);
      const { before, after } = fit;
      const heads = model.heads.map((one) => (one.name === head.name ? fit.head : one));
      return { heads, metrics: after, calibrated: { ...origin, examples: fit.examples, before, after } };
    }
    case "span-answerability": {
      const { metrics, examples: count } = await evaluateDataset(engine, tasks, task, examples, options);
      const { exact = 0, f1 = 0, null_score_diff_threshold: threshold = 0 } = metrics;
      const after = { exact, f1, null_score_diff_threshold: threshold };
      return { metrics: after, calibrated: { ...origin, examples: count, before: {}, after } };
    }
    default: {
      const description = `head ${head.name} (${head.kind}) has nothing to fit: give a classification or SQuAD v2`;
      throw invalidInput([{ field: "head", description }]);
    }
  }
}

function fitText(head: { readonly kind: string } | undefined): string[] {
  if (head?.kind !== "classification") return [];
  const { temperature, labels, thresholds } = head as ClassificationHead; // as its kind says
  if (temperature !== undefined) return [`temperature = ${temperature.toPrecision(4)}`];
  return labels.map((label, i) => `threshold of ${label} = ${thresholds?.[i]?.toPrecision(4)}`);
}

/** A head's labels for people, with what was fitted to them. */
export function labelsText({ labels, temperature, thresholds }: ClassificationHead): string {
  const names = labels.map((label, i) =>
    thresholds === undefined ? label : `${label} (from ${thresholds[i]?.toPrecision(4)})`,
  );
  return names.join(", ") + (temperature === undefined ? "" : `; temperature ${temperature.toPrecision(4)}`);
}

/** What a fit changed, for people: a line for each figure, and one that says how they were got. */
export function calibrationText({ task, examples, before, after }: Calibration): string[] {
  const rows = Object.entries(after).map(([name, value]) =>
    before[name] === undefined ? `${name} = ${value}` : `${name} = ${before[name]} -> ${value}`,
  );
  const how = Object.keys(before).length === 0 ? "" : ", each half with the fit of the other";
  return [...rows, `${examples} examples (${task})${how}`];
}
