import type { Activation } from "../../model/config.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";

/** `activation(x + bias)`. Gelu's tanh form is the official one; "gelu_erf" is the exact form. */
export function biasActivation(graph: GraphBuilder, x: string, bias: string, activation: Activation): string {
  switch (activation) {
    case "gelu":
      return graph.fused("FastGelu", [x, bias]);
    case "gelu_erf":
      return graph.fused("BiasGelu", [x, bias]);
    case "silu": {
      const biased = graph.op("Add", [x, bias]);
      return graph.op("Mul", [biased, graph.op("Sigmoid", [biased])]);
    }
    case "relu":
      return graph.op("Relu", [graph.op("Add", [x, bias])]);
    case "tanh":
      return graph.op("Tanh", [graph.op("Add", [x, bias])]);
    case "linear":
      return graph.op("Add", [x, bias]);
  }
}
