import { JobKind, PromotePolicy, SweepMethod } from "../../../gen/albert/v1/training_pb.js";

// From the fields of the form to the specification of a job. It knows no page and no server.

/** What a new job is for. */
export type Purpose = "teach" | "calibrate" | "convert" | "quantise";

/** What the form says, as it is written there. */
export interface JobFields {
  readonly purpose: Purpose;
  readonly model: string;
  readonly task: string;
  readonly steps: string;
  readonly learningRate: string;
  readonly promote: boolean;
  readonly columns: string;
  readonly skipInvalid: string;
  readonly windowsText: boolean;
  readonly teacher: string;
  /** "temperature" or "threshold"; of a taught model empty for none. */
  readonly fit: string;
  readonly weights: string;
  /** Percent that the task's metric may lose by static int8, at most. */
  readonly maxLoss: string;
  /** Percent of what is drawn that comes of further data, where there is some. */
  readonly furtherShare: string;
  readonly seeds: string;
  readonly folds: string;
  readonly publish: string;
  readonly unfreezeEpochs: string;
  /** Lines of name=value. */
  readonly settings: string;
  /** Lines of name=space: settings to try; empty for one training with settings as they are. */
  readonly vary: string;
  readonly method: keyof typeof METHODS;
  readonly trials: string;
}

/** How trials are chosen. */
const METHODS = { random: SweepMethod.RANDOM, grid: SweepMethod.GRID, halving: SweepMethod.HALVING } as const;

export const EMPTY_FIELDS: JobFields = {
  purpose: "teach",
  model: "",
  task: "classification",
  steps: "",
  learningRate: "",
  promote: true,
  columns: "",
  skipInvalid: "",
  windowsText: false,
  teacher: "",
  fit: "",
  weights: "int8",
  maxLoss: "",
  furtherShare: "50",
  seeds: "",
  folds: "",
  publish: "",
  unfreezeEpochs: "",
  settings: "",
  vary: "",
  method: "random",
  trials: "",
};

/** What the form says of how a file is read: the part of the recipe that checks of its rows know too. */
export function readingRecipe({ columns, skipInvalid, windowsText }: JobFields): Record<string, string> {
  return filled({
    columns: columns.trim(),
    skip_invalid: skipInvalid === "" ? "" : String(Number(skipInvalid) / 100),
    accept_windows_text: windowsText ? "true" : "",
  });
}

/** The recipe of the job; a setting that is written as a line counts before the same one in a field of its own. */
export function recipeOf(fields: JobFields): Record<string, string> {
  const reading = readingRecipe(fields);
  switch (fields.purpose) {
    case "calibrate":
      return { ...reading, ...filled({ fit: fields.fit }) };
    case "convert":
      return { ...reading, weights: fields.weights };
    case "quantise":
      return { ...reading, ...filled({ max_loss: fields.maxLoss === "" ? "" : String(Number(fields.maxLoss) / 100) }) };
    case "teach":
      return {
        ...reading,
        ...filled({
          train_step: fields.steps,
          learning_rate: fields.learningRate,
          calibrate: fields.fit,
          seeds: fields.seeds,
          folds: fields.folds,
          publish: fields.publish,
          unfreeze_epochs: fields.unfreezeEpochs,
        }),
        ...linesOf(fields.settings),
      };
  }
}

/**
 * The specification of the job.
 *
 * @param dataset  digest of the data: what is learnt, or what is measured
 * @param further  digest of further training data, where there is some; of a quantisation the examples that scales are found by
 * @param texts    digest of texts without labels, where there are some
 */
export function jobSpecOf(
  fields: JobFields,
  { dataset, further, texts }: { readonly dataset: string; readonly further?: string; readonly texts?: string },
) {
  const { model, task, promote } = fields;
  const common = {
    ...{ model, task, recipe: recipeOf(fields) },
    promote: promote ? PromotePolicy.AUTO_IF_BETTER : PromotePolicy.MANUAL,
  };
  if (fields.purpose === "quantise") {
    return { ...common, kind: JobKind.QUANTISE, train: { dataset: further ?? dataset }, eval: { dataset } };
  }
  if (fields.purpose !== "teach") {
    const kind = fields.purpose === "calibrate" ? JobKind.CALIBRATE : JobKind.CONVERT;
    return { ...common, kind, eval: { dataset } };
  }
  const teacher = fields.teacher.trim();
  const share = Number(fields.furtherShare);
  const mixed = { trainWeight: 100 - share, furtherTrain: [{ source: { dataset: further ?? "" }, weight: share }] };
  const vary = linesOf(fields.vary);
  const sweeps = Object.keys(vary).length > 0;
  const trials = fields.method === "grid" ? 0 : Number(fields.trials);
  return {
    ...{ ...common, teacher, kind: teacher === "" ? JobKind.FINE_TUNE : JobKind.DISTIL, train: { dataset } },
    ...(sweeps ? { kind: JobKind.SWEEP, sweep: { method: METHODS[fields.method], vary, trials } } : {}),
    ...(further === undefined ? {} : mixed),
    ...(texts === undefined ? {} : { unlabelled: { dataset: texts } }),
  };
}

/** Settings written as name=value, one a line; a line without "=" is a name, which the server refuses by name. */
function linesOf(text: string): Record<string, string> {
  const lines = text.split("\n").map((line) => line.trim());
  return Object.fromEntries(
    lines
      .filter((line) => line !== "")
      .map((line) => {
        const at = line.indexOf("=");
        return at < 0 ? [line, ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
      }),
  );
}

function filled(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));
}
