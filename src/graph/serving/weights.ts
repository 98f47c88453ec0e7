import { AlbertError, corrupt, invariant } from "../../errors.ts";
import { LARGEST_HALF, toHalves } from "../../model/formats/half-precision.ts";
import type { ParameterSpec } from "../../model/parameters.ts";
import { type Parameters, sizeOf, type Tensor } from "../../model/tensor.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import { float32 } from "../onnx/tensors.ts";

// Adds a model's weights to a graph as constants, in float32, as halves or rounded to 8 bits.

/** The kernel of a dense layer: one variable, or several of equal height whose outputs are wanted side by side. */
export interface Kernel {
  readonly name: string;
  readonly parts?: readonly string[];
}

/** How kernels of 8 bits are stored: both hold the same numbers, an unsigned one with 128 for zero. */
export type RoundedType = "int8" | "uint8";

/** What a kernel [in, out] is multiplied by. */
export interface KernelFactors {
  /** [in] */
  readonly rows?: Float32Array | undefined;
  /** Of the last outputs, as many as there are here. */
  readonly lastColumns?: Float32Array | undefined;
}

/** The names of a rounded kernel's constants. */
export interface RoundedKernel {
  readonly values: string;
  readonly scales: string;
  readonly dtype: RoundedType;
}

/**
 * A model's weights as constants of a graph. Each is added when a node first asks for it and exists once, however many
 * layers and heads use it.
 */
export class Weights {
  readonly #graph: GraphBuilder;
  readonly #parameters: Parameters;
  readonly #specs: ReadonlyMap<string, ParameterSpec>;
  readonly #roundedType: RoundedType;
  readonly #added = new Set<string>();

  /** @param specs every variable that the model may ask for; shapes are checked against them */
  constructor(
    graph: GraphBuilder,
    parameters: Parameters,
    specs: readonly ParameterSpec[],
    roundedType: RoundedType = "int8",
  ) {
    this.#graph = graph;
    this.#parameters = parameters;
    this.#specs = new Map(specs.map((spec) => [spec.name, spec]));
    this.#roundedType = roundedType;
  }

  /** The variable of this official name. @returns the constant's name, which is the same */
  get(name: string): string {
    return this.#add(name, () => {
      const { shape } = this.#spec(name);
      return { shape, data: () => this.tensor(name).data };
    });
  }

  /** A matrix [rows, columns] as it is stored, in steps of its rows' scales [rows, 1]; undefined where it came as floats. */
  scaledRows(name: string): { readonly steps: string; readonly scales: string } | undefined {
    const [rows = 0, columns = 0] = this.#spec(name).shape;
    const scaled = this.#parameters.get(name)?.scaled;
    if (scaled === undefined) return undefined;
    const [steps, scales] = [`${name}/steps`, `${name}/row_scales`];
    if (!this.#added.has(steps)) {
      this.#graph.initializer(steps, { dtype: "int8", dims: [rows, columns], data: scaled.steps });
      this.#added.add(steps);
    }
    this.#add(scales, () => ({ shape: [rows, 1], data: () => scaled.scales }));
    return { steps, scales };
  }

  /** The kernel of a dense layer, float32 [in, out]. @param factors as of {@link roundedKernel} */
  kernel({ name, parts = [name] }: Kernel, factors: KernelFactors = {}): string {
    const values = (columns: number) => multiplied(this.#kernelValues(parts), columns, factors);
    return this.#add(name, () => {
      const shape = this.#kernelShape(parts);
      return { shape, data: () => values(shape[1]!) };
    });
  }

  /** A vector that is no variable of the model. */
  vector(name: string, values: Float32Array): string {
    return this.#add(name, () => ({ shape: [values.length], data: () => values }));
  }

  /**
   * The kernel as halves, float16 [in, out].
   *
   * @throws AlbertError precondition (WEIGHTS_BEYOND_RANGE) when it is written and a value is larger than any half
   */
  halfKernel({ name, parts = [name] }: Kernel): string {
    const halves = `${name}/halves`;
    if (!this.#added.has(halves)) {
      const data = () => halvesOf(name, this.#kernelValues(parts));
      this.#graph.initializer(halves, { dtype: "float16", dims: this.#kernelShape(parts), data });
      this.#added.add(halves);
    }
    return halves;
  }

  /**
   * The kernel rounded to 8 bits [in, out], symmetrically, with a float32 scale for each output [out].
   *
   * @param factors  what the kernel is multiplied by before it is rounded; the same at every call for one kernel
   */
  roundedKernel({ name, parts = [name] }: Kernel, factors: KernelFactors = {}): RoundedKernel {
    const [values, scales] = [`${name}/rounded`, `${name}/scales`];
    const shape = this.#kernelShape(parts);
    const columns = shape[1]!;
    const dtype = this.#roundedType;
    const kernel = () => multiplied(this.#kernelValues(parts), columns, factors);
    this.#add(scales, () => ({ shape: [columns], data: () => columnScales(kernel(), columns) }));
    if (!this.#added.has(values)) {
      const signed = () => roundColumns(kernel(), columns);
      const data = dtype === "int8" ? signed : () => Uint8Array.from(signed(), (value) => value + UINT8_ZERO);
      this.#graph.initializer(values, { dtype, dims: shape, data });
      this.#added.add(values);
    }
    return { values, scales, dtype };
  }

  /** Several vectors end to end. @param lastFactors  what the last values are multiplied by; the same at every call */
  joined(name: string, parts: readonly string[], lastFactors?: Float32Array): string {
    return this.#add(name, () => {
      const length = parts.reduce((sum, part) => sum + sizeOf(this.#spec(part).shape), 0);
      const data = () => sideBySide(parts.map((part) => this.tensor(part)));
      const factors = lastFactors === undefined ? {} : { lastColumns: lastFactors };
      return { shape: [length], data: () => multiplied(data(), length, factors) };
    });
  }

  /** Rows `from` to `to` of a matrix. */
  rows(name: string, from: number, to: number): string {
    return this.#add(`${name}[${from}:${to}]`, () => {
      const columns = this.#spec(name).shape[1]!;
      const slice = () => this.tensor(name).data.subarray(from * columns, to * columns);
      return { shape: [to - from, columns], data: slice };
    });
  }

  /** The values of a variable. @throws AlbertError corrupt when the model lacks it or has it in another shape */
  tensor(name: string): Tensor {
    const { shape } = this.#spec(name);
    const tensor = this.#parameters.get(name);
    invariant(tensor !== undefined, `variable ${name} vanished`);
    if (tensor.shape.join() !== shape.join() || tensor.data.length !== sizeOf(shape)) {
      throw corrupt(`the variable ${name} should be [${shape}], the model holds [${tensor.shape}]`);
    }
    return tensor;
  }

  /** @throws AlbertError corrupt at once, so that a graph never names a variable that the model lacks */
  #spec(name: string): ParameterSpec {
    const spec = this.#specs.get(name);
    invariant(spec !== undefined, `no variable of the model is called ${name}`);
    if (!this.#parameters.has(name)) throw corrupt(`the model has no variable ${name} [${spec.shape}]`);
    return spec;
  }

  #kernelShape(parts: readonly string[]): readonly number[] {
    const shapes = parts.map((part) => this.#spec(part).shape);
    return [shapes[0]![0]!, shapes.reduce((sum, shape) => sum + shape[1]!, 0)];
  }

  #kernelValues(parts: readonly string[]): Float32Array {
    return parts.length === 1 ? this.tensor(parts[0]!).data : sideBySide(parts.map((part) => this.tensor(part)));
  }

  #add(name: string, make: () => { shape: readonly number[]; data: () => Float32Array }): string {
    if (!this.#added.has(name)) {
      const { shape, data } = make();
      this.#graph.initializer(name, float32(shape, data));
      this.#added.add(name);
    }
    return name;
  }
}

/** Joins matrices of equal row counts (or vectors, taken as one row each) along their columns. */
function sideBySide(parts: readonly Tensor[]): Float32Array {
  const rows = parts[0]!.shape.length === 1 ? 1 : parts[0]!.shape[0]!;
  const widths = parts.map((part) => part.data.length / rows);
  const width = widths.reduce((sum, value) => sum + value, 0);
  const joined = new Float32Array(rows * width);
  let column = 0;
  parts.forEach(({ data }, index) => {
    const own = widths[index]!;
    for (let row = 0; row < rows; row++) joined.set(data.subarray(row * own, (row + 1) * own), row * width + column);
    column += own;
  });
  return joined;
}

/** A kernel or a vector, which is a row, times its factors; itself where there are none. */
function multiplied(values: Float32Array, columns: number, { rows, lastColumns }: KernelFactors): Float32Array {
  if (rows === undefined && lastColumns === undefined) return values;
  const product = values.slice();
  const first = columns - (lastColumns?.length ?? 0);
  for (let index = 0; index < product.length; index++) {
    const column = index % columns;
    const ofRow = rows?.[(index - column) / columns] ?? 1;
    product[index]! *= column < first ? ofRow : ofRow * lastColumns![column - first]!;
  }
  return product;
}

function halvesOf(name: string, values: Float32Array): Uint16Array {
  const large = values.find((value) => Math.abs(value) > LARGEST_HALF);
  if (large === undefined) return toHalves(values);
  throw new AlbertError("precondition", `${name} holds ${large}, and float16 ends at ${LARGEST_HALF}; serve in fp32`, {
    reason: "WEIGHTS_BEYOND_RANGE",
  });
}

const INT8_MAX = 127;
/** What 0 is stored as in an unsigned kernel. */
export const UINT8_ZERO = 128;

/** What 1 stands for in each column after rounding to int8. */
function columnScales(values: Float32Array, columns: number): Float32Array {
  const largest = new Float32Array(columns);
  for (let row = 0; row < values.length; row += columns) {
    for (let column = 0; column < columns; column++) {
      largest[column] = Math.max(largest[column]!, Math.abs(values[row + column]!)); // a NaN stays one, to be found
    }
  }
  return largest.map((value) => value / INT8_MAX);
}

function roundColumns(values: Float32Array, columns: number): Int8Array {
  const scales = columnScales(values, columns);
  const rounded = new Int8Array(values.length);
  for (let row = 0; row < values.length; row += columns) {
    for (let column = 0; column < columns; column++) {
      const scale = scales[column]!;
      if (scale === 0) continue;
      const value = Math.round(values[row + column]! / scale);
      rounded[row + column] = Math.max(-INT8_MAX, Math.min(INT8_MAX, value));
    }
  }
  return rounded;
}
