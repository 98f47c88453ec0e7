import { expect, it } from "vitest";
import { AnswerSample, type SampledAnswer } from "../../../src/serving/feedback/answer-sample.ts";

const answer = (text: string, margin: number, varied: Partial<SampledAnswer> = {}): SampledAnswer => ({
  ...{ model: "m", version: "1", head: "c", text, label: "a", probability: 0.5, margin, labels: ["a", "b"] },
  ...varied,
});
const texts = (sample: AnswerSample, model = "m") => sample.list(model).map(({ text }) => text);

it("a sample keeps those of which a model is least sure, in that order, each model's apart", () => {
  const sample = new AnswerSample({ most: 3, maxAgeMs: 1000, maxChars: 10 });
  for (const [text, margin] of [
    ["five", 0.5],
    ["one", 0.1],
    ["nine", 0.9],
    ["two", 0.2],
    ["eight", 0.8],
  ] as const) {
    sample.offer(answer(text, margin));
  }
  sample.offer(answer("of another", 0.9, { model: "n" }));
  sample.offer(answer("a text of many letters", 0));
  expect(texts(sample)).toEqual(["one", "two", "five"]);
  expect(texts(sample, "n")).toEqual(["of another"]);
});

it("a text is in it once, with its newest answer, and not again once it was judged", () => {
  const sample = new AnswerSample({ most: 3, maxAgeMs: 1000, maxChars: 10 });
  sample.offer(answer("x", 0.1));
  sample.offer(answer("x", 0.4, { version: "2" }));
  sample.offer(answer("x", 0.2, { textPair: "y" }));
  const [pair, alone] = sample.list("m");
  expect([pair?.textPair, alone?.version, alone?.margin]).toEqual(["y", "2", 0.4]);
  sample.finish(alone!);
  sample.offer(answer("x", 0.1, { version: "3" }));
  expect(sample.list("m")).toEqual([pair]);
  expect(sample.forget("m")).toBe(1);
  expect(texts(sample)).toEqual([]);
});

it("what nobody judged grows old and goes, also where nobody looks", () => {
  let nowMs = 0;
  const sample = new AnswerSample({ most: 2, maxAgeMs: 100_000, maxChars: 10, clock: () => nowMs });
  sample.offer(answer("sure", 0.1));
  nowMs = 50_000;
  sample.offer(answer("later", 0.2));
  nowMs = 120_000;
  sample.offer(answer("surest", 0.9)); // takes the place of what is too old
  expect(texts(sample)).toEqual(["later", "surest"]);
  nowMs = 160_000;
  expect(texts(sample)).toEqual(["surest"]);
});

it("judged texts are remembered by their digests, and not for ever", () => {
  const sample = new AnswerSample({ most: 1, maxAgeMs: 1000, maxChars: 10 });
  for (let i = 0; i < 12; i++) {
    sample.offer(answer(`t${i}`, 0.5));
    sample.finish(sample.list("m")[0]!);
  }
  sample.offer(answer("t11", 0.5));
  expect(texts(sample)).toEqual([]);
  sample.offer(answer("t0", 0.5));
  expect(texts(sample)).toEqual(["t0"]);
});
