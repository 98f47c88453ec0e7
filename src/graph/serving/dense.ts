import { invariant } from "../../errors.ts";
import type { ActivationScales } from "../../model/activation-scales.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import { DATA_TYPE } from "../onnx/tensors.ts";
import { type Application, type RoundedInput, roundedInput } from "./static-scales.ts";
import { type Kernel, type KernelFactors, type RoundedKernel, UINT8_ZERO, type Weights } from "./weights.ts";

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

/** Writes a product with a rounded kernel and an input whose scale is known. Arguments and result as of {@link Int8Product}. */
export type StaticProduct = (graph: GraphBuilder, x: string, kernel: RoundedKernel, input: RoundedInput) => string;

/** What products of dense layers are written with. */
export interface DenseContext {
  readonly weights: Weights;
  readonly precision: Precision;
  /** How the device multiplies by rounded kernels, where it does: with scales found as it runs, or known before. */
  readonly int8Product: Int8Product | undefined;
  readonly staticProduct: StaticProduct | undefined;
  /** Scales of the model's products, which int8 uses where there are any. */
  readonly scales: ActivationScales | undefined;
  /** Hears what each product of the trunk multiplies; asking for it writes the layers out instead of looping. */
  readonly onInput?: (product: string, application: Application, x: string) => void;
}

/** A product that is being written. */
export interface DenseProduct extends Kernel {
  readonly application: Application;
  /** What the last columns are multiplied by, see `foldedSmoothing`. */
  readonly lastColumns?: Float32Array | undefined;
  /** The input is divided by the kernel's smoothing already. */
  readonly isSmoothed?: boolean;
}

/**
 * The product of a dense layer without its bias: operators that follow take the bias in and save a pass over memory. This
 * is the one place where the trunk's precision is decided.
 *
 * @param x  float32 [rows, in]
 * @returns  float32 [rows, out]
 */
export function dense(graph: GraphBuilder, context: DenseContext, x: string, kernel: DenseProduct): string {
  const { weights, precision, int8Product } = context;
  context.onInput?.(kernel.name, kernel.application, x);
  switch (precision) {
    case "int8":
      invariant(int8Product !== undefined, "int8 on a device without it");
      if (context.scales !== undefined) return withStaticScales(graph, context, x, kernel);
      return int8Product(graph, x, weights.roundedKernel(kernel));
    case "fp16":
      return cast(graph, halfProduct(graph, weights, x, kernel), "float32");
    default:
      return graph.op("MatMul", [x, weights.kernel(kernel)]);
  }
}

/** A product whose input is rounded with known scales, after smoothing; or in float32 where the model has none for it. */
function withStaticScales(
  graph: GraphBuilder,
  { weights, scales, staticProduct }: DenseContext,
  x: string,
  kernel: DenseProduct,
): string {
  invariant(staticProduct !== undefined, "static int8 on a device without it");
  const own = scales?.get(kernel.name);
  const { lastColumns } = kernel;
  if (own === undefined) return graph.op("MatMul", [x, weights.kernel(kernel, { lastColumns })]);
  const { smoothing } = own;
  let input = x;
  if (smoothing !== undefined && !kernel.isSmoothed) {
    const name = `${kernel.name}/unsmoothing`;
    input = graph.op("Mul", [
      x,
      weights.vector(
        name,
        smoothing.map((value) => 1 / value),
      ),
    ]);
  }
  const factors: KernelFactors = { rows: smoothing, lastColumns };
  return staticProduct(
    graph,
    input,
    weights.roundedKernel(kernel, factors),
    roundedInput(graph, own, kernel.application),
  );
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

/** Input and kernel rounded with known scales, in the operator that ONNX Runtime would make of {@link quantisedProduct}. */
export function staticIntegerProduct(
  g: GraphBuilder,
  x: string,
  { values, scales, dtype }: RoundedKernel,
  { scale, zero }: RoundedInput,
): string {
  const rounded = g.op("QuantizeLinear", [x, scale, zero]); // uint8 [rows, in]
  const kernelZero = dtype === "uint8" ? [g.constant("uint8", [], [UINT8_ZERO])] : [];
  return g.fused("MatMulIntegerToFloat", [rounded, values, scale, scales, zero, ...kernelZero]);
}

/** A float product between roundings of its input and kernel, of which a runtime makes an integer product. */
export function quantisedProduct(
  g: GraphBuilder,
  x: string,
  { values, scales }: RoundedKernel,
  { scale, zero }: RoundedInput,
): string {
  const rounded = g.op("DequantizeLinear", [g.op("QuantizeLinear", [x, scale, zero]), scale, zero]);
  return g.op("MatMul", [rounded, g.op("DequantizeLinear", [values, scales], { axis: { int: 1 } })]);
}
