import { describe, expect, it } from "vitest";
import { planReadPassages } from "../../../src/tasks/question-answering/read-passages.ts";
import { output, piecesOf, toyModel } from "../../support/models/toy-model.ts";

const model = toyModel([{ kind: "span", name: "span" }]);

/** Logits that point at one position of a sequence. */
const pointing = (length: number, position: number, score: number) =>
  output("span", {
    startLogits: Float32Array.from({ length }, (_, i) => (i === position ? score : -9)),
    endLogits: Float32Array.from({ length }, (_, i) => (i === position ? score : -9)),
  });

describe("reading passages", () => {
  it("asks each by itself, in one plan, and gives their answers in order", () => {
    const plan = planReadPassages({ question: "who sat", passages: ["the cat", "a dog sat"] }, model);
    expect(plan.sequences.map((sequence) => piecesOf(model, sequence))).toEqual([
      "[CLS] who sat [SEP] the cat [SEP]",
      "[CLS] who sat [SEP] a dog sat [SEP]",
    ]);
    const answers = plan.answer([pointing(7, 5, 3), pointing(8, 5, 2)]);
    expect(answers.map(({ answers: [best] }) => best)).toMatchObject([
      { text: "cat", start: 4, end: 7, startScore: 3 },
      { text: "dog", start: 2, end: 5, startScore: 2 },
    ]);
    expect(plan).toMatchObject({ windows: 2, tokens: 15, head: "span" });
  });

  it("gives each passage the outputs of its own windows", () => {
    const long = "b c d e f g h i j k l m n o p";
    const plan = planReadPassages({ question: "q", passages: ["a", long, "z"] }, model);
    expect(plan.sequences.length).toBeGreaterThan(3);
    const outputs = plan.sequences.map(({ inputIds }, i) => pointing(inputIds.length, 3, i));
    const answers = plan.answer(outputs);
    expect(answers[0]!.answers[0]!.text).toBe("a");
    expect(answers[2]!.answers[0]).toMatchObject({ text: "z", startScore: plan.sequences.length - 1 });
  });

  it("reads many passages part by part, with the answers that the whole would give", () => {
    const passages = Array.from({ length: 20 }, (_, i) => (i % 3 === 1 ? "b c d e f g h i j k l m n o p" : "a z"));
    const plan = planReadPassages({ question: "q", passages }, model);
    const outputs = plan.sequences.map(({ inputIds }, i) => pointing(inputIds.length, 3 + (i % 2), i));
    const parts = plan.inParts!();
    expect(parts.lengths).toEqual(plan.sequences.map(({ inputIds }) => inputIds.length));
    const taken = [parts.take(3), parts.take(plan.sequences.length)].flat();
    expect(taken).toEqual(plan.sequences);
    for (let at = 0; at < outputs.length; at += 4) parts.give(outputs.slice(at, at + 4));
    expect(parts.answer()).toEqual(plan.answer(outputs));
    expect(planReadPassages({ question: "q", passages: ["a", "b"] }, model).inParts).toBeUndefined();
  });

  it("has no answer in a passage without a piece", () => {
    const words = toyModel([{ kind: "span", name: "span" }]);
    const tokenizer = {
      ...words.tokenizer,
      tokenize: (text: string) => words.tokenizer.tokenize(text.replace("~", "")),
    };
    const plan = planReadPassages({ question: "q", passages: ["~", "a"] }, { ...words, tokenizer });
    expect(plan.sequences).toHaveLength(1);
    expect(plan.answer([pointing(5, 3, 1)])[0]).toEqual({ answers: [], noAnswer: true });
  });

  it("names every wrong field", () => {
    const wrong = () => planReadPassages({ question: "", passages: ["a", " "], nBest: 0 }, model);
    expect(wrong).toThrow(/question: must not be empty; passages\[1\]: .*n_best: must be/);
    expect(() => planReadPassages({ question: "q", passages: [] }, model)).toThrow(/passages: must not be empty/);
  });
});
