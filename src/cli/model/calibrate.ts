import { basename, resolve } from "node:path";
import { type Command, Option } from "commander";
import type { Calibration } from "../../model/directory/model-directory.ts";
import { writeModelDirectory } from "../../model/directory/write-model-directory.ts";
import type { ClassificationHead } from "../../model/heads.ts";
import { FITS, type FitKind } from "../../tasks/evaluation/calibrate-head.ts";
import { calibratedContents, fitDecisions } from "../../tasks/evaluation/fit-decisions.ts";
import { addDatasetOptions, type DatasetFlags, withDataset } from "../evaluation/dataset-run.ts";
import { refuseExisting } from "../new-output.ts";

// Fits what a model decides to held-out data, and writes the model with the fit.

interface CalibrateFlags extends Omit<DatasetFlags, "model"> {
  readonly output: string;
  readonly name?: string;
  readonly fit: FitKind;
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
    .option("--name <name>", "name of the model (default: the output directory's)")
    .addOption(
      new Option(
        "--fit <what>",
        "of one label a text: its temperature, or besides, of two labels, the threshold of the second",
      )
        .choices(FITS)
        .default("temperature"),
    );
  addDatasetOptions(command, { model: false })
    .option("--json", "print JSON")
    .action(async (path: string, flags: CalibrateFlags) => {
      const { output, name = basename(resolve(output)) } = flags;
      await refuseExisting(output);
      const request = { split: flags.split ?? "dev", purpose: "evaluate" } as const;
      const report = await withDataset({ ...flags, model: path }, request, async (opened) => {
        const { model, tasks, ...rest } = opened;
        const fitted = await fitDecisions({ ...rest, model: tasks, task: flags.task }, flags.fit);
        const { digest } = await writeModelDirectory(output, calibratedContents(model, name, fitted));
        const { head, calibrated } = fitted;
        const shown = head.kind === "classification" ? { head } : {};
        return { model: output, digest, ...shown, from: model.digest, ...calibrated };
      });
      process.stdout.write(
        flags.json
          ? `${JSON.stringify(report, null, 2)}\n`
          : `${[`${output}  ${report.digest}`, ...fitText(report.head), ...calibrationText(report)].join("\n")}\n`,
      );
    });
}

function fitText(head: { readonly kind: string } | undefined): string[] {
  if (head?.kind !== "classification") return [];
  const { temperature, labels, thresholds = [] } = head as ClassificationHead; // as its kind says
  return [
    ...(temperature === undefined ? [] : [`temperature = ${temperature.toPrecision(4)}`]),
    ...thresholds.map((threshold, i) => `threshold of ${labels[i]} = ${threshold.toPrecision(4)}`),
  ];
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
