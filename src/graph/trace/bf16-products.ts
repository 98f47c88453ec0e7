import { DATA_TYPE } from "../onnx/tensors.ts";
import type { RecordedNode } from "./recorder.ts";
import type { TracedGraph } from "./trace.ts";

/** Operators that multiply matrices. */
const PRODUCTS: ReadonlySet<string> = new Set(["MatMul", "FusedMatMul"]);

/**
 * The same graph with operands and results of matrix products rounded to bfloat16; everything else stays as it is. An operand of
 * several products is rounded once.
 *
 * @param isExact  products that are left alone
 */
export function withBf16Products(traced: TracedGraph, isExact: (product: RecordedNode) => boolean): TracedGraph {
  const rounded = new Set<string>();
  const nodes = traced.nodes.flatMap((node): RecordedNode[] => {
    if (!PRODUCTS.has(node.opType) || isExact(node)) return [node];
    const casts = node.inputs.flatMap((name) => {
      if (rounded.has(name)) return [];
      rounded.add(name);
      return [cast(name, shortOf(name), DATA_TYPE.bfloat16)];
    });
    const [result] = node.outputs as [string]; // a product has one
    const product = { ...node, inputs: node.inputs.map(shortOf), outputs: [shortOf(result)] };
    return [...casts, product, cast(shortOf(result), result, DATA_TYPE.float32)];
  });
  return { ...traced, nodes };
}

function shortOf(name: string): string {
  return `${name}/bf16`;
}

function cast(from: string, to: string, type: number): RecordedNode {
  return { opType: "Cast", domain: "", inputs: [from], outputs: [to], attributes: { to: { int: type } } };
}
