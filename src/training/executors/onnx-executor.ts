import { invalidInput, invariant } from "../../errors.ts";
import { toGraph } from "../../graph/trace/trace.ts";
import { dropoutKey } from "../../model/forward/dropout.ts";
import type { Tensor } from "../../model/tensor.ts";
import { floatValues, hostTensor, type SessionTensor, TrainingSession } from "../../runtime/training-session.ts";
import { optimizerSettings } from "../optimizer/settings.ts";
import type { Batch, Executor, ExecutorOptions, StepOptions, StepResult, StepSpec, TrainState } from "../step.ts";
import {
  type BatchSignature,
  type StepGraph,
  type StepGraphSource,
  traceAccumulation,
  traceStep,
  traceUpdate,
} from "../step-graph.ts";
import { initialSlots } from "./initial-slots.ts";
import { readBack } from "./read-back.ts";
import { DeviceTensors, HostTensors, type RecurrentTensors } from "./recurrent-tensors.ts";
import { trainedParameters } from "./trained-parameters.ts";
import { batchSignature, lossScales } from "./window.ts";

/**
 * Trains through graphs traced from the model's own functions, on ONNX Runtime. Graphs are made when a batch of new
 * shapes first comes, and kept. A step occupies the calling thread until it is done.
 */
export class OnnxExecutor implements Executor {
  readonly #source: StepGraphSource;
  readonly #options: ExecutorOptions;
  readonly #trained: readonly string[];
  readonly #state: RecurrentTensors;
  readonly #constants: ReadonlyMap<string, SessionTensor>;
  readonly #graphs = new Map<string, Promise<LoadedGraph>>();
  #gradients: RecurrentTensors | undefined;
  #globalStep: number;

  constructor(spec: StepSpec, state: TrainState, options: ExecutorOptions) {
    this.#options = options;
    // The caller may change its tensors after handing them over; parameters that are not trained live in this copy.
    const parameters = new Map(
      [...state.parameters].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]),
    );
    this.#source = { spec, device: options.device, parameters };
    this.#trained = trainedParameters(spec, parameters);
    const trained = new Set(this.#trained);
    const constants = [...parameters].filter(([name]) => !trained.has(name));
    this.#constants = new Map(
      constants.map(([name, { shape, data }]) => [`parameter/${name}`, hostTensor(data, shape)]),
    );
    const slots = this.#trained.flatMap((name) =>
      Object.entries(initialSlots(spec, state, name)).map(([slot, value]): [string, Tensor] => [
        `${slot}/${name}`,
        value,
      ]),
    );
    this.#state = this.#recurrent(new Map(slots));
    this.#globalStep = state.globalStep;
  }

  async step(microBatches: readonly Batch[], options: StepOptions): Promise<StepResult> {
    const [first] = microBatches;
    if (first === undefined) throw invalidInput([{ field: "microBatches", description: "a step needs at least one" }]);
    const { spec } = this.#source;
    const scales = [...lossScales(spec.objective, microBatches)];
    const scaleFeeds = scales.map(([name, scale]): Feed => [`scale/${name}`, scalar(scale)]);
    const outputs: Record<string, number>[] = [];
    if (microBatches.length === 1) {
      const graph = await this.#graph("step", batchSignature(spec, first));
      const feeds = [
        ...this.#updateFeeds(options),
        ...scaleFeeds,
        ...batchFeeds(first),
        ...dropoutFeeds(graph, options, 0),
      ];
      outputs.push(await this.#run(graph, feeds, [this.#state], this.#state));
    } else {
      const gradients = this.#clearedGradients();
      for (const [index, batch] of microBatches.entries()) {
        const graph = await this.#graph("accumulate", batchSignature(spec, batch));
        const feeds = [...scaleFeeds, ...batchFeeds(batch), ...dropoutFeeds(graph, options, index)];
        outputs.push(await this.#run(graph, feeds, [this.#state, gradients], gradients));
      }
      const update = await this.#graph("update", {});
      outputs.push(await this.#run(update, this.#updateFeeds(options), [this.#state, gradients], this.#state));
    }
    this.#globalStep += 1;
    return summed(outputs);
  }

  async snapshot(): Promise<TrainState> {
    const values = await readBack(this.#state.feeds, this.#options.device);
    const shaped = (slot: string, name: string): [string, Tensor] => {
      const { shape } = this.#source.parameters.get(name)!;
      return [name, { shape, data: values.get(`${slot}/${name}`)! }];
    };
    const slots = (slot: string) => new Map(this.#trained.map((name) => shaped(slot, name)));
    const parameters = [...this.#source.parameters.keys()].map((name): [string, Tensor] => {
      if (!this.#constants.has(`parameter/${name}`)) return shaped("parameter", name);
      const { shape, data } = this.#source.parameters.get(name)!;
      return [name, { shape, data: data.slice() }];
    });
    return {
      parameters: new Map(parameters),
      adamM: slots("adam_m"),
      adamV: slots("adam_v"),
      ema: this.#source.spec.emaDecay === undefined ? new Map() : slots("ema"),
      globalStep: this.#globalStep,
    };
  }

  async close(): Promise<void> {
    // Device tensors belong to the sessions that made them: freeing one after its session ends the process.
    this.#state.dispose();
    this.#gradients?.dispose();
    for (const graph of this.#graphs.values()) await (await graph).session.close();
    this.#graphs.clear();
  }

  #graph(kind: "step" | "accumulate" | "update", signature: BatchSignature): Promise<LoadedGraph> {
    const key = `${kind} ${JSON.stringify(signature)}`;
    let graph = this.#graphs.get(key);
    if (graph === undefined) {
      graph = this.#load(kind, signature);
      this.#graphs.set(key, graph);
    }
    return graph;
  }

  async #load(kind: "step" | "accumulate" | "update", signature: BatchSignature): Promise<LoadedGraph> {
    const traced =
      kind === "step"
        ? traceStep(this.#source, signature)
        : kind === "accumulate"
          ? traceAccumulation(this.#source, signature)
          : traceUpdate(this.#source, this.#trained);
    const { device, threads } = this.#options;
    const outputs = traced.graph.outputs.map(({ name }) => name);
    const session = await TrainingSession.open(toGraph(kind, traced.graph).toModelBytes(), {
      device,
      ...(threads === undefined ? {} : { threads }),
      deviceOutputs: device === "webgpu" ? outputs.filter((name) => name.startsWith("next/")) : [],
    });
    return { ...traced, session };
  }

  /** Runs a graph over what it asks for, and makes the recurrent tensors that it computed current. */
  async #run(
    { graph, session }: LoadedGraph,
    feeds: readonly Feed[],
    read: readonly RecurrentTensors[],
    rewritten: RecurrentTensors,
  ): Promise<Record<string, number>> {
    const sources = [new Map(feeds), ...read.map((tensors) => tensors.feeds), this.#constants];
    const inputs: Record<string, SessionTensor> = {};
    for (const { name } of graph.inputs) {
      const tensor = sources.map((source) => source.get(name)).find((found) => found !== undefined);
      invariant(tensor !== undefined, `nothing feeds ${name}`);
      inputs[name] = tensor;
    }
    const { targets } = rewritten;
    const outputs: Record<string, SessionTensor | null> = {};
    for (const { name } of graph.outputs) outputs[name] = targets.get(name) ?? null;
    const results = await session.run(inputs, outputs);
    rewritten.commit(results);
    const reported = graph.outputs.filter(({ name }) => !targets.has(name));
    return Object.fromEntries(reported.map(({ name }) => [name, floatValues(results[name]!)[0]!]));
  }

  #updateFeeds({ learningRate }: StepOptions): Feed[] {
    const { beta1, beta2 } = optimizerSettings(this.#source.spec.optimizer);
    const t = this.#globalStep + 1;
    return [
      ["learning_rate", scalar(learningRate)],
      ["correction_1", scalar(1 / (1 - beta1 ** t))],
      ["correction_2", scalar(1 / (1 - beta2 ** t))],
    ];
  }

  #clearedGradients(): RecurrentTensors {
    if (this.#gradients === undefined) {
      const zeros = this.#trained.map((name): [string, Tensor] => [
        `gradient/${name}`,
        zerosLike(this.#source.parameters.get(name)!),
      ]);
      this.#gradients = this.#recurrent(new Map(zeros));
    } else {
      this.#gradients.clear();
    }
    return this.#gradients;
  }

  #recurrent(initial: ReadonlyMap<string, Tensor>): RecurrentTensors {
    return this.#options.device === "webgpu" ? new DeviceTensors(initial) : new HostTensors(initial);
  }
}

/** A value for one input of a graph. */
type Feed = readonly [name: string, tensor: SessionTensor];

interface LoadedGraph extends StepGraph {
  readonly session: TrainingSession;
}

function zerosLike({ shape, data }: Tensor): Tensor {
  return { shape, data: new Float32Array(data.length) };
}

function scalar(value: number): SessionTensor {
  return hostTensor(Float32Array.of(value), []);
}

function batchFeeds(batch: Batch): Feed[] {
  return Object.entries(batch).map(([name, { shape, data }]) => [`batch/${name}`, hostTensor(data, shape)]);
}

function dropoutFeeds({ dropoutColumns }: StepGraph, { seed }: StepOptions, microBatch: number): Feed[] {
  return dropoutColumns.map((columns, site) => [
    `dropout/${site}`,
    hostTensor(dropoutKey(seed, microBatch, site, columns), [8, columns]),
  ]);
}

/** Adds up the micro-batches' shares: they were scaled for it. */
function summed(outputs: readonly Readonly<Record<string, number>>[]): StepResult {
  const totals = new Map<string, number>();
  for (const output of outputs) {
    for (const [name, value] of Object.entries(output)) totals.set(name, (totals.get(name) ?? 0) + value);
  }
  const metrics = [...totals].flatMap(([name, value]) =>
    name.startsWith("metric/") ? [[name.slice(7), value] as const] : [],
  );
  return { loss: totals.get("loss")!, gradNorm: totals.get("grad_norm")!, metrics: Object.fromEntries(metrics) };
}
