import { describe, expect, it } from "vitest";
import { AlbertError } from "../../../src/errors.ts";
import type { ClassificationHead } from "../../../src/model/heads.ts";
import { entailmentLabels } from "../../../src/tasks/classification/entailment.ts";
import { planZeroShot, type ZeroShotRequest } from "../../../src/tasks/classification/zero-shot.ts";
import type { TaskModel } from "../../../src/tasks/plan.ts";
import { modelTests, textsOf } from "../../../src/tasks/task-request.ts";
import { output, piecesOf, toyModel } from "../../support/models/toy-model.ts";

function head(
  labels: readonly string[],
  name = "nli",
  problemType: ClassificationHead["problemType"] = "single-label",
) {
  return { kind: "classification", name, problemType, labels } as const;
}

const MNLI = ["contradiction", "entailment", "neutral"];
const nli = toyModel([head(MNLI)]);

function failure(call: () => unknown): AlbertError {
  try {
    call();
  } catch (error) {
    if (error instanceof AlbertError) return error;
    throw error;
  }
  throw new Error("expected an AlbertError");
}

const ask = (request: Partial<ZeroShotRequest>, model: TaskModel = nli) =>
  planZeroShot({ text: "the keeper saved", candidateLabels: ["sport", "law"], ...request }, model);

/** The answer to these logits, a row for each label. */
function answerTo(rows: readonly (readonly number[])[], request: Partial<ZeroShotRequest>, model = nli) {
  const answer = ask(request, model).answer(rows.map((row) => output("nli", { logits: Float32Array.from(row) })));
  if (answer.kind === "regression") throw new Error("a regression");
  return {
    kind: answer.kind,
    scores: Object.fromEntries(answer.labels.map((one) => [one.label, one.probability])),
    answer,
  };
}

describe("zero-shot classification", () => {
  it("asks for each label whether the hypothesis that it makes follows from the text", () => {
    const plan = ask({ hypothesisTemplate: "it is {label} or {label}" });
    expect(plan.sequences.map((sequence) => piecesOf(nli, sequence))).toEqual([
      "[CLS] the keeper saved [SEP] it is sport or sport [SEP]",
      "[CLS] the keeper saved [SEP] it is law or law [SEP]",
    ]);
    expect([...plan.sequences[0]!.tokenTypeIds]).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
    expect([plan.tokens, plan.truncated, plan.windows]).toEqual([22, false, 1]);
    expect(piecesOf(nli, ask({}).sequences[0])).toBe("[CLS] the keeper saved [SEP] This text is about sport. [SEP]");
    expect(piecesOf(nli, ask({ candidateLabels: ["$&", "b"] }).sequences[0])).toContain("about $&. [SEP]");
  });

  it("scores one true label by the softmax of the entailment logits", () => {
    const { kind, scores, answer } = answerTo(
      [
        [5, 1, -3],
        [-9, 2, 8],
      ],
      {},
    );
    expect(kind).toBe("single-label");
    expect(scores).toEqual({ sport: 1 / (1 + Math.E), law: 1 / (1 + Math.exp(-1)) });
    expect(answer.labels.map(({ label, logit }) => [label, logit])).toEqual([
      ["law", 2],
      ["sport", 1],
    ]);
    expect(
      answerTo(
        [
          [5, 1, -3],
          [-9, 2, 8],
        ],
        { topK: 1 },
      ).scores,
    ).toEqual({ law: 1 / (1 + Math.exp(-1)) });
  });

  it("scores labels by themselves by entailment against contradiction, and a single label always so", () => {
    const rows = [
      [5, 1, -3],
      [-9, 2, 80],
    ];
    const several = answerTo(rows, { multiLabel: true });
    expect(several.kind).toBe("multi-label");
    expect(several.scores["sport"]).toBeCloseTo(1 / (1 + Math.exp(4)), 12);
    expect(several.scores["law"]).toBeCloseTo(1 / (1 + Math.exp(-11)), 12);
    expect(answerTo(rows, { multiLabel: true, threshold: 0.5 }).scores).toEqual({ law: several.scores["law"] });
    const one = answerTo([[5, 1, -3]], { candidateLabels: ["sport"] });
    expect(one).toMatchObject({ kind: "multi-label", scores: { sport: several.scores["sport"] } });
  });

  it("computes as transformers' pipeline does, for the labels of an MNLI checkpoint", () => {
    // postprocess of ZeroShotClassificationPipeline: exp over its sum, of column -1, or of columns 0 and -1.
    const rows = [
      [-1.25, 0.5, 2.75],
      [0.75, 1.5, -0.5],
      [2, -1, 0.25],
    ];
    const candidateLabels = ["a", "b", "c"];
    const model = toyModel([head(["contradiction", "neutral", "entailment"])]);
    const shares = (values: number[]) =>
      values.map((value) => Math.exp(value) / values.reduce((sum, other) => sum + Math.exp(other), 0));
    const single = answerTo(rows, { candidateLabels }, model).scores;
    const multi = answerTo(rows, { candidateLabels, multiLabel: true }, model).scores;
    for (const [i, label] of candidateLabels.entries()) {
      expect(single[label]).toBeCloseTo(shares([2.75, -0.5, 0.25])[i]!, 12);
      const [against, , inFavour] = rows[i]!;
      expect(multi[label]).toBeCloseTo(shares([against!, inFavour!])[1]!, 12);
    }
  });

  it("cuts the text, never a hypothesis, or says how much too long they are", () => {
    const long = {
      text: "1 2 3 4 5 6 7 8 9 10",
      hypothesisTemplate: "a b c d e f {label}",
      candidateLabels: ["x", "y z"],
    };
    const plan = ask(long);
    expect(plan.truncated).toBe(true);
    expect(plan.sequences.map((sequence) => piecesOf(nli, sequence))).toEqual([
      "[CLS] 1 2 3 4 5 6 [SEP] a b c d e f x [SEP]",
      "[CLS] 1 2 3 4 5 [SEP] a b c d e f y z [SEP]",
    ]);
    const error = failure(() => ask({ ...long, truncation: "error" }));
    expect([error.reason, error.metadata["tokens"], error.metadata["limit"]]).toEqual(["INPUT_TOO_LONG", "21", "16"]);
    const full = failure(() => ask({ ...long, hypothesisTemplate: "a b c d e f g h i j k l {label}" }));
    expect(full.violations).toEqual([
      {
        field: "candidate_labels[0]",
        description: expect.stringContaining("13 tokens, which leaves no room for the text in 16"),
      },
      { field: "candidate_labels[1]", description: expect.stringContaining("14 tokens") },
    ]);
  });

  it("finds entailment and contradiction by name, whatever the order and the case", () => {
    const found = (...labels: string[]) => entailmentLabels(head(labels));
    expect(found("entailment", "neutral", "contradiction")).toEqual({ entailment: 0, contradiction: 2 });
    expect(found("CONTRADICTION", "NEUTRAL", "ENTAILMENT")).toEqual({ entailment: 2, contradiction: 0 });
    expect(found("entailment", "not_entailment")).toEqual({ entailment: 0, contradiction: 1 });
    expect(found("Not-Entailment", "Entailment")).toEqual({ entailment: 1, contradiction: 0 });
    expect(found("entails", "other")).toEqual({ entailment: 0, contradiction: 1 });
    expect(found("neutral", "entailment", "unrelated")).toEqual({ entailment: 1, contradiction: undefined });
    expect(found("LABEL_0", "LABEL_1", "LABEL_2")).toBeUndefined();
    expect(found("not_entailment", "LABEL_1")).toBeUndefined();
    expect(entailmentLabels(head(["entailment", "b"], "nli", "multi-label"))).toBeUndefined();
    expect(entailmentLabels({ kind: "span", name: "entailment" })).toBeUndefined();
  });

  it("takes the one head that can judge, and says what to do where none can", () => {
    const sentiment = head(["bad", "good"], "sentiment");
    const both = toyModel([sentiment, head(MNLI)]);
    expect(ask({}, both).head).toBe("nli");
    const named = failure(() => ask({ head: "sentiment" }, both));
    expect([named.code, named.reason, named.metadata]).toEqual([
      "precondition",
      "ENTAILMENT_MISSING",
      { head: "sentiment", labels: "bad,good", available: "nli" },
    ]);
    expect(named.message).toContain("ask head nli");
    const nameless = failure(() => ask({}, toyModel([head(["LABEL_0", "LABEL_1", "LABEL_2"])])));
    expect([nameless.reason, nameless.metadata["labels"]]).toEqual(["ENTAILMENT_MISSING", "LABEL_0,LABEL_1,LABEL_2"]);
    expect(nameless.message).toContain("albert import --labels");
    expect(failure(() => ask({}, toyModel([sentiment, { ...sentiment, name: "b" }]))).reason).toBe(
      "ENTAILMENT_MISSING",
    );
    expect(failure(() => ask({}, toyModel([{ kind: "span", name: "qa" }]))).reason).toBe("HEAD_MISSING");
    expect(failure(() => ask({ head: "x" }, both)).reason).toBe("HEAD_MISSING");
    const oneSided = toyModel([head(["neutral", "entailment", "unrelated"])]);
    expect(ask({}, oneSided).head).toBe("nli");
    expect(failure(() => ask({ multiLabel: true }, oneSided)).message).toContain("no label named contradiction");
    expect(failure(() => ask({}, toyModel([head(MNLI, "a"), head(MNLI, "b")]))).violations[0]!.field).toBe(
      "options.head",
    );
  });

  it("reports every wrong field at once", () => {
    const fields = (request: Partial<ZeroShotRequest>) =>
      failure(() => ask(request)).violations.map(({ field }) => field);
    expect(
      fields({
        ...{ text: " ", textPair: "b", labels: ["neutral"], topK: 0, threshold: 0.5 },
        ...{ candidateLabels: ["a", "", "a"], hypothesisTemplate: "about {}", maxTokens: 99 },
      }),
    ).toEqual([
      ...["text", "text_pair", "labels", "top_k", "threshold", "hypothesis_template"],
      ...["candidate_labels[1]", "candidate_labels[2]", "options.max_tokens"],
    ]);
    expect(fields({ candidateLabels: Array.from({ length: 65 }, (_, i) => `${i}`) })).toEqual(["candidate_labels"]);
    expect(fields({ candidateLabels: ["x".repeat(256)] })).toEqual(["candidate_labels[0]"]);
    expect(fields({ multiLabel: true, threshold: 1.5 })).toEqual(["threshold"]);
    expect(ask({ candidateLabels: ["x".repeat(234)] }).sequences).toHaveLength(1);
  });

  it("suits models that judge hypotheses, as a lone text suits the others", () => {
    const heads = {
      nli: [head(MNLI)],
      sentiment: [head(["bad", "good"])],
      qa: [{ kind: "span", name: "qa" } as const],
    };
    const passed = (input: Parameters<typeof modelTests<"classify">>[0]["input"]) =>
      modelTests({ task: "classify", input }).map((test) =>
        Object.entries(heads).flatMap(([name, has]) => (test({ heads: has, manifest: {} }) ? [name] : [])),
      );
    expect(passed({ text: "a", candidateLabels: ["b"] })).toEqual([["nli"], ["nli", "sentiment"]]);
    expect(passed({ text: "a", candidateLabels: [] })).toEqual([["sentiment"], ["nli", "sentiment"]]);
    expect(passed({ text: "a", textPair: "b" })).toEqual([
      ["nli", "sentiment"],
      ["nli", "sentiment"],
    ]);
    expect(modelTests({ task: "infer", input: { text: "a", heads: [] } })).toEqual([]);
  });

  it("lets only texts be tokenized beforehand that are tokenized as they are", () => {
    const limits = { maxCharacters: 100, maxWindows: 1 };
    const input = { text: "a", labels: ["b"], candidateLabels: ["c"], hypothesisTemplate: "d {label}" };
    expect(textsOf({ task: "classify", input }, limits)).toEqual(["a"]);
    expect(textsOf({ task: "classify", input: { text: "a", textPair: "b" } }, limits)).toEqual(["a", "b"]);
  });
});
