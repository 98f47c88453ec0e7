import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StepGroups, takeSteps } from "../../../src/training/step/multi-step-batches.ts";
import type { StepData } from "../../../src/training/step/step-data.ts";
import type { Batch, Executor, StepOptions } from "../../../src/training/step/training-step.ts";

/** A step of micro-batches of these lengths. */
function dataOf(lengths: readonly number[]): StepData {
  const microBatches = lengths.map((length): Batch => ({ x: { shape: [length], data: new Float32Array(length) } }));
  return { microBatches, examples: 1, tokens: 1, computedTokens: 1 };
}

async function groupsOf(steps: readonly (readonly number[])[], size: number, stops: readonly number[] = []) {
  const reads: number[] = [];
  const source = {
    stepsPerEpoch: steps.length,
    async step(step: number) {
      reads.push(step);
      return dataOf(steps[step]!);
    },
  };
  const groups = new StepGroups(source, size);
  const found: { readonly count: number; readonly together: boolean }[] = [];
  for (let first = 0; first < steps.length; ) {
    const end = Math.min(steps.length, ...stops.filter((stop) => stop > first));
    const { data, together } = await groups.next({ first, attempt: 0, end, goesOn: async () => true });
    expect(data.map(({ microBatches }) => microBatches.map(({ x }) => x!.shape[0]))).toEqual(
      steps.slice(first, first + data.length),
    );
    found.push({ count: data.length, together });
    first += data.length;
  }
  expect(reads).toEqual(Array.from(steps.keys()));
  return found;
}

const alone = (count: number) => ({ count, together: false });
const together = (count: number) => ({ count, together: true });

describe("groups of steps", () => {
  it("hold neighbours of one shape, and end before another shape, several micro-batches and every stop", async () => {
    const same = Array.from({ length: 7 }, () => [8]);
    expect(await groupsOf(same, 3)).toEqual([together(3), together(3), alone(1)]);
    expect(await groupsOf(same, 3, [4])).toEqual([together(3), alone(1), together(3)]);
    expect(await groupsOf([[8], [8], [4], [4], [4, 4], [4]], 2)).toEqual([
      together(2),
      together(2),
      alone(1),
      alone(1),
    ]);
    expect(await groupsOf([[8], [4], [8]], 2)).toEqual([alone(1), alone(1), alone(1)]);
    expect(await groupsOf(same, 1)).toEqual(same.map(() => alone(1)));
  });

  it("hold every step once and in order, and read each once", async () => {
    const step = fc.array(fc.constantFrom(4, 8), { minLength: 1, maxLength: 2 });
    const stops = fc.array(fc.nat(20), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 20 }),
        fc.integer({ min: 1, max: 5 }),
        stops,
        async (steps, size, at) => {
          const groups = await groupsOf(steps, size, at);
          expect(groups.reduce((sum, { count }) => sum + count, 0)).toBe(steps.length);
          for (const group of groups) expect(group.together).toBe(group.count > 1 && group.count === size);
        },
      ),
    );
  });

  it("end where the run is told to stop", async () => {
    const source = { stepsPerEpoch: 9, step: async () => dataOf([8]) };
    const groups = new StepGroups(source, 4);
    const group = await groups.next({ first: 0, attempt: 0, end: 9, goesOn: async (step) => step < 2 });
    expect([group.data.length, group.together]).toEqual([2, false]);
  });

  it("are refused by an executor that takes one step at a time", async () => {
    const executor: Executor = {
      step: async () => ({ loss: 0, gradNorm: 0, metrics: {} }),
      snapshot: () => Promise.reject(new Error("unused")),
      close: async () => {},
    };
    const options: StepOptions = { learningRate: 0, seed: [0, 0] };
    const group = { data: [dataOf([4]), dataOf([4])], together: true };
    await expect(takeSteps(executor, group, [options, options])).rejects.toThrow(/iterations_per_loop/);
    expect(await takeSteps(executor, { ...group, together: false }, [options, options])).toHaveLength(2);
  });
});
