import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openChannel } from "../../src/client/channel.ts";
import { serviceClient } from "../../src/client/service-client.ts";
import {
  type ClassifyRequestSchema,
  InferenceService,
  ProblemType,
  TruncationPolicy,
} from "../../src/gen/albert/v1/inference_pb.js";
import { GRPCInferenceService, InferParameterSchema } from "../../src/gen/inference/open_inference_pb.js";
import type { Head } from "../../src/model/heads.ts";
import { openEngine } from "../../src/runtime/packed-engine.ts";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { encoded, rawFailure } from "../support/raw-call.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";

type Request = MessageInitShape<typeof ClassifyRequestSchema>;

const INFERENCE: Head = {
  ...{ kind: "classification", name: "inference", problemType: "single-label" },
  labels: ["entailment", "neutral", "contradiction"],
};
const SENTIMENT: Head = { ...INFERENCE, name: "sentiment", labels: ["negative", "positive"] };

const TEXT = "the keeper saved two goals";
const LABELS = ["sport", "law", "the sea"];

describe("labels of the request's own", () => {
  let server: RunningServer;

  beforeAll(async () => {
    server = await runServer({
      models: [
        { name: "inference", directory: await writeTinyModel([INFERENCE], 3) },
        { name: "sentiment", directory: await writeTinyModel([SENTIMENT], 4) },
      ],
      openEngine: (model) => openEngine(model, { threads: 1, calibrationMs: 0 }),
    });
  });
  afterAll(() => server.close());

  const classify = (request: Request) => server.client.classify({ text: TEXT, returnLogits: true, ...request });
  const failure = async (request: Request) => {
    const { method } = InferenceService;
    const failed = await rawFailure(
      server.address,
      method.classify,
      encoded(method.classify, { text: TEXT, ...request }),
    );
    if (failed === undefined) throw new Error("nothing was refused");
    return failed;
  };
  /** Logits of each label by a call of its own, as entailment and contradiction of its hypothesis. */
  const pairCalls = (template = "This text is about {label}.") =>
    Promise.all(
      LABELS.map(async (label) => {
        const textPair = template.replaceAll("{label}", label);
        const { labels, meta } = await classify({ textPair, options: { model: "inference" } });
        const logit = (name: string) => labels.find((one) => one.label === name)!.logit!;
        return { label, entailment: logit("entailment"), contradiction: logit("contradiction"), tokens: meta!.tokens };
      }),
    );
  /** Labels by name, as one of their numbers. */
  const byLabel = <L extends { readonly label: string }>(labels: readonly L[], of: (label: L) => number | undefined) =>
    Object.fromEntries(labels.map((one) => [one.label, of(one)]));

  it("are scored by the entailment logits of a pair call for each, by the model that can, where none is named", async () => {
    const [own, pairs] = await Promise.all([classify({ candidateLabels: LABELS }), pairCalls()]);
    expect(own.meta).toMatchObject({ model: "inference", head: "inference", windows: 1, truncated: false });
    expect(own.meta!.tokens).toBe(pairs.reduce((sum, { tokens }) => sum + tokens, 0));
    expect(own.problemType).toBe(ProblemType.SINGLE_LABEL);
    expect(byLabel(own.labels, ({ logit }) => logit)).toEqual(byLabel(pairs, ({ entailment }) => entailment));
    const total = pairs.reduce((sum, { entailment }) => sum + Math.exp(entailment), 0);
    for (const { label, entailment } of pairs) {
      expect(own.labels.find((one) => one.label === label)!.score).toBeCloseTo(Math.exp(entailment) / total, 12);
    }
    const scores = own.labels.map(({ score }) => score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
  });

  it("are scored by themselves, entailment against contradiction, where several may be true", async () => {
    const hypothesisTemplate = "it is on {label}";
    const [own, pairs] = await Promise.all([
      classify({ candidateLabels: LABELS, multiLabel: true, hypothesisTemplate }),
      pairCalls(hypothesisTemplate),
    ]);
    expect(own.problemType).toBe(ProblemType.MULTI_LABEL);
    expect(own.labels).toHaveLength(3); // no threshold unless one is given
    for (const { label, entailment, contradiction } of pairs) {
      const { logit, score } = own.labels.find((one) => one.label === label)!;
      expect(logit).toBe(entailment - contradiction);
      expect(score).toBeCloseTo(1 / (1 + Math.exp(contradiction - entailment)), 12);
    }
    const [first] = own.labels;
    const one = await classify({ candidateLabels: [first!.label], hypothesisTemplate });
    expect([one.problemType, one.labels]).toEqual([ProblemType.MULTI_LABEL, [first]]);
    const threshold = first!.score;
    const reached = await classify({ candidateLabels: LABELS, multiLabel: true, hypothesisTemplate, threshold });
    expect(reached.labels).toEqual([first]);
  });

  it("leave texts without them, and without a second one, to other models", async () => {
    expect((await classify({})).meta!.model).toBe("sentiment");
    expect((await classify({ textPair: "a goal" })).meta!.model).toBe("inference");
    const { models } = await server.client.listModels({});
    expect(models.map(({ name, heads }) => [name, heads[0]!.takesCandidateLabels])).toEqual([
      ["inference", true],
      ["sentiment", false],
    ]);
  });

  it("come in batches and streams too", async () => {
    const request = { text: TEXT, candidateLabels: LABELS };
    const { results } = await server.client.batchInfer({ items: [{ request: { case: "classify", value: request } }] });
    const { labels } = await server.client.classify(request);
    expect(results[0]!.outcome).toMatchObject({ case: "classify", value: { labels } });
  });

  it("cut the text where it is too long, and only where that is allowed", async () => {
    const long = { text: "goal ".repeat(100), candidateLabels: LABELS };
    expect((await failure(long)).reason).toBe("INPUT_TOO_LONG");
    const cut = await classify({ ...long, options: { truncation: TruncationPolicy.TRUNCATE } });
    expect(cut.meta).toMatchObject({ truncated: true, tokens: 3 * 64 });
  });

  it("are refused by a head without an entailment label, which says what to do", async () => {
    const failed = await failure({ candidateLabels: LABELS, options: { model: "sentiment" } });
    expect([failed.status, failed.reason]).toEqual(["FAILED_PRECONDITION", "ENTAILMENT_MISSING"]);
    expect(failed.message).toContain("with the labels negative, positive");
    expect(failed.message).toContain("albert import --labels");
  });

  it("are refused where they are too many, empty, twice there, or without their place", async () => {
    const violations = async (request: Request) =>
      (await failure(request)).violations.map((line) => line.split(":")[0]);
    const many = Array.from({ length: 65 }, (_, i) => `label ${i}`);
    expect(new Set(await violations({ candidateLabels: many }))).toEqual(new Set(["candidate_labels"]));
    expect(await violations({ candidateLabels: ["a", " ", "a"] })).toEqual([
      "candidate_labels[1]",
      "candidate_labels[2]",
    ]);
    expect(await violations({ candidateLabels: ["a"], hypothesisTemplate: "of {}" })).toEqual(["hypothesis_template"]);
    expect(await violations({ hypothesisTemplate: "of {label}", multiLabel: true })).toEqual([
      "hypothesis_template",
      "multi_label",
    ]);
    expect(await violations({ candidateLabels: ["a", "b"], threshold: 0.5, textPair: "b" })).toEqual([
      "text_pair",
      "threshold",
    ]);
  });

  it("are bounded by the server's own setting, before any work", async () => {
    const narrow = await runServer({
      models: [{ name: "inference", directory: await writeTinyModel([INFERENCE], 3) }],
      config: { inputs: { maxChoices: 2 } },
    });
    try {
      const { method } = InferenceService;
      const request = { text: TEXT, candidateLabels: LABELS };
      const failed = await rawFailure(narrow.address, method.classify, encoded(method.classify, request));
      expect(failed!.violations).toEqual(["candidate_labels: must hold at most 2 labels, got 3"]);
    } finally {
      await narrow.close();
    }
  });

  describe("over the Open Inference Protocol", () => {
    const rows = [TEXT, "the court"];
    const own = async (request: Request) =>
      (await Promise.all(rows.map((text) => classify({ ...request, text })))).map(({ labels }) => labels);

    it("come as a parameter, separated by commas or as a JSON list", async () => {
      const { channel } = openChannel(server.address, [GRPCInferenceService], { maxAttempts: 1 });
      const open = serviceClient(GRPCInferenceService, channel, { deadlineMs: 10_000, headers: {} });
      const word = (value: string) => create(InferParameterSchema, { parameterChoice: { case: "stringParam", value } });
      const flag = create(InferParameterSchema, { parameterChoice: { case: "boolParam", value: true } });
      const contents = { bytesContents: rows.map((text) => new TextEncoder().encode(text)) };
      const inputs = [{ name: "text", datatype: "BYTES", shape: [2n], contents }];
      const ask = (parameters: Record<string, ReturnType<typeof word>>) =>
        open.modelInfer({ modelName: "inference", inputs, parameters });
      try {
        const { outputs } = await ask({
          ...{
            candidate_labels: word("sport, law,the sea"),
            hypothesis_template: word("on {label}"),
            multi_label: flag,
          },
        });
        const expected = await own({ candidateLabels: LABELS, hypothesisTemplate: "on {label}", multiLabel: true });
        const [labels, probabilities] = outputs;
        expect(labels!.shape).toEqual([2n, 3n]);
        expect(labels!.contents!.bytesContents.map((bytes) => new TextDecoder().decode(bytes))).toEqual(
          expected.flatMap((row) => row.map(({ label }) => label)),
        );
        expect(probabilities!.contents!.fp32Contents).toEqual(
          expected.flatMap((row) => row.map(({ score }) => Math.fround(score))),
        );
        const comma = await ask({ candidate_labels: word('["a, b"]') });
        expect(new TextDecoder().decode(comma.outputs[0]!.contents!.bytesContents[0])).toBe("a, b");
        await expect(ask({ candidate_labels: word("[1]") })).rejects.toThrow(
          /parameters.candidate_labels: must be texts/,
        );
        await expect(ask({ candidate_labels: word("a,a") })).rejects.toThrow(/candidate_labels\[1\]: is the same/);
      } finally {
        channel.close();
      }
    });

    it("and as JSON over HTTP", async () => {
      const origin = `http://${server.app.addresses.console}`;
      const post = async <T>(path: string, body: object): Promise<T> => {
        const headers = { "content-type": "application/json" };
        const reply = await fetch(origin + path, { method: "POST", headers, body: JSON.stringify(body) });
        return (await reply.json()) as T;
      };
      const expected = await own({ candidateLabels: LABELS });
      const { outputs } = await post<{ outputs: { data: string[] }[] }>("/v2/models/inference/infer", {
        inputs: [{ name: "text", datatype: "BYTES", shape: [2], data: rows }],
        parameters: { candidate_labels: LABELS.join(",") },
        outputs: [{ name: "labels" }],
      });
      expect(outputs[0]!.data).toEqual(expected.flatMap((row) => row.map(({ label }) => label)));
      const reply = await post<{ labels: { label: string; score: number }[] }>("/albert.v1.InferenceService/Classify", {
        ...{ text: TEXT, candidateLabels: LABELS, hypothesisTemplate: "on {label}", multiLabel: true },
      });
      const direct = await classify({ candidateLabels: LABELS, hypothesisTemplate: "on {label}", multiLabel: true });
      expect(reply.labels.map(({ label, score }) => [label, score])).toEqual(
        direct.labels.map(({ label, score }) => [label, score]),
      );
    });
  });
});
