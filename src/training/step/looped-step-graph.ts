import { GraphBuilder } from "../../graph/onnx/graph-builder.ts";
import { emitNodes } from "../../graph/trace/trace.ts";
import type { StepGraph } from "./step-graph.ts";

/**
 * Several optimizer steps in one graph: an ONNX `Loop` around a traced step. The state goes in once and comes out once,
 * which pays where it has to travel to a device and back. On a CPU the result is that of single steps, bit for bit.
 *
 * Every input that changes from step to step (batch, rates, dropout keys) has a leading axis of `count`; the state and
 * constant parameters are as in the single step. Reported values (loss, norm, metrics) have shape [count].
 *
 * @param recurrent names of the inputs that a step replaces by its output `next/<name>`
 */
export function loopSteps(step: StepGraph, count: number, recurrent: ReadonlySet<string>): GraphBuilder {
  const { graph } = step;
  const outer = new GraphBuilder("steps");
  for (const { name, dtype, shape } of graph.inputs) {
    outer.input(name, dtype, isFixed(name, recurrent) ? shape : [count, ...shape]);
  }
  const body = outer.subgraph("step");
  const iteration = body.input("iteration", "int64", []);
  const going = body.input("going", "bool", []);
  const inBody = (name: string) => (name.startsWith("parameter/") && !recurrent.has(name) ? name : `step/${name}`);
  const carried = graph.inputs.filter(({ name }) => recurrent.has(name));
  for (const { name, dtype, shape } of carried) body.input(inBody(name), dtype, shape);
  for (const { name } of graph.inputs) {
    if (!isFixed(name, recurrent)) {
      body.node("Gather", [name, iteration], { outputs: [inBody(name)], attributes: { axis: { int: 0 } } });
    }
  }
  emitNodes(body, graph, new Map(graph.inputs.map(({ name }) => [name, inBody(name)])));

  body.output(going, "bool", [], "still_going");
  const results = new Map(graph.outputs.map((output) => [output.name, output]));
  const states = carried.map(({ name }) => results.get(`next/${name}`)!);
  const reports = graph.outputs.filter(({ name }) => !name.startsWith("next/"));
  for (const { name, value, dtype, shape } of [...states, ...reports]) body.output(value, dtype, shape, `step/${name}`);

  const trips = outer.constant("int64", [], [count]);
  const begin = outer.constant("bool", [], [1]);
  outer.node("Loop", [trips, begin, ...carried.map(({ name }) => name)], {
    outputs: [...states, ...reports].map(({ name }) => name),
    attributes: { body: { graph: body } },
  });
  for (const { name, dtype, shape } of states) outer.output(name, dtype, shape);
  for (const { name, dtype } of reports) outer.output(name, dtype, [count]);
  return outer;
}

/** Whether an input is the same tensor in every step: the carried state, and parameters that are not trained. */
function isFixed(name: string, recurrent: ReadonlySet<string>): boolean {
  return recurrent.has(name) || name.startsWith("parameter/");
}
