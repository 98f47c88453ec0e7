import { corrupt, invariant } from "../../errors.ts";
import type { ArrayTensor, CheckpointEntry, CheckpointReader } from "../checkpoint/checkpoint-reader.ts";
import { type ScaledRows, sizeOf, type Tensor } from "../tensor.ts";

// Matrices as whole numbers of eight bits with one float32 scale a row, under the names that the compressed-tensors library
// uses: `X` of type I8 and `X_scale` of shape [rows, 1], where a value is their product.

/** What the name of a matrix's scales ends with. */
const SCALE_ENDING = "_scale";

/** Scales divide the largest magnitude of a row into this many steps, so that zero is exact and signs are alike. */
const STEPS = 127;

/** A matrix in steps of its rows' scales. */
export interface ScaledInt8 {
  readonly shape: readonly number[];
  readonly data: Int8Array;
  readonly scales: Tensor;
}

/** The name under which the scales of a matrix are stored. */
export function scaleName(matrix: string): string {
  return `${matrix}${SCALE_ENDING}`;
}

/** Rounds a matrix `[rows, columns]` to the nearest steps, symmetric around zero, each row with its own scale. */
export function quantiseRows({ shape, data }: Tensor): ScaledInt8 {
  const [rows = 0, columns = 0] = shape;
  const steps = new Int8Array(data.length);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const values = data.subarray(row * columns, (row + 1) * columns);
    const scale = Math.fround(values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) / STEPS);
    scales[row] = scale;
    if (scale === 0) continue; // all of the row is zero, or too small for a step
    for (const [column, value] of values.entries()) {
      steps[row * columns + column] = Math.max(-STEPS, Math.min(STEPS, Math.round(value / scale)));
    }
  }
  return { shape, data: steps, scales: { shape: [rows, 1], data: scales } };
}

/** Presents matrices that are stored in steps as the float32 matrices which they stand for; all else stays as it is. */
export function withScaledInt8<R extends CheckpointReader>(reader: R): R {
  const scaled = new Set(
    [...reader.entries].flatMap(([name, { dtype }]) =>
      dtype === "I8" && reader.entries.has(scaleName(name)) ? [name] : [],
    ),
  );
  if (scaled.size === 0) return reader;
  const scales = new Set([...scaled].map(scaleName));
  const entries = new Map<string, CheckpointEntry>();
  for (const [name, entry] of reader.entries) {
    if (!scales.has(name)) entries.set(name, scaled.has(name) ? { ...entry, dtype: "F32" } : entry);
  }
  return {
    ...reader,
    entries,
    read: async (name) => (scaled.has(name) ? readScaled(reader, name) : reader.read(name)),
  };
}

async function readScaled(reader: CheckpointReader, name: string): Promise<ArrayTensor> {
  const [{ shape, data: steps }, scales] = await Promise.all([reader.read(name), reader.read(scaleName(name))]);
  const [rows, columns] = shape;
  const fits = sizeOf(scales.shape) === rows && scales.shape[0] === rows;
  if (shape.length !== 2 || columns === undefined || !fits || !(scales.data instanceof Float32Array)) {
    throw corrupt(
      `${reader.name}: ${name} of shape [${shape.join(", ")}] needs float scales of shape [${rows ?? 1}, 1]; ${scaleName(name)} has shape [${scales.shape.join(", ")}]`,
    );
  }
  invariant(steps instanceof Int8Array, `${name} is not of 8 bits`);
  const wrong = scales.data.findIndex((scale) => !Number.isFinite(Math.fround(STEPS * scale)));
  if (wrong !== -1)
    throw corrupt(
      `${reader.name}: the scale of row ${wrong} of ${name} is ${scales.data[wrong]}; weights must be finite`,
    );
  return lazyTensor(shape, { steps, scales: scales.data });
}

/** A tensor whose floats are made when somebody asks for them. */
function lazyTensor(shape: readonly number[], scaled: ScaledRows): Tensor {
  let data: Float32Array | undefined;
  return {
    shape,
    scaled,
    get data() {
      data ??= unscaled(scaled);
      return data;
    },
  };
}

/** Steps times the scale of their row. */
function unscaled({ steps, scales }: ScaledRows): Float32Array {
  const columns = steps.length / scales.length;
  const data = new Float32Array(steps.length);
  for (let row = 0; row < scales.length; row++) {
    const scale = scales[row]!;
    for (let at = row * columns; at < (row + 1) * columns; at++) data[at] = steps[at]! * scale;
  }
  return data;
}
