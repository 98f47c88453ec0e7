import { describe, expect, it } from "vitest";
import type { ClassificationHead, Head } from "../../src/model/heads.ts";
import { makeReport } from "../../src/report/make-report.ts";
import type { ReportInput } from "../../src/report/report-input.ts";
import type { ClassificationExample, Example } from "../../src/tasks/datasets/examples.ts";
import { COSINE } from "../../src/tasks/evaluation/evaluate-similarity.ts";

const HEAD: ClassificationHead = {
  ...{ kind: "classification", name: "mood", problemType: "single-label", labels: ["down", "up"] },
};

interface Row {
  readonly text: string;
  readonly label?: ClassificationExample["label"];
  /** Of "up". */
  readonly up: number;
  readonly columns?: Record<string, string>;
}

function classified(rows: readonly Row[], more: Partial<ReportInput> = {}) {
  return makeReport({
    task: "classification",
    head: HEAD,
    examples: rows.map(({ text, label, columns }, i) => example(text, i, label, columns)),
    evaluation: {
      predictions: {
        kind: "classification",
        rows: rows.map(({ up }, i) => ({
          id: `row-${i}`,
          probabilities: [1 - up, up],
          predicted: up > 0.5 ? "up" : "down",
        })),
      },
    },
    ...more,
  });
}

function example(
  text: string,
  i: number,
  label?: ClassificationExample["label"],
  columns?: Record<string, string>,
): Example {
  return {
    ...{ kind: "classification", id: `row-${i}`, text, location: { file: "own.csv", line: i + 2, column: 1 } },
    ...(label === undefined ? {} : { label }),
    ...(columns === undefined ? {} : { columns }),
  } as const;
}

/** Sure and right, but for rows that are said otherwise. */
const SOUND = Array.from({ length: 40 }, (_, i): Row => {
  const isUp = i % 2 === 0;
  return { text: `text number ${i}`, label: isUp ? "up" : "down", up: isUp ? 0.97 : 0.03 };
});

describe("a report about labels", () => {
  it("lists the worst mistakes by loss, the least sure by margin, each with its place", async () => {
    const report = await classified([
      { text: "badly wrong", label: "up", up: 0.01 },
      { text: "wrong", label: "down", up: 0.7 },
      { text: "hardly right", label: "up", up: 0.51 },
      ...SOUND,
    ]);
    expect(report.worst.map(({ text }) => text)).toEqual(["badly wrong", "wrong"]);
    expect(report.worst[0]).toMatchObject({ place: "own.csv:2", right: "up", predicted: "down", confidence: 0.99 });
    expect(report.worst[0]!.loss).toBeCloseTo(-Math.log(0.01), 9);
    expect(report.leastSure.slice(0, 2).map(({ text }) => text)).toEqual(["hardly right", "wrong"]);
  });

  it("suspects a label that the model is sure is another, and not one of which it is unsure", async () => {
    const report = await classified([
      { text: "mislabelled", label: "up", up: 0.02 },
      { text: "unsure", label: "up", up: 0.45 },
      ...SOUND,
    ]);
    expect(report.labelErrors!.list.map(({ text }) => text)).toEqual(["mislabelled"]);
    expect(report.findings.join("\n")).toMatch(/1 label looks wrong/);
  });

  it("leaves out rows without a label, and counts them", async () => {
    const report = await classified([{ text: "unknown", up: 0.5 }, ...SOUND]);
    expect(report.data).toEqual({ examples: 41, judged: 40 });
    expect(report.leastSure.map(({ text }) => text)).not.toContain("unknown");
    const nothing = await classified([{ text: "unknown", up: 0.5 }]);
    expect(nothing).toMatchObject({ figures: [], findings: ["no example has a right answer to compare with"] });
  });

  it("groups rows by length, label and any column, and says where it is weak", async () => {
    const rows = SOUND.flatMap((row, i): Row[] => [
      { ...row, columns: { channel: "mail" } },
      { ...row, text: `${"long ".repeat(40)}${i}`, up: 1 - row.up, columns: { channel: "chat", empty: "" } },
    ]);
    const { slices, findings } = await classified(rows);
    const table = (name: string) =>
      slices.find((one) => one.name === name)?.slices.map(({ value, rows: count, score }) => [value, count, score]);
    expect(table("words")).toEqual([
      ["0-8", 40, 1],
      ["33-64", 40, 0],
    ]);
    expect(table("channel")).toEqual([
      ["chat", 40, 0],
      ["mail", 40, 1],
    ]);
    expect(table("label")).toEqual([
      ["down", 40, 0.5],
      ["up", 40, 0.5],
    ]);
    expect(slices.map(({ name }) => name)).not.toContain("empty");
    expect(findings).toContainEqual("where channel is chat, accuracy is 0.0 % (40 examples), over all 50.0 %");
    // Wilson's interval of 40 of 40.
    expect(slices.find(({ name }) => name === "channel")!.slices[1]!.low).toBeCloseTo(0.9124, 4);
  });

  it("puts columns of many numbers into quarters, and rare names together", async () => {
    const rows = Array.from({ length: 100 }, (_, i): Row => {
      return { ...SOUND[i % 40]!, columns: { price: String(i), customer: i < 60 ? `c${i % 19}` : `x${i}` } };
    });
    const { slices } = await classified(rows);
    const table = (name: string) => slices.find((one) => one.name === name)!.slices;
    expect(table("price").map(({ value, rows: count }) => [value, count])).toEqual([
      ["0 to 24", 25],
      ["24 to 49", 25],
      ["49 to 74", 25],
      ["74 to 99", 25],
    ]);
    expect(table("customer")).toHaveLength(21);
    expect(table("customer").at(-1)).toMatchObject({ value: "(others)", rows: 39 });
  });

  it("finds texts that the model was trained on, whatever their case and punctuation, and what they are worth", async () => {
    const training = [
      example("Text  number 0!", 7, "up"),
      example("TEXT NUMBER 1", 8, "up"),
      example("another", 9, "up"),
      example("...", 10, "up"),
    ];
    const rows = [...SOUND, { text: "new and wrong", label: "up", up: 0.1 }, { text: "!!!", label: "up", up: 0.9 }];
    const { duplicates, findings } = await classified(rows, { training });
    expect(duplicates).toMatchObject({ trainingExamples: 4, rows: 2, conflicting: 1 });
    expect(duplicates!.list.map(({ text, trainingPlace }) => [text, trainingPlace])).toEqual([
      ["text number 1", "own.csv:10"],
      ["text number 0", "own.csv:9"],
    ]);
    expect(duplicates!.scoreWithout).toBeCloseTo(39 / 40, 9);
    expect(findings[0]).toMatch(/^2 of 42 examples are in the training data too, 1 of them with another answer there/);
  });

  it("is the same for the same answers, and survives JSON", async () => {
    const report = await classified(SOUND);
    expect(await classified(SOUND)).toEqual(report);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    expect(report.findings).toEqual([]);
  });

  it("says when probabilities mislead", async () => {
    const rows = Array.from(
      { length: 200 },
      (_, i): Row => ({ text: `t ${i}`, label: i % 4 ? "up" : "down", up: 0.99 }),
    );
    const { findings, coverage, figures } = await classified(rows);
    expect(findings.join("\n")).toMatch(
      /answers are surer than they are right \(mean probability 99\.0 %, right 75\.0 %\)/,
    );
    expect(coverage!.at(-1)).toEqual({ confidence: 0.99, rows: 200, share: 1, accuracy: 0.75 });
    const accuracy = figures.find(({ name }) => name === "eval_accuracy")!;
    expect(accuracy.low).toBeGreaterThan(0.66);
    expect(accuracy.high).toBeLessThan(0.84);
    expect(accuracy.low).toBeLessThan(0.72);
    expect(accuracy.high).toBeGreaterThan(0.78);
  });

  it("knows official names of labels that the head calls otherwise", async () => {
    const rows: Row[] = [
      { text: "a", label: "1", up: 0.9 },
      { text: "b", label: "0", up: 0.8 },
    ];
    const { confusion } = await classified(rows, { task: "sst-2" });
    expect(confusion).toEqual({
      labels: ["down", "up"],
      cells: [
        [0, 1, 1],
        [1, 1, 1],
      ],
    });
  });
});

describe("a report about questions", () => {
  const question = (i: number, text: string, answers: readonly string[]): Example => ({
    ...{ kind: "question", id: `q${i}`, question: text, context: "the red house and the dog", document: "d" },
    answers: answers.map((answer) => ({ text: answer, answerStart: 0 })),
    isImpossible: answers.length === 0,
    location: { file: "q.json", line: 1, column: 1 },
  });
  const prediction = (i: number, text: string, nullScore: number, probability = 0.8) => ({
    ...{ id: `q${i}`, nullScore },
    nBest: [{ text, probability, start_log_prob: 0, end_log_prob: 0 }],
  });
  const head: Head = { kind: "span-answerability", name: "answer" };

  it("has exact match and F1 by question word and answer length, and how well it knows that there is none", async () => {
    const report = await makeReport({
      ...{ task: "squad-v2", head },
      examples: [
        question(0, "Who barks?", ["the dog"]),
        question(1, "In what colour is it?", ["red"]),
        question(2, "Where is the cat", []),
        question(3, "Where is the cow", []),
        question(4, "name the animal", ["dog"]),
      ],
      evaluation: {
        predictions: {
          kind: "questions",
          nullThreshold: 0,
          rows: [
            prediction(0, "dog", -1),
            prediction(1, "red house", -2, 0.9),
            prediction(2, "dog", 3),
            prediction(3, "dog", -3),
            prediction(4, "dog", 2),
          ],
        },
      },
    });
    expect(report.nullAnswers).toEqual({ precision: 0.5, recall: 0.5, f1: 0.5, actual: 2, predicted: 2 });
    const value = Object.fromEntries(report.figures.map((figure) => [figure.name, figure.value]));
    expect(value["exact"]).toBeCloseTo(2 / 5, 9);
    expect(value["f1"]).toBeCloseTo((1 + 2 / 3 + 1 + 0 + 0) / 5, 9);
    expect(value["HasAns_exact"]).toBeCloseTo(1 / 3, 9);
    expect(value["NoAns_exact"]).toBe(0.5);
    const table = (name: string) =>
      report.slices.find((one) => one.name === name)!.slices.map(({ value: own, rows, exact }) => [own, rows, exact]);
    expect(table("question word")).toEqual([
      ["other", 1, 0],
      ["what", 1, 0],
      ["where", 2, 0.5],
      ["who", 1, 1],
    ]);
    expect(table("answer words")).toEqual([
      ["0 (no answer)", 2, 0.5],
      ["1", 2, 0],
      ["2", 1, 1],
    ]);
    expect(report.worst[0]).toMatchObject({ id: "q3", right: "(no answer)", predicted: "dog" });
    expect(report.leastSure[0]!.id).toBe("q0");
  });

  it("has no word of missing answers where the head always answers", async () => {
    const { nullAnswers, figures } = await makeReport({
      ...{ task: "squad-v1", head: { kind: "span", name: "span" } },
      examples: [question(0, "who", ["dog"])],
      evaluation: { predictions: { kind: "questions", nullThreshold: null, rows: [prediction(0, "dog", 0)] } },
    });
    expect(nullAnswers).toBeUndefined();
    expect(figures.map(({ name, value }) => [name, value])).toEqual([
      ["f1", 1],
      ["exact_match", 1],
    ]);
  });
});

describe("a report about choices", () => {
  it("groups questions by their number of options, their level and the place of the right one", async () => {
    const choice = (i: number, options: number, answer: number, level: string): Example => ({
      ...{ kind: "choice", id: `c${i}`, question: "q", context: "c", document: "d", answer, level },
      choices: Array.from({ length: options }, (_, k) => `option ${k}`),
      location: { file: "c.txt", line: i + 1, column: 1 },
    });
    const report = await makeReport({
      ...{ task: "race", head: { kind: "multiple-choice", name: "choice" } },
      examples: [choice(0, 2, 0, "middle"), choice(1, 4, 3, "high"), choice(2, 4, 1, "high")],
      evaluation: {
        predictions: {
          kind: "choices",
          rows: [
            { id: "c0", probabilities: [0.9, 0.1], predicted: 0 },
            { id: "c1", probabilities: [0.1, 0.1, 0.1, 0.7], predicted: 3 },
            { id: "c2", probabilities: [0.6, 0.2, 0.1, 0.1], predicted: 0 },
          ],
        },
      },
    });
    const table = (name: string) =>
      report.slices.find((one) => one.name === name)!.slices.map(({ value, rows, score }) => [value, rows, score]);
    expect(table("number of options")).toEqual([
      ["2", 1, 1],
      ["4", 2, 0.5],
    ]);
    expect(table("level")).toEqual([
      ["high", 2, 0.5],
      ["middle", 1, 1],
    ]);
    expect(report.worst).toMatchObject([{ id: "c2", right: "B: option 1", predicted: "A: option 0" }]);
    expect(report.figures[0]!.value).toBeCloseTo(2 / 3, 9);
  });
});

describe("a report about values", () => {
  const values = (golds: readonly number[], predicted: readonly number[], head: Head) =>
    makeReport({
      ...{ task: "sts-b", head },
      examples: golds.map((gold, i) => example(`text ${i}`, i, gold)),
      evaluation: {
        predictions: {
          kind: "classification",
          rows: predicted.map((value, i) => ({ id: `row-${i}`, probabilities: [value], predicted: value })),
        },
      },
    });

  it("lists the largest distances from the right value", async () => {
    const head: Head = { ...HEAD, problemType: "regression", labels: ["score"] };
    const report = await values([1, 2, 3, 4], [1, 2.5, 3, 2], head);
    expect(report.worst.map(({ text, right, predicted }) => [text, right, predicted])).toEqual([
      ["text 3", "4", "2"],
      ["text 1", "2", "2.5"],
    ]);
    expect(report.residuals!.histogram.reduce((sum, { rows }) => sum + rows, 0)).toBe(4);
    expect(report.residuals!.mean).toBeCloseTo((0.5 - 2) / 4, 9);
  });

  it("has no errors where the values are on another scale than the right ones, and correlations alone", async () => {
    const { kind, figures, residuals } = await values([1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4], COSINE);
    expect(kind).toBe("similarity");
    expect(figures.map(({ name, value }) => [name, value])).toEqual([
      ["pearson", expect.closeTo(1, 9)],
      ["spearman", expect.closeTo(1, 9)],
    ]);
    expect(residuals!.standardDeviation).toBeCloseTo(0, 9);
  });
});
