import { expect, it } from "vitest";
import { judgeable } from "../../../src/serving/feedback/judgeable.ts";

type Arguments = Parameters<typeof judgeable>;

const HEAD = { kind: "classification", name: "c", problemType: "single-label", labels: ["a", "b", "c"] };
const scores = (...probabilities: number[]) =>
  probabilities.map((probability, i) => ({ label: HEAD.labels[i]!, probability, logit: 0 }));
const of = (input: object, answer: object, task = "classify") => {
  const request = { task, input: { text: "t", ...input } } as unknown as Arguments[0];
  const answered = { answer, meta: { model: "m", version: "7", head: "c" } } as unknown as Arguments[1];
  return judgeable(request, answered, { task: { heads: [HEAD] } } as unknown as Arguments[2]);
};

it("one label of a text is for people to judge, with how far the second is", () => {
  const kept = of({ textPair: "p" }, { kind: "single-label", labels: scores(0.6, 0.35, 0.05) });
  expect(kept).toMatchObject({
    model: "m",
    version: "7",
    head: "c",
    text: "t",
    textPair: "p",
    label: "a",
    labels: HEAD.labels,
  });
  expect(kept?.margin).toBeCloseTo(0.25);
  expect(of({ topK: 1 }, { kind: "single-label", labels: scores(0.6) })?.margin).toBeCloseTo(0.2);
});

it.each([
  ["a value", {}, { kind: "regression", value: 1 }, "classify"],
  ["several labels at once", {}, { kind: "multi-label", labels: scores(0.6) }, "classify"],
  ["labels of the caller's own", { candidateLabels: ["x"] }, { kind: "single-label", labels: scores(0.6) }, "classify"],
  ["some labels alone", { labels: ["a"] }, { kind: "single-label", labels: scores(0.6) }, "classify"],
  ["another task", {}, { answers: [] }, "answer_question"],
])("%s is not", (_, input, answer, task) => expect(of(input, answer, task)).toBeUndefined());
