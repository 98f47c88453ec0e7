import { engine, type Tensor as TfTensor } from "@tensorflow/tfjs-core";
import { invariant } from "../../errors.ts";
import { GraphBuilder } from "../onnx/graph-builder.ts";
import type { OnnxTensor } from "../onnx/tensors.ts";
import {
  type RecordedInput,
  type RecordedNode,
  Recorder,
  type TraceDevice,
  type TracedType,
  type ValueType,
} from "./recorder.ts";
import { recordWith } from "./trace-backend.ts";

// Turns a function of TensorFlow.js tensors into an ONNX graph by running it once with symbolic tensors.

/** Hands symbolic tensors to the function that is traced. */
export interface Feeds {
  /** A value that the caller feeds when the graph runs. */
  input(name: string, shape: readonly number[], dtype: TracedType): TfTensor;
  /** A value that stays inside the graph, such as a frozen parameter. The data is not copied. */
  constant(shape: readonly number[], data: Float32Array): TfTensor;
}

/** A traced function as plain data: an ONNX graph before it is written. */
export interface TracedGraph {
  readonly inputs: readonly RecordedInput[];
  readonly outputs: readonly TracedOutput[];
  readonly nodes: readonly RecordedNode[];
  readonly constants: ReadonlyMap<string, OnnxTensor>;
}

/** One result: the name it is published under, and the value of the graph that holds it. */
export interface TracedOutput extends ValueType {
  readonly name: string;
  readonly value: string;
}

/**
 * Runs a function of TensorFlow.js tensors once, symbolically, and returns it as a graph that computes the same outputs
 * from whatever is fed later. Nodes, constants and inputs that no output needs are left out.
 *
 * @param build receives the feeds and returns the outputs by name
 */
export function trace(device: TraceDevice, build: (feeds: Feeds) => Readonly<Record<string, TfTensor>>): TracedGraph {
  const recorder = new Recorder();
  const outputs: TracedOutput[] = [];
  recordWith(recorder, device, () => {
    const results = build({
      input: (name, shape, dtype) => engine().makeTensorFromTensorInfo(recorder.input(name, shape, dtype)),
      constant: (shape, data) =>
        engine().makeTensorFromTensorInfo(
          recorder.info(recorder.constant("float32", shape, data), { shape, dtype: "float32" }),
        ),
    });
    for (const [name, tensor] of Object.entries(results)) {
      invariant(tensor.dtype === "float32" || tensor.dtype === "int32", `output ${name} is ${tensor.dtype}`);
      outputs.push({ name, value: recorder.nameOf(tensor), shape: tensor.shape, dtype: tensor.dtype });
    }
    // Tensors that were kept from the tidy around this would stay in the engine's memory forever.
    for (const tensor of Object.values(results)) {
      tensor.dispose();
    }
  });
  const nodes = reachable(recorder.nodes, outputs);
  const used = new Set([...nodes.flatMap((node) => node.inputs), ...outputs.map((output) => output.value)]);
  const constants = new Map([...recorder.constants].filter(([name]) => used.has(name)));
  const inputs = [...recorder.inputs.values()].filter(({ name }) => used.has(name));
  return { inputs, outputs, nodes, constants };
}

/** The traced function as the graph of a model of its own. */
export function toGraph(name: string, traced: TracedGraph): GraphBuilder {
  const graph = new GraphBuilder(name);
  for (const input of traced.inputs) graph.input(input.name, input.dtype, input.shape);
  // Computed under the name it is published by, a result is not copied to get that name.
  const computed = new Set(traced.nodes.flatMap((node) => node.outputs));
  const names = new Map<string, string>();
  for (const output of traced.outputs) {
    if (computed.has(output.value) && !names.has(output.value)) names.set(output.value, output.name);
  }
  emitNodes(graph, traced, names);
  for (const { name, value, dtype, shape } of traced.outputs) {
    graph.output(names.get(value) ?? value, dtype, shape, name);
  }
  return graph;
}

/**
 * Adds constants and nodes to a graph in which the inputs are already defined.
 *
 * @param names what the graph calls inputs and computed values of the traced function, where not by their own names
 */
export function emitNodes(graph: GraphBuilder, traced: TracedGraph, names: ReadonlyMap<string, string>): void {
  const called = (values: readonly string[]) => values.map((value) => names.get(value) ?? value);
  for (const [name, constant] of traced.constants) graph.initializer(name, constant);
  for (const { opType, inputs, outputs, domain, attributes } of traced.nodes) {
    graph.node(opType, called(inputs), { outputs: called(outputs), domain, attributes });
  }
}

function reachable(nodes: readonly RecordedNode[], outputs: readonly TracedOutput[]): RecordedNode[] {
  const needed = new Set(outputs.map((output) => output.value));
  const kept: RecordedNode[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((name) => needed.has(name))) continue;
    kept.push(node);
    for (const name of node.inputs) needed.add(name);
  }
  return kept.reverse();
}
