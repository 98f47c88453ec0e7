import { appendFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CheckpointStore } from "../../src/training/checkpoints.ts";
import type { TrainingEvent } from "../../src/training/events.ts";
import { type TrainingRun, train } from "../../src/training/loop.ts";
import {
  accuracy,
  exampleRecords,
  freshState,
  type LogisticOptions,
  openLogisticRegression,
  recordSource,
} from "./logistic-regression.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "albert-loop-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const records = exampleRecords(100);
const TOTAL = 60;

interface Varied extends Partial<TrainingRun> {
  readonly name?: string;
  readonly fake?: LogisticOptions;
  readonly keepLast?: number;
  readonly digests?: Record<string, string>;
  readonly fingerprint?: Record<string, string>;
}

async function runWith(varied: Varied = {}) {
  const {
    name = "run",
    fake = {},
    keepLast = 3,
    digests = { data: "d" },
    fingerprint = { threads: "1" },
    ...rest
  } = varied;
  const events: TrainingEvent[] = [];
  let now = 0;
  const checkpoints = await CheckpointStore.open({
    directory: join(directory, name),
    identity: { digests, fingerprint },
    keepLast,
  });
  const run: TrainingRun = {
    openExecutor: async (state) => openLogisticRegression(state, fake),
    initial: freshState(),
    data: recordSource(records, 5, 8),
    schedule: { shape: "official", learningRate: 0.05, totalSteps: TOTAL, warmupSteps: 6 },
    seed: 5,
    checkpoints,
    resume: false,
    checkpointEvery: 10,
    divergence: { labels: 2, fromStep: 6, windowSteps: 10 },
    maxRestarts: 1,
    logEvery: 5,
    onEvent: (event) => events.push(event),
    clock: () => now++,
    ...rest,
  };
  const outcome = await train(run);
  return { outcome, events, checkpoints };
}

const bytesOf = (outcome: { parameters: ReadonlyMap<string, { data: Float32Array }> }) =>
  Buffer.from(outcome.parameters.get("weights")!.data.buffer).toString("hex");
const of = <K extends TrainingEvent["kind"]>(events: readonly TrainingEvent[], kind: K) =>
  events.filter((event): event is Extract<TrainingEvent, { kind: K }> => event.kind === kind);
/** Aborts once `steps` steps have been taken. */
const stopAfter = (steps: number) => {
  const abort = new AbortController();
  return { signal: abort.signal, beforeStep: (step: number) => (step >= steps ? abort.abort() : undefined) };
};

describe("a training run", () => {
  it("learns, logs every fifth step and keeps the newest checkpoints", async () => {
    const { outcome, events, checkpoints } = await runWith();
    expect(accuracy(outcome.parameters.get("weights")!.data, records)).toBeGreaterThan(0.8);
    expect(of(events, "step_metrics").map((event) => event.step)).toEqual([
      5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60,
    ]);
    expect(await checkpoints.steps()).toEqual([40, 50, 60]);
    expect(of(events, "checkpoint_pruned").map((event) => event.step)).toEqual([10, 20, 30]);
    const last = of(events, "step_metrics").at(-1)!;
    expect(last.etaSeconds).toEqual([0, 0]);
    expect(last.examplesSeen).toBe(464); // 4 epochs of 100, then 8 full steps
    expect(last.paddingShare).toBeGreaterThan(0);
    expect(events.at(-1)).toMatchObject({ kind: "finished", stoppedBy: "completed", step: TOTAL });
  });

  it("ends in the same bytes when interrupted anywhere and resumed", async () => {
    const whole = bytesOf((await runWith()).outcome);
    for (const stop of [0, 1, 9, 10, 33, 59]) {
      const name = `stopped-${stop}`;
      const first = await runWith({ name, ...stopAfter(stop) });
      expect(first.outcome.stoppedBy).toBe("aborted");
      expect(first.outcome.progress.step).toBe(stop);
      const second = await runWith({ name, resume: true });
      expect(of(second.events, "resumed")).toEqual([{ kind: "resumed", step: stop }]);
      expect(bytesOf(second.outcome)).toBe(whole);
    }
  });

  it("refuses to begin anew in a directory that holds checkpoints", async () => {
    await runWith();
    await expect(runWith()).rejects.toThrow(/holds checkpoints up to step 60: resume them/);
  });

  it("ends at its bound on steps as at its end, and counts towards it", async () => {
    const evaluation: NonNullable<TrainingRun["evaluation"]> = {
      every: 10,
      selection: { metric: "eval_accuracy", goal: "highest" },
      run: async (_, step) => ({ eval_accuracy: step / 100 }),
    };
    const { outcome, events, checkpoints } = await runWith({ maxSteps: 25, evaluation });
    expect(of(events, "started")[0]).toMatchObject({ totalSteps: 25 });
    expect(outcome).toMatchObject({ stoppedBy: "max-steps", progress: { step: 25 } });
    expect(of(events, "step_metrics").at(-1)!.etaSeconds).toEqual([0, 0]);
    expect(of(events, "eval_result").map(({ step }) => step)).toEqual([10, 20, 25]);
    expect((await checkpoints.steps()).at(-1)).toBe(25);
    // The rate goes on along the whole schedule: a bound is no shorter run.
    const whole = await runWith({ name: "whole" });
    expect(of(events, "step_metrics")[3]!.learningRate).toBe(of(whole.events, "step_metrics")[3]!.learningRate);
    expect((await runWith({ name: "far", maxSteps: 999 })).outcome.stoppedBy).toBe("completed");
  });

  it("takes several steps in one run of a graph until it is told to stop, and none after that", async () => {
    const alike = exampleRecords(600).filter((record) => record["input_ids"]!.length === 12);
    const together: number[] = [];
    const openExecutor: TrainingRun["openExecutor"] = async (state) => {
      const single = openLogisticRegression(state);
      return {
        ...single,
        async steps(batches, options) {
          together.push(batches.length);
          const results = [];
          for (const [i, batch] of batches.entries()) results.push(await single.step([batch], options[i]!));
          return results;
        },
      };
    };
    const data = recordSource(alike.slice(0, 16), 5, 8);
    const { outcome } = await runWith({ data, openExecutor, stepsPerRun: 4, ...stopAfter(6) });
    expect(outcome).toMatchObject({ stoppedBy: "aborted", progress: { step: 6 } });
    expect(together).toEqual([4]);
  });

  it("stops at the time limit with a checkpoint", async () => {
    const { outcome, checkpoints } = await runWith({ timeLimitMs: 40 });
    expect(outcome.stoppedBy).toBe("deadline");
    expect((await checkpoints.steps()).at(-1)).toBe(outcome.progress.step);
  });
});

describe("a run that evaluates", () => {
  const scores = [0.5, 0.7, 0.9, 0.8, 0.9, 0.6];
  const evaluation = (patience?: number): NonNullable<TrainingRun["evaluation"]> => ({
    every: 10,
    selection: { metric: "eval_accuracy", goal: "highest", ...(patience === undefined ? {} : { patience }) },
    run: async (_, step) => ({ eval_accuracy: scores[step / 10 - 1]!, eval_loss: step }),
  });

  it("keeps the weights of the best evaluation, the earlier of two equal ones", async () => {
    const { outcome, events, checkpoints } = await runWith({ evaluation: evaluation(), keepLast: 1 });
    expect(outcome.progress.best).toEqual({ metric: "eval_accuracy", value: 0.9, step: 30 });
    expect(outcome.metrics).toEqual({ eval_accuracy: 0.9, eval_loss: 30 });
    expect(await checkpoints.steps()).toEqual([30, 60]);
    expect(of(events, "eval_result").map((event) => event.best)).toEqual([true, true, true, false, false, false]);
    expect(of(events, "eval_result").map((event) => event.bestSoFar?.value)).toEqual([0.5, 0.7, 0.9, 0.9, 0.9, 0.9]);
    const at30 = await runWith({ name: "until-30", ...stopAfter(30) });
    expect(bytesOf(outcome)).toBe(bytesOf(at30.outcome));
  });

  it("stops when patience is used up, and a resumed run stays stopped", async () => {
    const { outcome } = await runWith({ evaluation: evaluation(2) });
    expect(outcome).toMatchObject({ stoppedBy: "early-stopping", progress: { step: 50 } });
    const again = await runWith({ evaluation: evaluation(2), resume: true });
    expect(again.outcome).toMatchObject({ stoppedBy: "early-stopping", progress: { step: 50 } });
    expect(bytesOf(again.outcome)).toBe(bytesOf(outcome));
  });

  it("remembers best value and patience across an interruption", async () => {
    await runWith({ name: "cut", evaluation: evaluation(2), ...stopAfter(42) });
    const { outcome } = await runWith({ name: "cut", evaluation: evaluation(2), resume: true });
    expect(outcome).toMatchObject({ stoppedBy: "early-stopping", progress: { step: 50, best: { step: 30 } } });
  });
});

describe("a run that goes wrong", () => {
  it("rolls back from NaN to the last checkpoint, halves the rate, and finishes", async () => {
    const { outcome, events } = await runWith({ fake: { explodeAt: { step: 25, aboveRate: 0.02 } } });
    expect(of(events, "diverged")[0]).toMatchObject({ step: 25, reason: "NON_FINITE" });
    expect(of(events, "rolled_back")).toEqual([
      { kind: "rolled_back", fromStep: 25, toStep: 20, attempt: 1, learningRateScale: 0.5 },
    ]);
    expect(outcome.progress).toMatchObject({ step: TOTAL, attempt: 1, learningRateScale: 0.5 });
    expect([...outcome.parameters.get("weights")!.data].every(Number.isFinite)).toBe(true);
  });

  it("rolls back from an infinite gradient whose loss is finite", async () => {
    const { outcome, events } = await runWith({ fake: { explodeAt: { step: 25, aboveRate: 0.02, how: "gradient" } } });
    expect(of(events, "diverged")[0]).toMatchObject({ step: 25, reason: "NON_FINITE" });
    expect(of(events, "rolled_back")[0]).toMatchObject({ toStep: 20 });
    expect(outcome.progress).toMatchObject({ step: TOTAL, attempt: 1 });
  });

  it("never writes or evaluates weights that are not finite, though no step reported it", async () => {
    const evaluated: boolean[] = [];
    const { outcome, events, checkpoints } = await runWith({
      fake: { explodeAt: { step: 29, aboveRate: 0.02, how: "weights" } },
      keepLast: 99,
      evaluation: {
        every: 30,
        selection: { metric: "eval_accuracy", goal: "highest" },
        run: async (parameters) => {
          evaluated.push([...parameters.get("weights")!.data].every(Number.isFinite));
          return { eval_accuracy: 1 };
        },
      },
    });
    expect(of(events, "diverged")[0]).toMatchObject({ step: 30, reason: "NON_FINITE" });
    expect(of(events, "diverged")[0]!.message).toMatch(/parameters of weights holds Infinity/);
    expect(of(events, "rolled_back")[0]).toMatchObject({ toStep: 20 });
    expect(evaluated).toEqual([true, true]);
    expect(outcome.progress.step).toBe(TOTAL);
    for (const step of await checkpoints.steps()) {
      const { state } = await checkpoints.load(step);
      expect([...state.parameters.get("weights")!.data].every(Number.isFinite), `step ${step}`).toBe(true);
    }
  });

  it("writes no such weights when it is stopped just then either", async () => {
    const fake = { explodeAt: { step: 24, aboveRate: 0, how: "weights" as const } };
    const { checkpoints } = await runWith({ fake, ...stopAfter(25) });
    expect(await checkpoints.steps()).toEqual([10, 20]);
  });

  it("fails with the last good checkpoint kept when a restart did not help", async () => {
    const fake = { explodeAt: { step: 25, aboveRate: 0 } };
    await expect(runWith({ fake })).rejects.toMatchObject({ reason: "DIVERGED" });
    const { outcome } = await runWith({ resume: true });
    expect(outcome.progress.step).toBe(TOTAL);
  });

  it("notices that every prediction is the same, and starts over at half the rate", async () => {
    const { outcome, events } = await runWith({ fake: { collapsed: (rate) => rate > 0.025 } });
    expect(of(events, "diverged")[0]).toMatchObject({ reason: "CONSTANT_PREDICTIONS" });
    expect(of(events, "rolled_back")[0]).toMatchObject({ toStep: 0 });
    expect(outcome.progress).toMatchObject({ step: TOTAL, attempt: 1 });
  });

  it("fails with advice that fits where every prediction stays the same", async () => {
    await expect(runWith({ fake: { collapsed: () => true } })).rejects.toThrow(
      /or a higher rate where this one is small/,
    );
    const fake = { explodeAt: { step: 25, aboveRate: 0 } };
    await expect(runWith({ name: "nan", fake })).rejects.toThrow(/Lower the learning rate or lengthen the warmup; the/);
  });

  it("ends in the same bytes when interrupted after a roll-back", async () => {
    const fake = { explodeAt: { step: 25, aboveRate: 0.02 } };
    const whole = await runWith({ name: "whole", fake });
    await runWith({ name: "cut", fake, ...stopAfter(37) });
    const resumed = await runWith({ name: "cut", fake, resume: true });
    expect(bytesOf(resumed.outcome)).toBe(bytesOf(whole.outcome));
  });
});

describe("resuming", () => {
  const file = (step: number, name: string) => join(directory, "run", `step-${String(step).padStart(9, "0")}`, name);

  /** Another number of examples seen, in sound JSON. */
  const flipDigit = async (target: string) => {
    const text = await readFile(target, "utf8");
    await writeFile(
      target,
      text.replace(/"examplesSeen":./, (found) => `${found.slice(0, -1)}7`),
    );
  };

  it("falls back to the checkpoint before a damaged one, says so, and still ends in the same bytes", async () => {
    const whole = bytesOf((await runWith({ name: "whole" })).outcome);
    for (const [damage, path] of [
      [(target: string) => truncate(target, 10), "adam_m.safetensors"],
      [(target: string) => appendFile(target, "x"), "parameters.safetensors"],
      [(target: string) => rm(target), "manifest.json"],
      [flipDigit, "manifest.json"],
    ] as const) {
      await rm(join(directory, "run"), { recursive: true, force: true });
      await runWith(stopAfter(30));
      await damage(file(30, path));
      const { outcome, events } = await runWith({ resume: true });
      expect(of(events, "warning")[0]!.message).toMatch(/step 30 is damaged/);
      expect(of(events, "resumed")[0]!.step).toBe(20);
      expect(bytesOf(outcome)).toBe(whole);
    }
  });

  it("refuses when no checkpoint is whole instead of starting over in silence", async () => {
    await runWith(stopAfter(10));
    await rm(file(10, "manifest.json"));
    await expect(runWith({ resume: true })).rejects.toMatchObject({ code: "corrupt" });
  });

  it("refuses other data, and warns of another machine", async () => {
    await runWith(stopAfter(10));
    await expect(runWith({ resume: true, digests: { data: "other" } })).rejects.toMatchObject({
      reason: "RESUME_MISMATCH",
    });
    const { events } = await runWith({ resume: true, fingerprint: { threads: "8" } });
    expect(of(events, "warning")[0]!.message).toMatch(/threads was 1 and is now 8/);
  });

  it("clears away what an interrupted write left, and never lists it", async () => {
    const { checkpoints } = await runWith(stopAfter(20));
    await checkpoints.pin(10);
    const { checkpoints: reopened } = await runWith({ resume: true, keepLast: 1 });
    expect(await reopened.steps()).toEqual([10, 60]);
    expect((await readdir(join(directory, "run"))).filter((name) => name.startsWith("."))).toEqual([]);
    expect(JSON.parse(await readFile(file(60, "manifest.json"), "utf8")).progress.step).toBe(60);
  });
});
