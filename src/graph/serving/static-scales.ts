import type { ActivationScales, InputScale, InputScales } from "../../model/activation-scales.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";

// Scales of products' inputs that are known when a graph is written, as its constants.

/** Which application of weights is being written: its number, or in the body of a loop the value that counts them. */
export type Application = number | { readonly iteration: string };

/** The names of an input's constant scale and step for 0, both scalars. */
export interface RoundedInput {
  /** float32 [] */
  readonly scale: string;
  /** uint8 [] */
  readonly zero: string;
}

/** Writes the scales of one application of a kernel. In a loop they are rows of two tables. */
export function roundedInput(g: GraphBuilder, { applications }: InputScales, application: Application): RoundedInput {
  const table = (dtype: "float32" | "uint8", numberOf: (scale: InputScale) => number) => {
    if (typeof application === "number") return g.constant(dtype, [], [numberOf(applications[application]!)]);
    const values = applications.map(numberOf);
    if (values.every((value) => value === values[0])) return g.constant(dtype, [], [values[0]!]);
    return g.op("Gather", [g.constant(dtype, [values.length], values), application.iteration]);
  };
  return { scale: table("float32", ({ scale }) => scale), zero: table("uint8", ({ zeroPoint }) => zeroPoint) };
}

/** What a kernel's last columns are multiplied by: the next product's smoothing, where nothing but a mean lies between. */
export function foldedSmoothing(scales: ActivationScales | undefined, next: string): Float32Array | undefined {
  return scales?.get(next)?.smoothing?.map((value) => 1 / value);
}
