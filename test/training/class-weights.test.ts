import { describe, expect, it } from "vitest";
import type { ClassificationHead, Head } from "../../src/model/heads.ts";
import type { Example } from "../../src/tasks/datasets/examples.ts";
import { classWeights } from "../../src/training/class-weights.ts";

const head: ClassificationHead = {
  kind: "classification",
  name: "mood",
  problemType: "single-label",
  labels: ["down", "up", "a=b", "never"],
};

async function* rows(): AsyncGenerator<Example> {
  for (const [i, label] of ["up", "up", "up", "up", "up", "up", "down", "a=b", "a=b", "a=b"].entries()) {
    yield {
      kind: "classification",
      id: `${i}`,
      text: "text",
      label,
      location: { file: "rows", line: i + 1, column: 1 },
    };
  }
}

describe("class weights", () => {
  it("are absent where none are asked for", async () => {
    expect(await classWeights([], head, rows)).toBeUndefined();
  });

  it("balance labels by their counts, and leave the mean of the examples at 1", async () => {
    const weights = await classWeights(["balanced"], { ...head, labels: ["down", "up", "a=b"] }, rows);
    expect(weights).toEqual([10 / 3, 10 / 18, 10 / 9]);
    expect((weights![0]! * 1 + weights![1]! * 6 + weights![2]! * 3) / 10).toBeCloseTo(1);
    expect((await classWeights(["balanced"], head, rows))![3]).toBe(1);
  });

  it("are those that are given, by label, and 1 for the others", async () => {
    expect(await classWeights(["up=2.5", "a=b=0.5"], head, rows)).toEqual([1, 2.5, 0.5, 1]);
  });

  it.each([
    [["up"], /expected balanced, or label=weight .* got "up"/],
    [["up="], /got "up="/],
    [["up=0"], /above 0/],
    [["up=1001"], /up to 1000/],
    [["up=x"], /got "up=x"/],
    [["balanced", "up=2"], /got "balanced"/],
    [["sideways=2"], /"sideways" is none of the labels down, up, a=b, never/],
  ])("refuse %j", async (given, message) => {
    const violations = [{ field: "class_weights", description: expect.stringMatching(message) }];
    await expect(classWeights(given, head, rows)).rejects.toMatchObject({ violations });
  });

  it("are refused where a text has no one label", async () => {
    const others: readonly Head[] = [
      { kind: "span", name: "s" },
      { ...head, problemType: "multi-label" },
    ];
    for (const other of others) {
      await expect(classWeights(["balanced"], other, rows)).rejects.toMatchObject({ code: "invalid-input" });
    }
  });
});
