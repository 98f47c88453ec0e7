import { type ActivationScales, trunkProducts } from "../../model/activation-scales.ts";
import type { Model } from "../../model/directory/model-directory.ts";
import { chooseScales } from "../../runtime/activations/choose-scales.ts";
import { InputCollector } from "../../runtime/activations/input-sample.ts";
import { observeInputs } from "../../runtime/activations/observe-inputs.ts";
import type { Engine, SequenceInput, SequenceOutput } from "../../runtime/engine.ts";
import { createEngine } from "../../runtime/packed-engine.ts";
import type { Example, TaskName } from "../datasets/examples.ts";
import { evaluateDataset, selectionMetricOf } from "../evaluation/evaluate-dataset.ts";
import type { EvaluationOptions } from "../evaluation/prediction.ts";
import type { SequenceRunner } from "../evaluation/run-sequences.ts";
import { taskModel } from "../plan.ts";

// Finds the scales of a model's static int8: observes what its products multiply while it answers examples, chooses scales, and
// leaves products in float32, the most sensitive first, until the model answers those examples as well as before.

type OpenEngine = (model: Model, precision: "fp32" | "int8") => Promise<Pick<Engine, "tokenBudget" | "run" | "close">>;

/** What the search is told. */
export interface ScaleSearch {
  readonly model: Model;
  readonly task: TaskName;
  /** Answered, observed and measured. */
  readonly examples: readonly Example[];
  /** Most that the task's metric may lose on them, as a share: 0.005 is half a point. */
  readonly maxLoss: number;
  readonly options?: EvaluationOptions;
  readonly threads?: number | undefined;
  /** Opens an engine on a model as it would be served; default: on the processor. */
  readonly open?: OpenEngine;
  /** Hears what is being done. */
  readonly onActivity?: ((activity: string) => void) | undefined;
}

/** What it found. */
export interface FoundScales {
  readonly scales: ActivationScales;
  /** All products of the trunk, and those that stay in float32. */
  readonly products: number;
  readonly inFloat32: readonly string[];
  /** The task's metrics on the examples, in float32 and with the scales. */
  readonly before: Readonly<Record<string, number>>;
  readonly after: Readonly<Record<string, number>>;
}

/** Tokens that are observed, at most; of more, sequences are taken evenly. */
const MOST_TOKENS = 16_384;
/** Rows of each application's input by which scales are chosen, */
const MOST_ROWS = 256;
/** and what all of them together may take. */
const ROW_BYTES = 192 << 20;
/** Sequences by which the effect of each product alone is judged. */
const JUDGED_SEQUENCES = 48;

/**
 * Finds scales; the same model and examples give the same ones. The runtime's calls that observe block this thread.
 *
 * @throws AlbertError as engines and evaluations do; cancelled when the options' signal aborts
 */
export async function findScales(search: ScaleSearch): Promise<FoundScales> {
  const { model, task, maxLoss, onActivity = () => {} } = search;
  const exact: Model = withScales(model, undefined);
  onActivity("answering the examples in float32");
  const recorded: SequenceInput[] = [];
  const before = await measured(exact, "fp32", search, recorded);
  onActivity("observing what its products multiply");
  const scales = await chosenScales(exact, evenly(recorded, MOST_TOKENS), search);
  const metric = selectionMetricOf(task);
  const lossOf = (after: Readonly<Record<string, number>>) =>
    ((before[metric] ?? 0) - (after[metric] ?? 0)) / (metric === "f1" ? 100 : 1);
  onActivity("answering them with static int8");
  let kept: readonly string[] = [];
  let after = await measured(withScales(model, scales), "int8", search);
  if (lossOf(after) > maxLoss) {
    onActivity("comparing the effect of each product");
    const worstFirst = await bySensitivity(exact, scales, recorded, search);
    for (let count = 1; lossOf(after) > maxLoss && kept.length < worstFirst.length; count *= 2) {
      kept = worstFirst.slice(0, count);
      onActivity(`answering them with ${kept.length} of ${worstFirst.length} products in float32`);
      after = await measured(withScales(model, without(scales, kept)), "int8", search);
    }
  }
  return { scales: without(scales, kept), products: scales.size, inFloat32: kept, before, after };
}

/** The model as it is served in int8 with these scales, or without any. */
function withScales(model: Model, scales: ActivationScales | undefined): Model {
  const { scales: _, ...rest } = model;
  return scales === undefined ? rest : { ...rest, scales };
}

function without(scales: ActivationScales, names: readonly string[]): ActivationScales {
  return new Map([...scales].filter(([name]) => !names.includes(name)));
}

/** The task's metrics. @param record  takes the sequences that were run, in their order */
async function measured(
  model: Model,
  precision: "fp32" | "int8",
  search: ScaleSearch,
  record: SequenceInput[] = [],
): Promise<Readonly<Record<string, number>>> {
  const { task, examples, options } = search;
  const engine = await engineOf(search, model, precision);
  try {
    const runner: SequenceRunner = {
      tokenBudget: engine.tokenBudget,
      run: (sequences) => {
        record.push(...sequences);
        return engine.run(sequences);
      },
    };
    return (await evaluateDataset(runner, taskModel(model), task, examples, options)).metrics;
  } finally {
    await engine.close();
  }
}

function engineOf({ open, threads }: ScaleSearch, ...[model, precision]: Parameters<OpenEngine>) {
  if (open !== undefined) return open(model, precision);
  const own = threads === undefined ? {} : { threads };
  return createEngine(model, { device: "cpu", precision, calibrationMs: 0, ...own });
}

async function chosenScales(
  model: Model,
  sequences: readonly SequenceInput[],
  { threads, options }: ScaleSearch,
): Promise<ActivationScales> {
  const products = trunkProducts(model.config);
  const tokens = sequences.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
  const bytesOfRow = products.reduce((sum, { inputs, applications }) => sum + 4 * inputs * applications, 0);
  const rows = Math.max(1, Math.min(MOST_ROWS, Math.floor(ROW_BYTES / bytesOfRow)));
  const collectors = products.map((product) => new InputCollector(product, tokens, rows));
  const see: Parameters<typeof observeInputs>[2] = (inputs) =>
    inputs.forEach(({ applications }, at) => {
      collectors[at]!.add(applications);
    });
  await observeInputs(model, sequences, see, { threads, signal: options?.signal });
  return new Map(
    collectors.map((collector) => {
      options?.signal?.throwIfAborted();
      const sample = collector.sample();
      const kernel = sample.product.parts.map((part) => model.parameters.get(part)!);
      return [sample.product.name, chooseScales(sample, kernel)];
    }),
  );
}

/** Sequences spread evenly over all, with about so many tokens. */
function evenly(sequences: readonly SequenceInput[], mostTokens: number): readonly SequenceInput[] {
  const tokens = sequences.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
  const share = Math.min(1, mostTokens / tokens);
  return sequences.filter((_, at) => Math.floor((at + 1) * share) > Math.floor(at * share));
}

/** Names of products, first those that alone move the outputs most: the squared difference from float32's. */
async function bySensitivity(
  model: Model,
  scales: ActivationScales,
  sequences: readonly SequenceInput[],
  search: ScaleSearch,
): Promise<string[]> {
  const share = Math.min(1, JUDGED_SEQUENCES / sequences.length);
  const judged = sequences.filter((_, at) => Math.floor((at + 1) * share) > Math.floor(at * share));
  const outputsOf = async (of: Model, precision: "fp32" | "int8") => {
    search.options?.signal?.throwIfAborted();
    const engine = await engineOf(search, of, precision);
    try {
      return (await engine.run(judged)).outputs;
    } finally {
      await engine.close();
    }
  };
  const exact = await outputsOf(model, "fp32");
  const effects: { readonly name: string; readonly effect: number }[] = [];
  for (const [name, own] of scales) {
    const outputs = await outputsOf(withScales(model, new Map([[name, own]])), "int8");
    effects.push({ name, effect: difference(exact, outputs) });
  }
  return effects.sort((a, b) => b.effect - a.effect).map(({ name }) => name);
}

function difference(exact: readonly SequenceOutput[], outputs: readonly SequenceOutput[]): number {
  let sum = 0;
  exact.forEach((output, at) => {
    for (const [name, tensors] of output) {
      for (const [part, values] of Object.entries(tensors)) {
        const others = outputs[at]!.get(name)![part]!;
        if (values instanceof Float32Array) {
          for (let i = 0; i < values.length; i++) sum += (values[i]! - others[i]!) ** 2;
        }
      }
    }
  });
  return sum;
}
