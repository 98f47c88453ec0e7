import { describe, expect, it } from "vitest";
import { BoundedQueue, KeyedSerialQueue, SerialQueue } from "../../src/platform/serial-queue.ts";

/** A task that ends when it is told to, and notes when it begins. */
function controlled(order: string[], name: string) {
  let end: (error?: Error) => void = () => {};
  const ended = new Promise<string>((resolve, reject) => {
    end = (error) => (error === undefined ? resolve(name) : reject(error));
  });
  const task = () => {
    order.push(name);
    return ended;
  };
  return { task, end };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("a serial queue", () => {
  it("runs tasks one after the other in their order, also after one that failed", async () => {
    const queue = new SerialQueue();
    const order: string[] = [];
    const [a, b, c] = ["a", "b", "c"].map((name) => controlled(order, name)) as [
      ReturnType<typeof controlled>,
      ReturnType<typeof controlled>,
      ReturnType<typeof controlled>,
    ];
    const first = queue.run(a.task);
    const second = queue.run(b.task).catch((error: Error) => error.message);
    const third = queue.run(c.task);
    let drained = false;
    const draining = queue.drained().then(() => {
      drained = true;
    });
    await settled();
    expect(order).toEqual(["a"]);
    a.end();
    expect(await first).toBe("a");
    await settled();
    expect(order).toEqual(["a", "b"]);
    b.end(new Error("b failed"));
    expect(await second).toBe("b failed");
    await settled();
    expect([order, drained]).toEqual([["a", "b", "c"], false]);
    c.end();
    expect(await third).toBe("c");
    await draining;
  });

  it("takes a task that throws at once for one that failed", async () => {
    const queue = new SerialQueue();
    const thrown = queue.run(() => {
      throw new Error("at once");
    });
    await expect(thrown).rejects.toThrow("at once");
    expect(await queue.run(() => 7)).toBe(7);
  });
});

describe("serial queues by key", () => {
  it("keep tasks of one key apart, let other keys go on, and remember no key that has nothing to do", async () => {
    const queues = new KeyedSerialQueue();
    const order: string[] = [];
    const a = controlled(order, "a");
    const first = queues.run("m", a.task);
    const second = queues.run("m", () => order.push("b"));
    await queues.run("n", () => order.push("other"));
    expect([order, queues.size]).toEqual([["a", "other"], 1]);
    a.end(new Error("a failed"));
    await expect(first).rejects.toThrow("a failed");
    await second;
    expect([order, queues.size]).toEqual([["a", "other", "b"], 0]);
  });
});

describe("a bounded queue", () => {
  it("runs so many tasks at once and no more, and goes on after one that failed", async () => {
    const queue = new BoundedQueue(2);
    const order: string[] = [];
    const [a, b, c] = ["a", "b", "c"].map((name) => controlled(order, name)) as [
      ReturnType<typeof controlled>,
      ReturnType<typeof controlled>,
      ReturnType<typeof controlled>,
    ];
    const outcomes = Promise.allSettled([queue.run(a.task), queue.run(b.task), queue.run(c.task)]);
    await settled();
    expect(order).toEqual(["a", "b"]);
    b.end(new Error("no"));
    await settled();
    expect(order).toEqual(["a", "b", "c"]);
    a.end();
    c.end();
    expect((await outcomes).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });
});
