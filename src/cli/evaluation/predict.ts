import { basename, join } from "node:path";
import type { Command } from "commander";
import type { GlueSplit } from "../../tasks/datasets/glue.ts";
import { predictionFiles } from "../../tasks/evaluation/official-files.ts";
import type { TaskModel } from "../../tasks/plan.ts";
import {
  addDatasetOptions,
  type DatasetFlags,
  type OpenModel,
  openModel,
  runDataset,
  writeFiles,
} from "./dataset-run.ts";
import { foldersOf, onceForEach } from "./many-files.ts";

interface PredictFlags extends Omit<DatasetFlags, "data"> {
  readonly data: readonly string[];
  readonly output: string;
}

/** Adds `albert predict`: the official prediction files of a model for data files, in this process. */
export function registerPredict(program: Command): void {
  addDatasetOptions(
    program.command("predict").description("answer data files and write the official prediction files"),
    { many: true },
  )
    .requiredOption("--output <dir>", "directory of the prediction files")
    .option("--json", "print JSON")
    .action((flags: PredictFlags) => (flags.data.length === 1 ? predictOne(flags) : predictMany(flags)));
}

/** Names of the files that were written, and what it took. */
interface Predicted {
  readonly files: readonly string[];
  readonly examples: number;
  readonly tokens: number;
  readonly seconds: number;
}

async function predict(flags: DatasetFlags, output: string, opened?: OpenModel): Promise<Predicted> {
  // Predictions must not depend on answers that the file may hold: the threshold comes from the model, as in serving.
  const threshold = (model: TaskModel) => ({
    nullThreshold: flags.nullScoreDiffThreshold ?? model.nullThreshold ?? 0,
  });
  const request = { split: flags.split ?? splitOf(flags.data), purpose: "predict" } as const;
  const { predictions, examples, tokens, seconds } = await runDataset(flags, request, threshold, undefined, opened);
  const files = predictionFiles(predictions);
  await writeFiles(output, files);
  return { files: files.map(({ name }) => join(output, name)), examples, tokens, seconds };
}

async function predictOne({ data: [data = ""], ...flags }: PredictFlags): Promise<void> {
  const predicted = await predict({ ...flags, data }, flags.output);
  const { files, examples, tokens, seconds } = predicted;
  const text = `${[...files, `${examples} examples, ${tokens} tokens in ${seconds.toFixed(1)} s`].join("\n")}\n`;
  process.stdout.write(flags.json ? `${JSON.stringify(predicted, null, 2)}\n` : text);
}

async function predictMany({ data: paths, ...flags }: PredictFlags): Promise<void> {
  const folders = foldersOf(paths, flags.output);
  const opened = await openModel({ ...flags, data: "" });
  const done: (Predicted & { readonly data: string; readonly before: boolean })[] = [];
  try {
    for (const [i, one] of folders.entries()) {
      process.stderr.write(`file ${i + 1} of ${folders.length}: ${one.data}\n`);
      const key = { model: opened.model.digest, flags, needed: [] };
      const predicted = await onceForEach(one, key, () => predict({ ...flags, data: one.data }, one.output, opened));
      done.push({ data: one.data, ...predicted });
    }
  } finally {
    await opened.engine.close();
  }
  const lines = done.map(
    ({ data, files, examples, before }) =>
      `${data}: ${before ? "answered before, " : ""}${examples} examples: ${files.join(", ")}`,
  );
  process.stdout.write(flags.json ? `${JSON.stringify(done, null, 2)}\n` : `${lines.join("\n")}\n`);
}

/** The split that a file's name tells; a file that is to be predicted is a test file unless it says otherwise. */
function splitOf(path: string): GlueSplit {
  return (["train", "dev"] as const).find((split) => basename(path).startsWith(split)) ?? "test";
}
