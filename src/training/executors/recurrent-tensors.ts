import { invariant } from "../../errors.ts";
import { sizeOf, type Tensor } from "../../model/tensor.ts";
import { floatValues, hostTensor, type SessionTensor } from "../../runtime/session/training-session.ts";

// The tensors that each step reads and replaces, in memory of this process or on the device.

/**
 * Named float32 tensors that every run of a graph reads and replaces: input `x` becomes output `next/x`. Only `commit`
 * makes the new values current, so a failed run leaves the old ones whole.
 */
export interface RecurrentTensors {
  /** Current values by input name. */
  readonly feeds: ReadonlyMap<string, SessionTensor>;
  /** Where a run leaves the new values, by output name; null leaves the place to the runtime. */
  readonly targets: ReadonlyMap<string, SessionTensor | null>;
  /** Makes the results of a run current. */
  commit(results: Readonly<Record<string, SessionTensor>>): void;
  /** Sets every value to zero. */
  clear(): void;
  /** Frees what lies on a device. */
  dispose(): void;
}

/** Two sets of buffers in this process's memory, allocated once: a run reads one set and writes the other. */
export class HostTensors implements RecurrentTensors {
  #current: BufferSet;
  #next: BufferSet;

  /** The values are copied. */
  constructor(initial: ReadonlyMap<string, Tensor>) {
    this.#current = bufferSet(initial, ({ data }) => data.slice());
    this.#next = bufferSet(initial, ({ data }) => new Float32Array(data.length));
  }

  get feeds(): ReadonlyMap<string, SessionTensor> {
    return this.#current.asFeeds;
  }

  get targets(): ReadonlyMap<string, SessionTensor> {
    return this.#next.asTargets;
  }

  commit(): void {
    [this.#current, this.#next] = [this.#next, this.#current];
  }

  clear(): void {
    for (const tensor of this.#current.asFeeds.values()) floatValues(tensor).fill(0);
  }

  dispose(): void {}
}

/** The same tensors under their input names and under their output names. */
interface BufferSet {
  readonly asFeeds: ReadonlyMap<string, SessionTensor>;
  readonly asTargets: ReadonlyMap<string, SessionTensor>;
}

function bufferSet(initial: ReadonlyMap<string, Tensor>, values: (tensor: Tensor) => Float32Array): BufferSet {
  const asFeeds = new Map([...initial].map(([name, tensor]) => [name, hostTensor(values(tensor), tensor.shape)]));
  return { asFeeds, asTargets: new Map([...asFeeds].map(([name, tensor]) => [`next/${name}`, tensor])) };
}

/** Tensors that stay on the device from run to run; the first run takes them from this process's memory. */
export class DeviceTensors implements RecurrentTensors {
  readonly feeds: Map<string, SessionTensor>;
  readonly targets: ReadonlyMap<string, null>;

  /** The values are copied. */
  constructor(initial: ReadonlyMap<string, Tensor>) {
    this.feeds = new Map([...initial].map(([name, { data, shape }]) => [name, hostTensor(data.slice(), shape)]));
    this.targets = new Map([...initial.keys()].map((name) => [`next/${name}`, null]));
  }

  commit(results: Readonly<Record<string, SessionTensor>>): void {
    for (const [name, before] of this.feeds) {
      const next = results[`next/${name}`];
      invariant(next !== undefined, `a run left no next/${name}`);
      before.dispose();
      this.feeds.set(name, next);
    }
  }

  clear(): void {
    for (const [name, tensor] of this.feeds) {
      this.feeds.set(name, hostTensor(new Float32Array(sizeOf(tensor.dims)), tensor.dims));
      tensor.dispose();
    }
  }

  dispose(): void {
    for (const tensor of this.feeds.values()) tensor.dispose();
  }
}
