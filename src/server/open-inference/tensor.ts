// Tensors of the Open Inference Protocol as plain data, free of any transport.

/** What an output may be made of. Inputs are BYTES: text as UTF-8. */
export type Datatype = "BYTES" | "BOOL" | "FP32" | "INT32";

export type Element = string | number | boolean;

/** A tensor in row-major order; BYTES are strings, numbers and booleans themselves. */
export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: readonly Element[];
}

/** A tensor of a request; every one is BYTES. */
export interface TextTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Absent where its contents could not be read, which is then among the request's violations. */
  readonly data?: readonly string[];
}

/** The values of one row: an element, a list, or a list of lists. */
export type RowValue = Element | readonly RowValue[];

/** An output of a task: how it is called, and what it holds for each row of the request. */
export interface OutputSpec {
  readonly name: string;
  readonly datatype: Datatype;
  /** Sizes of a row; -1 where they depend on the request. */
  readonly rowShape: readonly number[];
  /** What fills places that a row does not have; else "", 0 and false. */
  readonly padding?: Element;
}

const PADDING: Readonly<Record<Datatype, Element>> = { BYTES: "", BOOL: false, FP32: 0, INT32: 0 };

/**
 * Stacks the rows of an output to one tensor. Rows of different sizes are filled up to the largest.
 *
 * @param rows  each of the rank that the output says
 */
export function stackRows(output: OutputSpec, rows: readonly RowValue[]): Tensor {
  const { name, datatype, rowShape, padding = PADDING[datatype] } = output;
  const sizes = rowShape.map((_, depth) => Math.max(0, ...rows.map((row) => sizeAt(row, depth))));
  const data: Element[] = [];
  for (const row of rows) append(data, row, sizes, padding);
  return { name, datatype, shape: [rows.length, ...sizes], data };
}

/** The largest list at a depth of nested lists. */
function sizeAt(value: RowValue, depth: number): number {
  if (!Array.isArray(value)) return 0;
  const list = value as readonly RowValue[];
  return depth === 0 ? list.length : Math.max(0, ...list.map((inner) => sizeAt(inner, depth - 1)));
}

function append(data: Element[], value: RowValue | undefined, sizes: readonly number[], padding: Element): void {
  const [size, ...inner] = sizes;
  if (size === undefined) {
    data.push(value === undefined ? padding : (value as Element)); // a row has the rank of its output
    return;
  }
  const list = (value ?? []) as readonly RowValue[];
  for (let i = 0; i < size; i += 1) append(data, list[i], inner, padding);
}
