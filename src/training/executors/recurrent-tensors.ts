import { invariant } from "../../errors.ts";
import { sizeOf, type Tensor } from "../../model/tensor.ts";
import { floatValues, hostTensor, type SessionTensor } from "../../runtime/training-session.ts";

/**
 * Named float32 tensors that every run of a graph reads and replaces: input `x` becomes output `next/x`. Only `commit`
 * makes the new values current, so a failed run leaves the old ones whole.
 */
export interface RecurrentTensors {
  readonly names: readonly string[];
  /** Current values by input name. */
  feeds(): Record<string, SessionTensor>;
  /** Where a run leaves the new values, by output name. */
  targets(): Record<string, SessionTensor | null>;
  /** Makes the results of a run current. */
  commit(results: Readonly<Record<string, SessionTensor>>): void;
  /** Sets every value to zero. */
  clear(): void;
  /** Frees what lies on a device. */
  dispose(): void;
}

/** Two sets of buffers in this process's memory, allocated once: a run reads one set and writes the other. */
export class HostTensors implements RecurrentTensors {
  readonly names: readonly string[];
  #current: Map<string, SessionTensor>;
  #next: Map<string, SessionTensor>;

  /** The values are copied. */
  constructor(initial: ReadonlyMap<string, Tensor>) {
    this.names = [...initial.keys()];
    const copies = (values: (tensor: Tensor) => Float32Array) =>
      new Map([...initial].map(([name, tensor]) => [name, hostTensor(values(tensor), tensor.shape)]));
    this.#current = copies(({ data }) => data.slice());
    this.#next = copies(({ data }) => new Float32Array(data.length));
  }

  feeds(): Record<string, SessionTensor> {
    return Object.fromEntries(this.#current);
  }

  targets(): Record<string, SessionTensor> {
    return Object.fromEntries([...this.#next].map(([name, tensor]) => [`next/${name}`, tensor]));
  }

  commit(): void {
    [this.#current, this.#next] = [this.#next, this.#current];
  }

  clear(): void {
    for (const tensor of this.#current.values()) floatValues(tensor).fill(0);
  }

  dispose(): void {}
}

/** Tensors that stay on the device from run to run; the first run takes them from this process's memory. */
export class DeviceTensors implements RecurrentTensors {
  readonly names: readonly string[];
  readonly #current: Map<string, SessionTensor>;

  /** The values are copied. */
  constructor(initial: ReadonlyMap<string, Tensor>) {
    this.names = [...initial.keys()];
    this.#current = new Map([...initial].map(([name, { data, shape }]) => [name, hostTensor(data.slice(), shape)]));
  }

  feeds(): Record<string, SessionTensor> {
    return Object.fromEntries(this.#current);
  }

  targets(): Record<string, null> {
    return Object.fromEntries(this.names.map((name) => [`next/${name}`, null]));
  }

  commit(results: Readonly<Record<string, SessionTensor>>): void {
    for (const name of this.names) {
      const next = results[`next/${name}`];
      invariant(next !== undefined, `a run left no next/${name}`);
      this.#current.get(name)?.dispose();
      this.#current.set(name, next);
    }
  }

  clear(): void {
    for (const [name, tensor] of this.#current) {
      this.#current.set(name, hostTensor(new Float32Array(sizeOf(tensor.dims)), tensor.dims));
      tensor.dispose();
    }
  }

  dispose(): void {
    for (const tensor of this.#current.values()) tensor.dispose();
  }
}
