import { performance } from "node:perf_hooks";
import type { ObjectStore } from "./object-store.ts";

// Measures the operations of any object store.

/**
 * Called for each operation that has ended.
 *
 * @param outcome  "conflict" where another writer came first, "error" where it threw
 */
export type OperationListener = (operation: string, outcome: "ok" | "conflict" | "error", seconds: number) => void;

/** An object store that reports each operation to a listener, with its outcome and duration. */
export function measuredObjectStore(objects: ObjectStore, onOperation: OperationListener): ObjectStore {
  const measured = async <T>(operation: string, run: () => Promise<T>, lost?: (result: T) => boolean): Promise<T> => {
    const began = performance.now();
    const tell = (outcome: "ok" | "conflict" | "error") =>
      onOperation(operation, outcome, (performance.now() - began) / 1000);
    try {
      const result = await run();
      tell(lost?.(result) === true ? "conflict" : "ok");
      return result;
    } catch (error) {
      tell("error");
      throw error;
    }
  };
  const cameSecond = (written: boolean) => !written;
  const listed = async function* <T>(operation: string, list: () => AsyncIterable<T>): AsyncGenerator<T> {
    const began = performance.now();
    let outcome: "ok" | "error" = "error";
    try {
      yield* list();
      outcome = "ok";
    } finally {
      onOperation(operation, outcome, (performance.now() - began) / 1000);
    }
  };
  return {
    get: (key) => measured("get", () => objects.get(key)),
    fetch: (key, path) => measured("fetch", () => objects.fetch(key, path)),
    head: (key) => measured("head", () => objects.head(key)),
    putIfAbsent: (key, body) => measured("put", () => objects.putIfAbsent(key, body), cameSecond),
    delete: (key) => measured("delete", () => objects.delete(key)),
    list: (prefix) => listed("list", () => objects.list(prefix)),
    readRegister: (key) => measured("read_register", () => objects.readRegister(key)),
    writeRegister: (key, bytes, tag) =>
      measured("write_register", () => objects.writeRegister(key, bytes, tag), cameSecond),
    listRegisters: (prefix) => listed("list_registers", () => objects.listRegisters(prefix)),
    sweep: (olderThanMs) => measured("sweep", () => objects.sweep(olderThanMs)),
    close: () => objects.close(),
  };
}
