import { describe, expect, it } from "vitest";
import { AlbertError } from "../../src/errors.ts";
import type { ClassificationHead } from "../../src/model/heads.ts";
import { POOLED_OUTPUT, SEQUENCE_OUTPUT, type SequenceInput, type SequenceOutput } from "../../src/runtime/engine.ts";
import { planClassification } from "../../src/tasks/classification/classification.ts";
import { planInference } from "../../src/tasks/inference.ts";
import { planEncoding } from "../../src/tasks/masked-lm/encoding.ts";
import { planFillMask } from "../../src/tasks/masked-lm/fill-mask.ts";
import { planMultipleChoice } from "../../src/tasks/multiple-choice/multiple-choice.ts";
import { planQuestionAnswering } from "../../src/tasks/question-answering/question-answering.ts";
import { tokenizeRequest } from "../../src/tasks/text-request.ts";
import { output, piecesOf, toyModel } from "../support/models/toy-model.ts";

const sentiment: ClassificationHead = {
  name: "sentiment",
  kind: "classification",
  problemType: "single-label",
  labels: ["bad", "good", "mixed"],
};
const topics: ClassificationHead = {
  name: "topics",
  kind: "classification",
  problemType: "multi-label",
  labels: ["art", "law", "war"],
};
const stars: ClassificationHead = {
  name: "stars",
  kind: "classification",
  problemType: "regression",
  labels: ["stars"],
};

/** The error of a call that must fail. */
function failure(call: () => unknown): AlbertError {
  try {
    call();
  } catch (error) {
    if (error instanceof AlbertError) return error;
    throw error;
  }
  throw new Error("expected an AlbertError");
}

function fields(call: () => unknown): string[] {
  return failure(call).violations.map(({ field }) => field);
}

describe("classification", () => {
  const model = toyModel([sentiment]);

  it("puts a pair between special tokens and answers with softmax probabilities, best first", () => {
    const plan = planClassification({ text: "a b", textPair: "c" }, model);
    expect(piecesOf(model, plan.sequences[0])).toBe("[CLS] a b [SEP] c [SEP]");
    expect(Array.from(plan.sequences[0]!.tokenTypeIds)).toEqual([0, 0, 0, 0, 1, 1]);
    expect(plan.tokens).toBe(6);
    const answer = plan.answer([output("sentiment", { logits: Float32Array.of(0, 2, 1) })]);
    if (answer.kind !== "single-label") throw new Error(answer.kind);
    expect(answer.labels.map(({ label }) => label)).toEqual(["good", "mixed", "bad"]);
    expect(answer.labels.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 12);
    expect(answer.labels[0]!.probability).toBeCloseTo(Math.exp(2) / (1 + Math.exp(1) + Math.exp(2)), 12);
  });

  it("cuts the longer text of a pair, or says how much too long it is", () => {
    const long = { text: "1 2 3 4 5 6 7 8 9 10", textPair: "a b c d e f g", maxTokens: 12 };
    const plan = planClassification(long, model);
    expect(piecesOf(model, plan.sequences[0])).toBe("[CLS] 1 2 3 4 5 [SEP] a b c d [SEP]");
    expect(plan.truncated).toBe(true);
    const error = failure(() => planClassification({ ...long, truncation: "error" }, model));
    expect([error.reason, error.metadata["tokens"], error.metadata["limit"]]).toEqual(["INPUT_TOO_LONG", "20", "12"]);
  });

  it("keeps labels that reach the threshold, and only allowed ones", () => {
    const plan = (options: object) => planClassification({ text: "x", ...options }, toyModel([topics]));
    const labels = (options: object) => {
      const answer = plan(options).answer([output("topics", { logits: Float32Array.of(1, -1, 3) })]);
      return answer.kind === "multi-label" ? answer.labels.map(({ label }) => label) : [];
    };
    expect(labels({})).toEqual(["war", "art"]);
    expect(labels({ threshold: 0 })).toEqual(["war", "art", "law"]);
    expect(labels({ threshold: 0, labels: ["law"] })).toEqual(["law"]);
    expect(labels({ topK: 1 })).toEqual(["war"]);
  });

  it("gives a regression's number as it is", () => {
    const plan = planClassification({ text: "x" }, toyModel([stars]));
    expect(plan.answer([output("stars", { logits: Float32Array.of(7.5) })])).toEqual({
      kind: "regression",
      value: 7.5,
    });
  });

  it("reports every wrong field at once", () => {
    const request = {
      text: " \n",
      textPair: "a\0\ud800",
      topK: 0,
      threshold: 2,
      labels: ["good", "nice"],
      maxTokens: 99,
    };
    expect(fields(() => planClassification(request, model))).toEqual([
      "text",
      "text_pair",
      "text_pair",
      "top_k",
      "threshold",
      "labels[1]",
      "options.max_tokens",
    ]);
    const many = new Array<string>(100_000).fill("nice");
    expect(fields(() => planClassification({ text: "x", labels: many }, model))).toEqual(["labels"]);
    expect(fields(() => planClassification({ text: "x", topK: 1, labels: ["a"] }, toyModel([stars])))).toEqual([
      "top_k",
      "labels",
    ]);
    expect(
      fields(() => planClassification({ text: "x".repeat(11) }, model, { maxCharacters: 10, maxWindows: 1 })),
    ).toEqual(["text"]);
  });

  it("asks for the head's name only where it is unclear", () => {
    const both = toyModel([sentiment, topics]);
    expect(fields(() => planClassification({ text: "x" }, both))).toEqual(["options.head"]);
    expect(planClassification({ text: "x", head: "topics" }, both).head).toBe("topics");
    expect(failure(() => planClassification({ text: "x", head: "toxicity" }, both)).reason).toBe("HEAD_MISSING");
    expect(failure(() => planFillMask({ text: "[MASK]" }, both)).code).toBe("precondition");
  });

  it("refuses to answer from numbers that are not finite", () => {
    const plan = planClassification({ text: "x" }, model);
    const error = failure(() => plan.answer([output("sentiment", { logits: Float32Array.of(0, Number.NaN, 0) })]));
    expect([error.code, error.reason]).toEqual(["backend", "NON_FINITE"]);
  });
});

describe("question answering", () => {
  const v1 = toyModel([{ name: "qa", kind: "span" }], 12);
  const v2 = { ...toyModel([{ name: "qa", kind: "span-answerability" as const }], 12), nullThreshold: -1 };
  const context = "zero  one \ud83d\ude00two three four five six seven eight nine ten";

  it("finds the answer across windows and slices it from the caller's text", () => {
    const plan = planQuestionAnswering({ question: "which number", context, docStride: 4 }, v1);
    expect(plan.windows).toBe(2);
    expect(piecesOf(v1, plan.sequences[1])).toBe("[CLS] which number [SEP] four five six seven eight nine ten [SEP]");
    const logits = (length: number, peak: number) => Float32Array.from({ length }, (_, i) => (i === peak ? 9 : 0));
    const outputs = plan.sequences.map(({ inputIds: { length } }, i) =>
      output("qa", { startLogits: logits(length, i === 0 ? 5 : -1), endLogits: logits(length, i === 0 ? 6 : -1) }),
    );
    const best = plan.answer(outputs).answers[0]!;
    expect(best.text).toBe("one \ud83d\ude00two");
    expect([best.start, best.end, best.window]).toEqual([6, 15, 0]);
    const inUnit = (offsetUnit: "code-point" | "utf-8") => {
      const other = planQuestionAnswering({ question: "which number", context, docStride: 4, offsetUnit }, v1);
      const { start, end } = other.answer(outputs).answers[0]!;
      return [start, end];
    };
    expect(inUnit("code-point")).toEqual([6, 14]);
    expect(inUnit("utf-8")).toEqual([6, 17]);
  });

  it("says no answer when the lowest null score reaches the threshold, and still gives the best guess", () => {
    const plan = planQuestionAnswering({ question: "q", context: "a b" }, v2);
    expect(Array.from(plan.sequences[0]!.answerMask!)).toEqual([0, 1, 1, 0, 0, 1]);
    const scored = (nullScore: number) =>
      plan.answer([
        output("qa", {
          startLogProbs: Float32Array.of(-1, -2),
          startIndexes: Int32Array.of(3, 0),
          endLogProbs: Float32Array.of(-1, -2, -1, -2),
          endIndexes: Int32Array.of(4, 3, 0, 1),
          answerabilityLogit: Float32Array.of(nullScore),
        }),
      ]);
    expect(scored(-1.5)).toMatchObject({ noAnswer: false, nullScore: -1.5, nullThreshold: -1 });
    expect(scored(-1)).toMatchObject({ noAnswer: true, answers: [{ text: "a b" }] });
  });

  it("finds a span by exhaustive search where the official candidates hold none", () => {
    const request = { question: "one two three four", context: "a b c", maxAnswerTokens: 1 };
    const length = 10;
    const spread = Float32Array.from({ length }, (_, i) => (i >= 6 && i < 9 ? -5 + i : 5));
    const many = { startLogits: spread, endLogits: spread };
    const exhaustive = planQuestionAnswering({ ...request, search: "exhaustive", nBest: 3 }, v1);
    expect(exhaustive.answer([output("qa", many)]).answers.map(({ text }) => text)).toEqual(["c", "b", "a"]);
  });

  it("refuses a document that needs more windows than allowed, and bad options", () => {
    const limits = { maxCharacters: 1000, maxWindows: 1 };
    expect(failure(() => planQuestionAnswering({ question: "q", context }, v1, limits)).reason).toBe("INPUT_TOO_LONG");
    const wrong = { question: "", context: " ", nBest: 101, maxAnswerTokens: 0, docStride: 0, nullThreshold: 1 };
    expect(fields(() => planQuestionAnswering(wrong, v1))).toEqual([
      "question",
      "context",
      "doc_stride",
      "n_best",
      "max_answer_tokens",
      "null_threshold",
    ]);
  });
});

describe("multiple choice", () => {
  const model = toyModel([{ name: "choice", kind: "multiple-choice" }]);

  it("puts each choice into the gap, or after the question", () => {
    const gap = planMultipleChoice({ question: "He _ home .", context: "story", choices: ["$& went", "ran"] }, model);
    expect(gap.sequences.map((sequence) => piecesOf(model, sequence))).toEqual([
      "[CLS] story [SEP] He $& went home . [SEP]",
      "[CLS] story [SEP] He ran home . [SEP]",
    ]);
    const after = planMultipleChoice({ question: "Who ?", choices: ["he", "she"] }, model);
    expect(piecesOf(model, after.sequences[1])).toBe("[CLS] [SEP] Who ? she [SEP]");
    const answer = gap.answer([2, 3].map((logit) => output("choice", { logits: Float32Array.of(logit) })));
    expect(answer.best).toBe(1);
    expect(answer.choices[1]!.probability).toBeCloseTo(1 / (1 + Math.exp(-1)), 12);
  });

  it("keeps the end of the question and the beginning of the context", () => {
    const plan = planMultipleChoice(
      { question: "1 2 3 4 5 6 7", context: "a b c d e f g h i j", choices: ["x", "y z"] },
      model,
    );
    expect(plan.sequences.map((sequence) => piecesOf(model, sequence))).toEqual([
      "[CLS] a b c d e f g [SEP] 3 4 5 6 7 x [SEP]",
      "[CLS] a b c d e f g [SEP] 4 5 6 7 y z [SEP]",
    ]);
  });

  it("takes 2 to 64 choices, none empty", () => {
    const ask = (choices: string[]) => () => planMultipleChoice({ question: "q", choices }, model);
    expect(fields(ask(["only"]))).toEqual(["choices"]);
    expect(fields(ask(Array.from({ length: 65 }, () => "x")))).toEqual(["choices"]);
    expect(fields(ask(["a", "", "b", " "]))).toEqual(["choices[1]", "choices[3]"]);
    expect(ask(Array.from({ length: 64 }, () => "x"))().sequences).toHaveLength(64);
  });
});

describe("masks, vectors and tokens", () => {
  const model = toyModel([{ name: "mlm", kind: "masked-lm" }, sentiment, { name: "order", kind: "sentence-order" }]);

  it("guesses each mask of the text and says where it stands", () => {
    const plan = planFillMask({ text: "a [MASK] b[MASK]", topK: 2 }, model);
    expect(piecesOf(model, plan.sequences[0])).toBe("[CLS] a [MASK] b [MASK] [SEP]");
    expect(Array.from(plan.sequences[0]!.maskedPositions!)).toEqual([2, 4]);
    const logits = Float32Array.from({ length: 2 * 7 }, (_, i) => (i === 5 || i === 13 ? 3 : 0));
    const { masks } = plan.answer([output("mlm", { logits })]);
    expect(masks.map(({ start, end }) => [start, end])).toEqual([
      [2, 8],
      [10, 16],
    ]);
    expect(masks.map(({ candidates }) => candidates[0]!.id)).toEqual([5, 6]);
    expect(masks[0]!.candidates).toHaveLength(2);
    expect(fields(() => planFillMask({ text: "no gap" }, model))).toEqual(["text"]);
  });

  it("pools the last layer as asked, and gives each token its vector and offsets", () => {
    const states = { values: Float32Array.of(1, 2, 3, 4, 5, 6) };
    const trunk = new Map([
      [POOLED_OUTPUT, { values: Float32Array.of(3, 4) }],
      [SEQUENCE_OUTPUT, states],
    ]);
    const encode = (options: object) => planEncoding({ text: " hi", ...options }, model).answer([trunk]);
    expect(Array.from(encode({ normalize: true }).embedding)).toEqual([0.6, 0.8].map(Math.fround));
    expect(Array.from(encode({ pooling: "mean" }).embedding)).toEqual([3, 4]);
    expect(Array.from(encode({ pooling: "cls" }).embedding)).toEqual([1, 2]);
    const { tokens, embedding } = encode({ pooling: "none", returnTokens: true });
    expect(embedding).toHaveLength(0);
    expect(tokens!.map(({ token }) => [token.piece, token.start, token.end, token.special])).toEqual([
      ["[CLS]", 0, 0, true],
      ["\u2581hi", 1, 3, false],
      ["[SEP]", 0, 0, true],
    ]);
    expect(Array.from(tokens![1]!.values)).toEqual([3, 4]);
    expect(fields(() => planEncoding({ text: "x", pooling: "none", head: "mlm" }, model))).toEqual([
      "options.head",
      "pooling",
    ]);
  });

  it("shows all tokens of a pair, and whether they fit", () => {
    const asked = { text: "a", textPair: "\u00e9 c", offsetUnit: "utf-8" } as const;
    const { page, fits, maxTokens } = tokenizeRequest(asked, model);
    const tokens = page(100);
    expect(tokens.map(({ piece, segment, end }) => `${piece}/${segment}/${end}`)).toEqual([
      "[CLS]/0/0",
      "\u2581a/0/1",
      "[SEP]/0/0",
      "\u2581\u00e9/1/2",
      "\u2581c/1/4",
      "[SEP]/1/0",
    ]);
    expect([fits, maxTokens]).toEqual([true, 16]);
    expect(tokenizeRequest({ text: "x ".repeat(20) }, model).fits).toBe(false);
  });

  it("gives the same answer for a long document, computed at once or in parts", () => {
    const spans = [
      { name: "span", kind: "span" },
      { name: "answer", kind: "span-answerability" },
    ] as const;
    const long = toyModel(spans, 24);
    const words = Array.from({ length: 900 }, (_, i) => `w${(i * i) % 37}`).join(" ");
    for (const { name, kind } of spans) {
      const plan = planQuestionAnswering({ head: name, question: "who is", context: words, nBest: 30 }, long);
      expect(plan.windows).toBeGreaterThan(64);
      const compute = (sequence: SequenceInput): SequenceOutput => {
        const scores = (salt: number) => Float32Array.from(sequence.inputIds, (id, i) => Math.sin(id * salt + i * i));
        if (kind === "span") return output(name, { startLogits: scores(3), endLogits: scores(5) });
        const indexes = (salt: number, count: number) =>
          Int32Array.from(
            { length: count },
            (_, i) => (sequence.inputIds[5]! * salt + 7 * i) % sequence.inputIds.length,
          );
        return output(name, {
          startLogProbs: scores(2).slice(0, 5),
          startIndexes: indexes(3, 5),
          endLogProbs: Float32Array.from({ length: 25 }, (_, i) => Math.cos(i * sequence.inputIds[6]!)),
          endIndexes: indexes(2, 25),
          answerabilityLogit: Float32Array.of(Math.sin(sequence.inputIds[4]! * 11)),
        });
      };
      const whole = plan.answer(plan.sequences.map(compute));
      const parts = plan.inParts!();
      expect(parts.lengths).toEqual(plan.sequences.map(({ inputIds }) => inputIds.length));
      const first = parts.take(7);
      const second = parts.take(5);
      parts.give(first.map(compute));
      parts.give(second.map(compute));
      for (let next = parts.take(40); next.length > 0; next = parts.take(40)) parts.give(next.map(compute));
      expect(parts.answer()).toEqual(whole);
      expect(whole.answers.length).toBeGreaterThan(1);
    }
  });

  it("looks at no more heads than the model has", () => {
    const heads = Array.from({ length: 100_000 }, () => ({ head: "order" }));
    expect(fields(() => planInference({ text: "a", textPair: "b", heads }, model))).toEqual(["heads", "heads[1].head"]);
  });

  it("asks several heads in one sequence", () => {
    const request = {
      text: "a [MASK]",
      textPair: "c d",
      heads: [{ head: "order" }, { head: "sentiment", topK: 1 }, { head: "mlm" }],
    };
    const plan = planInference({ ...request, returnPooled: true }, model);
    expect(plan.sequences).toHaveLength(1);
    expect(plan.sequences[0]!.outputs).toEqual(["order", "sentiment", "mlm", POOLED_OUTPUT]);
    const answer = plan.answer([
      new Map([
        ["order", { logits: Float32Array.of(0, 0) }],
        ["sentiment", { logits: Float32Array.of(3, 2, 1) }],
        ["mlm", { logits: Float32Array.of(0, 0, 0, 0, 0, 9) }],
        [POOLED_OUTPUT, { values: Float32Array.of(1) }],
      ]),
    ]);
    expect(answer.heads[0]).toEqual({ head: "order", kind: "sentence-order", inOrder: 0.5, swapped: 0.5 });
    expect(answer.heads[1]).toMatchObject({ classification: { labels: [{ label: "bad" }] } });
    expect(answer.heads[2]).toMatchObject({ filled: { masks: [{ start: 2, end: 8 }] } });
    expect(
      fields(() => planInference({ text: "x", heads: [{ head: "mlm" }, { head: "order", threshold: 1 }] }, model)),
    ).toEqual(["text", "heads[1].threshold", "text_pair"]);
  });
});
