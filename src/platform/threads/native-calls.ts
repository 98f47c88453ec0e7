import { getEnvironmentData, setEnvironmentData } from "node:worker_threads";

// A thread that is ended while it is inside a native library takes the whole process with it: the library finds that it can no
// longer make JavaScript values, throws in C++, and nobody catches it. So threads say when they are inside, and are ended outside.

/** One thread's cell in shared memory. */
const STOP = 0;
/** How many native calls are under way on this thread and on the threads that it started. */
const INSIDE = 1;

/** A thread's cell, held by the thread itself, by those that it starts, and by the one that started it. */
export type NativeCells = Int32Array<SharedArrayBuffer>;

const CELLS = "albert.native-calls";

/** Of this thread and of all that it was started by, up to but without the main thread. */
const own = (getEnvironmentData(CELLS) ?? []) as readonly NativeCells[]; // `withCells` alone sets it

/**
 * Makes a call into a native library that a thread must not be ended in. Such a thread ends itself when the call has returned,
 * or instead of it.
 *
 * @throws what the call throws
 */
export async function nativeCall<T>(call: () => T | Promise<T>): Promise<T> {
  for (const cells of own) Atomics.add(cells, INSIDE, 1);
  try {
    if (isStopped()) process.exit(); // of this thread alone
    return await call();
  } finally {
    for (const cells of own) {
      Atomics.sub(cells, INSIDE, 1);
      Atomics.notify(cells, INSIDE);
    }
    if (isStopped()) process.exit();
  }
}

function isStopped(): boolean {
  return own.some((cells) => Atomics.load(cells, STOP) === 1);
}

/** Starts a thread by `start` so that its native calls can be seen here. */
export function withCells<T>(start: () => T): { readonly started: T; readonly cells: NativeCells } {
  const cells: NativeCells = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  setEnvironmentData(CELLS, [...own, cells]);
  try {
    return { started: start(), cells };
  } finally {
    setEnvironmentData(CELLS, [...own]);
  }
}

/** From now on the thread begins no native call. Returns whether it may be ended, because it is inside none. */
export function stopNativeCalls(cells: NativeCells): boolean {
  Atomics.store(cells, STOP, 1);
  return Atomics.load(cells, INSIDE) === 0;
}

/** Blocks until a stopped thread is inside no native call, for at most `milliseconds`. Returns whether it is not. */
export function awaitOutside(cells: NativeCells, milliseconds: number): boolean {
  const until = performance.now() + milliseconds;
  for (;;) {
    const inside = Atomics.load(cells, INSIDE);
    if (inside === 0) return true;
    const left = until - performance.now();
    if (left <= 0) return false;
    Atomics.wait(cells, INSIDE, inside, left);
  }
}
