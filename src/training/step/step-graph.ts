import { add, type Scalar, type Tensor, type Tensor2D } from "@tensorflow/tfjs-core";
import { invariant } from "../../errors.ts";
import type { TraceDevice } from "../../graph/trace/recorder.ts";
import { type Feeds, type TracedGraph, trace } from "../../graph/trace/trace.ts";
import { type Dropout, keyedDropout } from "../../model/forward/dropout.ts";
import type { Parameters } from "../../model/tensor.ts";
import type { LossInputs } from "../objective-loss.ts";
import { lossTerms } from "../objectives.ts";
import { type ApplyInputs, applyGradients, lossAndGradients, type TrainedParameter } from "./step-functions.ts";
import type { StepSpec } from "./training-step.ts";

// Traces a training step, or its parts, into ONNX graphs. It runs none.

/** Shape and element type of each tensor of a batch, by name: what a graph is traced for. */
export type BatchSignature = Readonly<Record<string, { shape: readonly number[]; dtype: "int32" | "float32" }>>;

/** What a graph is traced from. */
export interface StepGraphSource {
  readonly spec: StepSpec;
  readonly device: TraceDevice;
  /** Every parameter with its shape; the values of frozen ones become constants of the graph. */
  readonly parameters: Parameters;
}

/** A traced graph, and what its inputs mean to the executor. */
export interface StepGraph {
  readonly graph: TracedGraph;
  /** Parameters that have a gradient, in the order of the parameter table. */
  readonly trained: readonly string[];
  /** Columns of each dropout site's key, in order; site i is fed as `dropout/<i>`. */
  readonly dropoutColumns: readonly number[];
}

/** The input of a step graph for a teacher's parameter: the same tensor in every step, as those that are not trained. */
export function teacherInput(name: string): string {
  return `parameter/teacher/${name}`;
}

/** A parameter's tensors among a step graph's inputs, as in `adam_m/<name>`. Outputs are these names after `next/`. */
type Slot = "parameter" | "adam_m" | "adam_v" | "ema";

/** A whole optimizer step: forward, backward, clipping and update. */
export function traceStep(source: StepGraphSource, signature: BatchSignature): StepGraph {
  return traced(source, (feeds, parameters) => {
    const pass = microBatch(source, feeds, parameters, signature);
    const update = applied(source.spec, feeds, parameters.trainable, pass.gradients);
    return { ...pass, outputs: { ...reported(pass.loss, pass.metrics), ...update } };
  });
}

/** The first part of an accumulated step: adds a micro-batch's gradient to `gradient/<name>`. */
export function traceAccumulation(source: StepGraphSource, signature: BatchSignature): StepGraph {
  return traced(source, (feeds, parameters) => {
    const pass = microBatch(source, feeds, parameters, signature);
    const sums = [...pass.gradients].map(([name, gradient]): [string, Tensor] => [
      `next/gradient/${name}`,
      add(feeds.input(`gradient/${name}`, gradient.shape, "float32"), gradient),
    ]);
    return { ...pass, outputs: { ...reported(pass.loss, pass.metrics), ...Object.fromEntries(sums) } };
  });
}

/** The second part of an accumulated step: clips `gradient/<name>` and updates the parameters named in `trained`. */
export function traceUpdate(source: StepGraphSource, trained: readonly string[]): StepGraph {
  return traced(source, (feeds, { trainable }) => {
    const gradients = new Map(
      trained.map((name) => [name, feeds.input(`gradient/${name}`, trainable.get(name)!.shape, "float32")]),
    );
    return { gradients, dropoutColumns: [], outputs: applied(source.spec, feeds, trainable, gradients) };
  });
}

interface SymbolicParameters {
  readonly trainable: ReadonlyMap<string, Tensor>;
  readonly frozen: ReadonlyMap<string, Tensor>;
}

interface TracedParts {
  readonly gradients: ReadonlyMap<string, Tensor>;
  readonly dropoutColumns: readonly number[];
  readonly outputs: Readonly<Record<string, Tensor>>;
}

function traced(
  { spec, device, parameters }: StepGraphSource,
  build: (feeds: Feeds, parameters: SymbolicParameters) => TracedParts,
): StepGraph {
  let parts: TracedParts | undefined;
  const graph = trace(device, (feeds) => {
    const trainable = new Map<string, Tensor>();
    const frozen = new Map<string, Tensor>();
    for (const [name, { shape, data }] of parameters) {
      if (spec.frozen?.has(name)) frozen.set(name, feeds.constant(shape, data));
      else trainable.set(name, feeds.input(`parameter/${name}`, shape, "float32"));
    }
    parts = build(feeds, { trainable, frozen });
    return parts.outputs;
  });
  invariant(parts !== undefined, "tracing runs its function");
  return { graph, trained: [...parts.gradients.keys()], dropoutColumns: parts.dropoutColumns };
}

function microBatch(
  { spec }: StepGraphSource,
  feeds: Feeds,
  { trainable, frozen }: SymbolicParameters,
  signature: BatchSignature,
) {
  const batch = new Map(
    Object.entries(signature).map(([name, { shape, dtype }]) => [name, feeds.input(`batch/${name}`, shape, dtype)]),
  );
  const scales: LossInputs["scales"] = new Map(
    lossTerms(spec.objective).map(({ name }) => [name, feeds.input(`scale/${name}`, [], "float32") as Scalar]),
  );
  const { dropout, columns } = fedDropout(feeds);
  const teacher = new Map(
    [...(spec.distillation?.teacher?.parameters ?? [])].map(([name, { shape }]) => [
      name,
      feeds.input(teacherInput(name), shape, "float32"),
    ]),
  );
  const pass = lossAndGradients(spec, trainable, frozen, { batch, scales, teacher }, dropout);
  return { ...pass, dropoutColumns: columns };
}

/** Dropout whose keys are inputs of the graph; `columns` grows as sites are met. */
function fedDropout(feeds: Feeds): { dropout: Dropout; columns: number[] } {
  const columns: number[] = [];
  const next = (width: number): Tensor2D => {
    columns.push(width);
    return feeds.input(`dropout/${columns.length - 1}`, [8, width], "float32") as Tensor2D;
  };
  return { dropout: keyedDropout({ next }), columns };
}

function applied(
  spec: StepSpec,
  feeds: Feeds,
  trainable: ReadonlyMap<string, Tensor>,
  gradients: ReadonlyMap<string, Tensor>,
): Record<string, Tensor> {
  const scalar = (name: string) => feeds.input(name, [], "float32") as Scalar;
  const inputs: ApplyInputs = {
    learningRate: scalar("learning_rate"),
    correction1: scalar("correction_1"),
    correction2: scalar("correction_2"),
    ...(spec.emaDecay === undefined ? {} : { average: { old: scalar("average_old"), new: scalar("average_new") } }),
  };
  const state = new Map(
    [...gradients.keys()].map((name): [string, TrainedParameter] => {
      const parameter = trainable.get(name)!;
      const slot = (kind: Slot) => feeds.input(`${kind}/${name}`, parameter.shape, "float32");
      const ema = spec.emaDecay === undefined ? {} : { ema: slot("ema") };
      return [name, { parameter, m: slot("adam_m"), v: slot("adam_v"), ...ema }];
    }),
  );
  const update = applyGradients(spec, state, gradients, inputs);
  const outputs: Record<string, Tensor> = { grad_norm: update.gradNorm };
  for (const [name, { parameter, m, v, ema }] of update.state) {
    outputs[`next/parameter/${name}`] = parameter;
    outputs[`next/adam_m/${name}`] = m;
    outputs[`next/adam_v/${name}`] = v;
    if (ema !== undefined) outputs[`next/ema/${name}`] = ema;
  }
  return outputs;
}

function reported(loss: Scalar, metrics: Readonly<Record<string, Scalar>>): Record<string, Tensor> {
  const named = Object.entries(metrics).map(([name, value]) => [`metric/${name}`, value]);
  return { loss, ...Object.fromEntries(named) };
}
