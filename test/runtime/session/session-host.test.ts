import { rmSync } from "node:fs";
import { dirname } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { GraphBuilder } from "../../../src/graph/onnx/graph-builder.ts";
import { spawnWorker } from "../../../src/platform/threads/worker.ts";
import { type ModelFiles, removeModelFiles, writeModelFiles } from "../../../src/runtime/session/model-files.ts";
import { type LostReason, type SessionBatch, SessionHost } from "../../../src/runtime/session/session-host.ts";
import { FAULTS, type FaultyTask } from "./faulty-worker.ts";

/** A session that adds one to `x`, whose worker fails on command. */
async function startFaulty(faults = 1_000_000) {
  const graph = new GraphBuilder("successor");
  const x = graph.input("x", "float32", ["N"]);
  graph.output(graph.op("Add", [x, graph.float(1)]), "float32", ["N"], "y");
  const files = await writeModelFiles(graph);
  const faultsLeft = new SharedArrayBuffer(4);
  new Int32Array(faultsLeft)[0] = faults;
  const lost: LostReason[] = [];
  const host = await SessionHost.start({
    task: { modelPath: files.modelPath, session: { device: "cpu", threads: 1 } },
    spawn: (task) => {
      const workerData: FaultyTask = { ...task, faultsLeft };
      return spawnWorker(new URL("./faulty-worker", import.meta.url), import.meta.url, { workerData });
    },
    onLost: (reason) => lost.push(reason),
    backoffMs: 1,
  });
  open.push({ host, files });
  return { host, files, lost };
}

const open: { host: SessionHost; files: ModelFiles }[] = [];
afterEach(async () => {
  for (const { host, files } of open.splice(0)) {
    await host.close();
    await removeModelFiles(files);
  }
});

function batch(x: number, options: Partial<SessionBatch> = {}): SessionBatch {
  const pack = () => [{ x: { dtype: "float32", dims: [1], data: Float32Array.of(x) } } as const];
  return { pack, stallMs: 20_000, ...options };
}

async function answer(host: SessionHost, x: number, options?: Partial<SessionBatch>): Promise<number> {
  return Number((await host.run(batch(x, options))).outputs[0]!["y"]!.data[0]);
}

/** The answer, or the machine reason why there is none. */
const outcome = (promise: Promise<number>) => promise.catch((error) => error.reason as string);

describe("a session worker", () => {
  it("answers batches in the order in which they came", async () => {
    const { host } = await startFaulty();
    const order: number[] = [];
    await Promise.all([1, 2, 3, 4, 5].map(async (x) => order.push(await answer(host, x))));
    expect(order).toEqual([2, 3, 4, 5, 6]);
  });

  it("that dies fails the batch it had begun and nothing else", async () => {
    const { host, lost } = await startFaulty(1);
    const outcomes = await Promise.all([FAULTS.dieAfterBeginning, 1, 2, 3].map((x) => outcome(answer(host, x))));
    expect(outcomes).toEqual(["WORKER_LOST", 2, 3, 4]);
    expect(lost).toEqual(["WORKER_LOST"]);
    expect(await answer(host, 10)).toBe(11);
  });

  it("hands a batch that had not begun to its successor", async () => {
    const { host } = await startFaulty(1);
    expect(await answer(host, FAULTS.dieBeforeBeginning)).toBe(FAULTS.dieBeforeBeginning + 1);
  });

  it("does not get the same batch a third time", async () => {
    const { host, lost } = await startFaulty();
    expect(await outcome(answer(host, FAULTS.dieBeforeBeginning))).toBe("WORKER_LOST");
    expect(lost.length).toBe(2);
    expect(await answer(host, 1)).toBe(2);
  });

  it("that hangs is given up and replaced", async () => {
    const { host, lost } = await startFaulty(1);
    const outcomes = await Promise.all([
      outcome(answer(host, FAULTS.hang, { stallMs: 50 })),
      outcome(answer(host, 1)),
      outcome(answer(host, 2)),
    ]);
    expect(outcomes).toEqual(["WORKER_STALLED", 2, 3]);
    expect(lost).toEqual(["WORKER_STALLED"]);
  });

  it("that cannot be replaced fails everything that waits", async () => {
    const { host, files } = await startFaulty();
    rmSync(dirname(files.modelPath), { recursive: true });
    const outcomes = await Promise.all([FAULTS.dieAfterBeginning, 1, 2, 3].map((x) => outcome(answer(host, x))));
    expect(outcomes).toEqual(["WORKER_LOST", "WORKER_LOST", "WORKER_LOST", "WORKER_LOST"]);
  });

  it("never sees a batch that was withdrawn while it waited", async () => {
    const { host } = await startFaulty();
    const withdrawal = new AbortController();
    let packed = false;
    const running = [1, 2].map((x) => answer(host, x));
    const pack = () => {
      packed = true;
      return batch(3).pack();
    };
    const waiting = outcome(answer(host, 3, { pack, signal: withdrawal.signal }));
    withdrawal.abort();
    expect(await waiting).toBe("BATCH_CANCELLED");
    expect(await Promise.all(running)).toEqual([2, 3]);
    expect(packed).toBe(false);
    expect(await outcome(answer(host, 4, { signal: withdrawal.signal }))).toBe("BATCH_CANCELLED");
    expect(host.depth).toBe(0);
  });

  it("answers what was handed over before it closes, and nothing after", async () => {
    const { host } = await startFaulty();
    const accepted = [1, 2, 3, 4].map((x) => outcome(answer(host, x)));
    const closed = Promise.all([host.close(), host.close()]);
    expect(await outcome(answer(host, 5))).toBe("ENGINE_CLOSED");
    expect(await Promise.all(accepted)).toEqual([2, 3, 4, 5]);
    await closed;
  });

  it("reports a batch that the runtime refuses, and goes on", async () => {
    const { host } = await startFaulty();
    const pack = () => [{ x: { dtype: "int32", dims: [1], data: Int32Array.of(1) } } as const];
    expect(await outcome(answer(host, 0, { pack }))).toBe("BATCH_FAILED");
    expect(await answer(host, 1)).toBe(2);
  });

  it("reports outputs that are not finite", async () => {
    const { host } = await startFaulty();
    expect((await host.run(batch(Number.NaN))).nonFinite).toEqual([["y"]]);
    expect((await host.run(batch(1))).nonFinite).toEqual([[]]);
  });

  it("that is refused its model says so at once", async () => {
    const start = SessionHost.start({
      task: { modelPath: "/nonexistent/model.onnx", session: { device: "cpu", threads: 1 } },
    });
    await expect(start).rejects.toMatchObject({ code: "backend", reason: "RUNTIME_REFUSED" });
  });

  it("leaves no batch without an answer, whatever happens to it", { timeout: 120_000 }, async () => {
    const kind = fc.constantFrom(0, 0, 0, FAULTS.dieBeforeBeginning, FAULTS.dieAfterBeginning);
    await fc.assert(
      fc.asyncProperty(fc.array(kind, { minLength: 1, maxLength: 12 }), async (kinds) => {
        const { host, files } = await startFaulty(3);
        const outcomes = await Promise.all(kinds.map((x) => outcome(answer(host, x))));
        outcomes.forEach((result, index) => {
          if (result !== "WORKER_LOST") expect(result).toBe(kinds[index]! + 1);
        });
        await host.close();
        await removeModelFiles(files);
      }),
      { numRuns: 6 },
    );
  });
});
