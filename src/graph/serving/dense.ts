import { invariant } from "../../errors.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import { DATA_TYPE } from "../onnx/tensors.ts";
import { type Kernel, type RoundedKernel, UINT8_ZERO, type Weights } from "./weights.ts";

// The product of a dense layer in a serving graph, in float32, float16 or int8.

/**
 * How the trunk's matrix products are computed. `int8` keeps weights as 8-bit integers with one scale per output column,
 * and rounds every row of the input to 8 bits with a scale of its own, or with OpenVINO one for each few values of it: no row
 * depends on its neighbours, so a text's answer does not depend on its batch. `fp16` keeps weights as halves and computes products and attention in float16. Embeddings,
 * normalisation, activations and heads stay in float32, and with `int8` attention too. `bf16` is the graph of `fp32`, which the
 * device computes in bfloat16.
 */
export type Precision = "fp32" | "bf16" | "fp16" | "int8";

/** Largest magnitude of a symmetric 8-bit integer. */
const INT8_MAX = 127;
/** Scale of a row of zeros, which any scale represents. */
const LEAST_SCALE = 1e-9;

/** Writes a product with a rounded kernel. @param x float32 [rows, in] @returns float32 [rows, out] */
export type Int8Product = (graph: GraphBuilder, x: string, kernel: RoundedKernel) => string;

/** What products of dense layers are written with. */
export interface DenseContext {
  readonly weights: Weights;
  readonly precision: Precision;
  /** How the device multiplies by rounded kernels, where it does. */
  readonly int8Product: Int8Product | undefined;
}

/**
 * The product of a dense layer without its bias: operators that follow take the bias in and save a pass over memory. This
 * is the one place where the trunk's precision is decided.
 *
 * @param x  float32 [rows, in]
 * @returns  float32 [rows, out]
 */
export function dense(
  graph: GraphBuilder,
  { weights, precision, int8Product }: DenseContext,
  x: string,
  kernel: Kernel,
): string {
  switch (precision) {
    case "int8":
      invariant(int8Product !== undefined, "int8 on a device without it");
      return int8Product(graph, x, weights.roundedKernel(kernel));
    case "fp16":
      return cast(graph, halfProduct(graph, weights, x, kernel), "float32");
    default:
      return graph.op("MatMul", [x, weights.kernel(kernel)]);
  }
}

/**
 * The product of a dense layer for readers that compute in float16 too.
 *
 * @param x  float32 or float16 [rows, in]
 * @returns  float16 [rows, out]
 */
export function halfProduct(graph: GraphBuilder, weights: Weights, x: string, kernel: Kernel): string {
  return graph.op("MatMul", [cast(graph, x, "float16"), weights.halfKernel(kernel)]);
}

/** The same values in another element type. */
export function cast(graph: GraphBuilder, x: string, to: "float32" | "float16"): string {
  return graph.op("Cast", [x], { to: { int: DATA_TYPE[to] } });
}

/** A product in which the graph rounds every row of the input to 8 bits, by the row's largest magnitude. */
export function roundedRowsProduct(g: GraphBuilder, x: string, { values, scales, dtype }: RoundedKernel): string {
  // The largest magnitude of each row [rows]: two passes that only read x cost less than one that writes |x| and one that reads it.
  const ofRows = (operator: string) => g.op(operator, [x, g.ints([-1])], { keepdims: { int: 0 } });
  const largest = g.op("Max", [ofRows("ReduceMax"), g.op("Neg", [ofRows("ReduceMin")])]);
  const rowScales = g.op("Max", [g.op("Mul", [largest, g.float(1 / INT8_MAX)]), g.float(LEAST_SCALE)]);
  const zero = g.constant("uint8", [], [UINT8_ZERO]);
  const zeros = g.op("Expand", [zero, g.op("Shape", [rowScales])]);
  const rounded = g.op("QuantizeLinear", [x, rowScales, zeros], { axis: { int: 0 } }); // uint8 [rows, in]
  const kernelZero = dtype === "uint8" ? [zero] : [];
  const product = g.fused("MatMulIntegerToFloat", [rounded, values, g.float(1), scales, zero, ...kernelZero]);
  return g.op("Mul", [product, g.op("Unsqueeze", [rowScales, g.ints([1])])]);
}

/** A product whose kernel alone is rounded in the graph: the runtime is told to round the input, as it multiplies. */
export function roundedKernelProduct(g: GraphBuilder, x: string, { values, scales }: RoundedKernel): string {
  return g.op("MatMul", [x, g.op("DequantizeLinear", [values, scales], { axis: { int: 1 } })]);
}
