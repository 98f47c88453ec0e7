import { invalidInput, invariant } from "../../errors.ts";
import { encodeModel } from "../../graph/onnx/serialise.ts";
import { toGraph } from "../../graph/trace/trace.ts";
import type { Tensor } from "../../model/tensor.ts";
import { openTrainingSession, type StepSession } from "../../runtime/session/open-training-session.ts";
import { floatValues, hostTensor, type SessionTensor } from "../../runtime/session/training-session.ts";
import { optimizerSettings } from "../optimizer.ts";
import { withBf16Steps } from "../step/bf16-step-graph.ts";
import { loopSteps } from "../step/looped-step-graph.ts";
import { averageWeights } from "../step/step-functions.ts";
import {
  type BatchSignature,
  type StepGraph,
  type StepGraphSource,
  teacherInput,
  traceAccumulation,
  traceStep,
  traceUpdate,
} from "../step/step-graph.ts";
import type {
  Batch,
  Executor,
  ExecutorOptions,
  StepOptions,
  StepResult,
  StepSpec,
  TrainState,
} from "../step/training-step.ts";
import { batchFeeds, dropoutFeeds, type Feed, scalar, scaleFeeds, stacked } from "./feeds.ts";
import { batchSignature } from "./gradient-accumulation.ts";
import { initialSlots } from "./initial-slots.ts";
import { readBack } from "./read-back.ts";
import { DeviceTensors, HostTensors, type RecurrentTensors } from "./recurrent-tensors.ts";
import { type Reports, summed, valuesAt } from "./reports.ts";
import { trainedParameters } from "./trained-parameters.ts";

/**
 * Trains through graphs traced from the model's own functions, on ONNX Runtime or OpenVINO. Graphs are made when a batch of new
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
    const constants = [...parameters]
      .filter(([name]) => !trained.has(name))
      .map(([name, value]) => [`parameter/${name}`, value] as const);
    const teacher = [...(spec.distillation?.teacher?.parameters ?? [])].map(
      ([name, value]) => [teacherInput(name), value] as const,
    );
    this.#constants = new Map(
      [...constants, ...teacher].map(([name, { shape, data }]) => [name, hostTensor(data, shape)]),
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
    const scales = scaleFeeds(spec, microBatches);
    const outputs: Reports[] = [];
    if (microBatches.length === 1) {
      const graph = await this.#graph("step", batchSignature(spec, first));
      const feeds = [
        ...this.#updateFeeds(options, 0),
        ...scales,
        ...batchFeeds(first),
        ...dropoutFeeds(graph, options, 0),
      ];
      outputs.push(await this.#run(graph, feeds, [this.#state], this.#state));
    } else {
      const gradients = this.#clearedGradients();
      for (const [index, batch] of microBatches.entries()) {
        const graph = await this.#graph("accumulate", batchSignature(spec, batch));
        const feeds = [...scales, ...batchFeeds(batch), ...dropoutFeeds(graph, options, index)];
        outputs.push(await this.#run(graph, feeds, [this.#state, gradients], gradients));
      }
      const update = await this.#graph("update", {});
      outputs.push(await this.#run(update, this.#updateFeeds(options, 0), [this.#state, gradients], this.#state));
    }
    this.#globalStep += 1;
    return summed(outputs.map((reports) => valuesAt(reports, 0)));
  }

  /**
   * Several optimizer steps in one run of a graph, one micro-batch each, all of one bucket. On a CPU the state ends as after
   * as many calls of `step`, bit for bit.
   */
  async steps(batches: readonly Batch[], options: readonly StepOptions[]): Promise<StepResult[]> {
    const { spec } = this.#source;
    const signatures = batches.map((batch) => batchSignature(spec, batch));
    const [signature] = signatures;
    if (signature === undefined || batches.length !== options.length || new Set(signatures.map(keyOf)).size > 1) {
      throw invalidInput([
        { field: "batches", description: "expected batches of one shape, and the options of each step" },
      ]);
    }
    if (this.#options.device === "openvino") {
      // Its loops are slow, and the state need not travel to the processor.
      const results: StepResult[] = [];
      for (const [index, batch] of batches.entries()) results.push(await this.step([batch], options[index]!));
      return results;
    }
    const loop = await this.#graph("step", signature, batches.length);
    const feeds = batches.map((batch, index): Feed[] => [
      ...this.#updateFeeds(options[index]!, index),
      ...scaleFeeds(spec, [batch]),
      ...batchFeeds(batch),
      ...dropoutFeeds(loop, options[index]!, 0),
    ]);
    const reports = await this.#run(loop, stacked(feeds), [this.#state], this.#state);
    this.#globalStep += batches.length;
    return batches.map((_, index) => summed([valuesAt(reports, index)]));
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

  #graph(kind: GraphKind, signature: BatchSignature, loops = 1): Promise<LoadedGraph> {
    const key = `${loops} ${kind} ${keyOf(signature)}`;
    let graph = this.#graphs.get(key);
    if (graph === undefined) {
      // One graph may keep its buffers: where batches have many shapes, a set for each would be most of the process.
      graph = this.#load(kind, signature, loops, this.#graphs.size === 0);
      this.#graphs.set(key, graph);
    }
    return graph;
  }

  async #load(kind: GraphKind, signature: BatchSignature, loops: number, keepMemory: boolean): Promise<LoadedGraph> {
    const whole =
      kind === "step"
        ? traceStep(this.#source, signature)
        : kind === "accumulate"
          ? traceAccumulation(this.#source, signature)
          : traceUpdate(this.#source, this.#trained);
    const { device, threads, precision = "fp32", openVino } = this.#options;
    const traced = precision === "bf16" ? withBf16Steps(whole) : whole;
    const { inputs, outputs } = traced.graph;
    const graph =
      loops === 1 ? toGraph(kind, traced.graph) : loopSteps(traced, loops, new Set(this.#state.feeds.keys()));
    const session = await openTrainingSession(
      { bytes: encodeModel(graph).bytes, inputs, outputs },
      {
        device,
        precision,
        keepMemory,
        ...(threads === undefined ? {} : { threads }),
        ...(openVino === undefined ? {} : { openVino }),
        deviceOutputs:
          device === "webgpu" ? outputs.map(({ name }) => name).filter((name) => name.startsWith("next/")) : [],
      },
    );
    return { ...traced, session };
  }

  /** Runs a graph over what it asks for, and makes the recurrent tensors that it computed current. */
  async #run(
    { graph, session }: LoadedGraph,
    feeds: readonly Feed[],
    read: readonly RecurrentTensors[],
    rewritten: RecurrentTensors,
  ): Promise<Reports> {
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
    return new Map(reported.map(({ name }) => [name, floatValues(results[name]!)]));
  }

  #updateFeeds({ learningRate }: StepOptions, ahead: number): Feed[] {
    const { optimizer, emaDecay = 0 } = this.#source.spec;
    const { beta1, beta2 } = optimizerSettings(optimizer);
    const t = this.#globalStep + ahead + 1;
    const [old, fresh] = averageWeights(emaDecay, t - 1);
    return [
      ["learning_rate", scalar(learningRate)],
      ["correction_1", scalar(1 / (1 - beta1 ** t))],
      ["correction_2", scalar(1 / (1 - beta2 ** t))],
      ["average_old", scalar(old)],
      ["average_new", scalar(fresh)],
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

type GraphKind = "step" | "accumulate" | "update";

interface LoadedGraph extends StepGraph {
  readonly session: StepSession;
}

function zerosLike({ shape, data }: Tensor): Tensor {
  return { shape, data: new Float32Array(data.length) };
}

function keyOf(signature: BatchSignature): string {
  return JSON.stringify(signature);
}
