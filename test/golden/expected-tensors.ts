import { readSafetensors, type Safetensors } from "../../src/model/formats/safetensors.ts";
import type { SequenceInput } from "../../src/runtime/engine.ts";

/** Tensors of one golden file by name. */
export class ExpectedTensors {
  readonly #tensors: Safetensors["tensors"];

  private constructor(tensors: Safetensors["tensors"]) {
    this.#tensors = tensors;
  }

  static async read(path: string): Promise<ExpectedTensors> {
    return new ExpectedTensors((await readSafetensors(path)).tensors);
  }

  get names(): readonly string[] {
    return [...this.#tensors.keys()];
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  shape(name: string): readonly number[] {
    return this.#get(name).shape;
  }

  floats(name: string): Float32Array {
    const { data } = this.#get(name);
    if (!(data instanceof Float32Array)) throw new Error(`${name} is not float32`);
    return data;
  }

  ints(name: string): Int32Array {
    const { data } = this.#get(name);
    if (!(data instanceof Int32Array)) throw new Error(`${name} is not int32`);
    return data;
  }

  /** Row `row` of a float tensor seen as [rows, ...]; `rows` defaults to the first dimension. */
  floatRow(name: string, row: number, rows: number = this.shape(name)[0]!): Float32Array {
    const values = this.floats(name);
    return values.subarray((row * values.length) / rows, ((row + 1) * values.length) / rows);
  }

  intRow(name: string, row: number, rows: number = this.shape(name)[0]!): Int32Array {
    const values = this.ints(name);
    return values.subarray((row * values.length) / rows, ((row + 1) * values.length) / rows);
  }

  /**
   * The real tokens of every row, which is what a packed batch holds; rows of nothing but padding are left out.
   *
   * @throws Error when a mask is not ones followed by zeros: a sequence could not say that
   */
  sequences(outputs: readonly string[]): { row: number; input: SequenceInput }[] {
    const width = this.shape("input_ids").at(-1)!;
    const rows = this.ints("input_ids").length / width;
    return Array.from({ length: rows }, (_, row) => row).flatMap((row) => {
      const mask = this.intRow("input_mask", row, rows);
      const length = mask.reduce((sum, value) => sum + value, 0);
      if (!mask.every((value, position) => value === (position < length ? 1 : 0))) {
        throw new Error(`row ${row} has a mask that is not a prefix`);
      }
      if (length === 0) return [];
      const input: SequenceInput = {
        inputIds: this.intRow("input_ids", row, rows).slice(0, length),
        tokenTypeIds: this.intRow("segment_ids", row, rows).slice(0, length),
        outputs,
      };
      return [{ row, input }];
    });
  }

  #get(name: string) {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new Error(`the golden file has no ${name}`);
    return tensor;
  }
}
