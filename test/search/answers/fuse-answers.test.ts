import { describe, expect, it } from "vitest";
import { fuseAnswers, SIMILARITY_WEIGHT } from "../../../src/search/answers/fuse-answers.ts";
import type { QuestionAnswer, SpanAnswer } from "../../../src/tasks/question-answering/span-answer.ts";

const span = (text: string, startScore: number, endScore: number): SpanAnswer => ({
  ...{ text, startScore, endScore },
  ...{ start: 0, end: text.length, probability: 0, window: 0 },
});
const read = (answers: SpanAnswer[], nullScore?: number): QuestionAnswer => ({
  answers,
  noAnswer: nullScore !== undefined && nullScore >= 0,
  ...(nullScore === undefined ? {} : { nullScore, nullThreshold: 0 }),
});
const byText = (_: number, { text }: SpanAnswer) => text;
const texts = (fused: ReturnType<typeof fuseAnswers>) => fused.answers.map(({ span }) => span.text);

describe("answers of several passages", () => {
  it("are ranked by logits where passages are alike, with probabilities over all of them", () => {
    const fused = fuseAnswers(
      [read([span("a", 1, 1), span("b", 0, 0)]), read([span("c", 2, 2)])],
      [0.5, 0.5],
      2,
      byText,
    );
    expect(texts(fused)).toEqual(["c", "a"]);
    const total = Math.exp(4) + Math.exp(2) + 1;
    expect(fused.answers[0]!.probability).toBeCloseTo(Math.exp(4) / total, 10);
    expect(fused.answers.map(({ passage }) => passage)).toEqual([1, 0]);
    expect(fused.answerable).toBe(true);
  });

  it("gain by the similarity of their passage", () => {
    const passages = [read([span("near", 1, 1)]), read([span("far", 1.5, 1.5)])];
    expect(texts(fuseAnswers(passages, [0.9, 0.9 - 1.1 / SIMILARITY_WEIGHT], 1, byText))).toEqual(["near"]);
    expect(texts(fuseAnswers(passages, [0.9, 0.9 - 0.9 / SIMILARITY_WEIGHT], 1, byText))).toEqual(["far"]);
  });

  it("lose where the reader holds that their passage has none", () => {
    const fused = fuseAnswers(
      [read([span("sure", -0.1, -0.1)], 6), read([span("torn", -1, -1)], -6)],
      [0.5, 0.5],
      2,
      byText,
    );
    expect(texts(fused)).toEqual(["torn", "sure"]);
    expect(fused.answerable).toBe(true);
    expect(fuseAnswers([read([span("x", 0, 0)], 6)], [0.5], 1, byText).answerable).toBe(false);
  });

  it("count once where two passages share them, with the better score", () => {
    const fused = fuseAnswers([read([span("same", 1, 1)]), read([span("same", 2, 2)])], [0.5, 0.5], 5, byText);
    expect(fused.answers).toHaveLength(1);
    expect(fused.answers[0]).toMatchObject({ passage: 1, probability: 1 });
  });

  it("may be none", () => {
    expect(fuseAnswers([], [], 3, byText)).toEqual({ answers: [], answerable: false });
  });
});
