import type {
  ObjectBody,
  ObjectInfo,
  ObjectStore,
  RegisterInfo,
  VersionedRegister,
} from "../../../src/store/objects/object-store.ts";

/** Whether the write that fails has happened all the same, its answer lost, or not. */
export type Fault = "before" | "after";

/** Another object store whose k-th write fails; everything that follows works. */
export class FaultyObjectStore implements ObjectStore {
  readonly #inner: ObjectStore;
  readonly #fault: Fault;
  #untilFault: number;
  /** Writes that were asked for so far. */
  writes = 0;

  /** @param k  which write fails, counted from 1 */
  constructor(inner: ObjectStore, k: number, fault: Fault) {
    this.#inner = inner;
    this.#untilFault = k;
    this.#fault = fault;
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#inner.get(key);
  }

  fetch(key: string, path: string): Promise<boolean> {
    return this.#inner.fetch(key, path);
  }

  head(key: string): Promise<ObjectInfo | undefined> {
    return this.#inner.head(key);
  }

  list(prefix: string): AsyncIterable<ObjectInfo> {
    return this.#inner.list(prefix);
  }

  readRegister(key: string): Promise<VersionedRegister | undefined> {
    return this.#inner.readRegister(key);
  }

  listRegisters(prefix: string): AsyncIterable<RegisterInfo> {
    return this.#inner.listRegisters(prefix);
  }

  putIfAbsent(key: string, body: ObjectBody): Promise<boolean> {
    return this.#write(() => this.#inner.putIfAbsent(key, body));
  }

  delete(key: string): Promise<void> {
    return this.#write(() => this.#inner.delete(key));
  }

  writeRegister(key: string, bytes: Uint8Array, tag: string | undefined): Promise<boolean> {
    return this.#write(() => this.#inner.writeRegister(key, bytes, tag));
  }

  sweep(olderThanMs: number): Promise<void> {
    return this.#inner.sweep(olderThanMs);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #write<T>(run: () => Promise<T>): Promise<T> {
    this.writes++;
    if (--this.#untilFault !== 0) return run();
    if (this.#fault === "after") await run();
    throw new Error("the disk is full");
  }
}
