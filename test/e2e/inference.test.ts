import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  HeadKind,
  type InferItemResult,
  OffsetUnit,
  Pooling,
  ProblemType,
  StreamOrder,
  TruncationPolicy,
} from "../../src/gen/albert/v1/inference_pb.js";
import { ALL_HEADS, writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";

describe("the inference service", () => {
  let server: RunningServer;

  beforeAll(async () => {
    const config = { serving: { cacheBytes: 1_000_000 } };
    server = await runServer({ models: [{ name: "tiny", directory: await writeTinyModel() }], config });
  });
  afterAll(() => server.close());

  it("classifies a text and says which model answered", async () => {
    const { labels, problemType, meta } = await server.client.classify(
      { text: "good film", options: { head: "sentiment" } },
      { headers: { "x-request-id": "request-7" } },
    );
    expect(problemType).toBe(ProblemType.SINGLE_LABEL);
    expect(labels.map(({ label }) => label).sort()).toEqual(["negative", "positive"]);
    expect(labels[0]!.score).toBeGreaterThanOrEqual(labels[1]!.score);
    expect(labels[0]!.score + labels[1]!.score).toBeCloseTo(1, 12);
    expect(labels[0]!.logit).toBeUndefined();
    expect(meta).toMatchObject({ model: "tiny", version: "1", head: "sentiment", device: "cpu", windows: 1 });
    expect(meta!.requestId).toBe("request-7");
    expect(meta!.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(meta!.tokenizerDigest).toMatch(/^[0-9a-f]{64}$/);
  });

  it("gives the labels that were asked for, with logits on request", async () => {
    const options = { head: "topics" };
    const all = await server.client.classify({ text: "good", options, threshold: 0, returnLogits: true });
    expect(all.problemType).toBe(ProblemType.MULTI_LABEL);
    expect(all.labels).toHaveLength(3);
    for (const { score, logit } of all.labels) expect(score).toBeCloseTo(1 / (1 + Math.exp(-logit!)), 12);
    const one = await server.client.classify({ text: "good", options, threshold: 0, topK: 1 });
    expect(one.labels.map(({ label }) => label)).toEqual([all.labels[0]!.label]);
    const named = await server.client.classify({ text: "good", options, threshold: 0, labels: ["b"] });
    expect(named.labels.map(({ label }) => label)).toEqual(["b"]);
  });

  it("gives one value for a regression head", async () => {
    const reply = await server.client.classify({ text: "good", textPair: "film", options: { head: "rating" } });
    expect(reply.problemType).toBe(ProblemType.REGRESSION);
    expect(reply.labels).toEqual([]);
    expect(Number.isFinite(reply.value)).toBe(true);
  });

  it("answers a question with a slice of the caller's own text, in every unit of offsets", async () => {
    const context = `😀 ${"the cat sat on the mat . ".repeat(20)}`;
    const ask = (offsetUnit: OffsetUnit) =>
      server.client.answerQuestion({ question: "where", context, nBest: 3, offsetUnit, options: { head: "span" } });
    const units = await ask(OffsetUnit.UNSPECIFIED);
    expect(units.answers.length).toBeGreaterThan(0);
    expect(units.meta!.windows).toBeGreaterThan(1);
    for (const { text, start, end } of units.answers) expect(context.slice(start, end)).toBe(text);
    const points = await ask(OffsetUnit.CODE_POINT);
    for (const { text, start, end } of points.answers) expect([...context].slice(start, end).join("")).toBe(text);
    const bytes = await ask(OffsetUnit.UTF8_BYTE);
    for (const { text, start, end } of bytes.answers) {
      expect(Buffer.from(context).subarray(start, end).toString()).toBe(text);
    }
  });

  it("tells how strongly a question is held to be unanswerable", async () => {
    const ask = (nullThreshold: number) =>
      server.client.answerQuestion({
        question: "where",
        context: "on the mat",
        nullThreshold,
        options: { head: "answer" },
      });
    const { nullScore } = await ask(0);
    expect((await ask(nullScore! + 1)).answerable).toBe(true);
    expect((await ask(nullScore! - 1)).answerable).toBe(false);
  });

  it("chooses among answers", async () => {
    const { index, choices } = await server.client.chooseAnswer({
      question: "what is it",
      context: "it is a cat",
      choices: ["a cat", "a dog", "the sea"],
    });
    const scores = choices.map(({ score }) => score);
    expect(scores.reduce((sum, score) => sum + score, 0)).toBeCloseTo(1, 12);
    expect(index).toBe(scores.indexOf(Math.max(...scores)));
  });

  it("encodes a text, and its tokens on request", async () => {
    const { embedding, tokens, meta } = await server.client.encode({
      text: "a cat",
      pooling: Pooling.MEAN,
      normalize: true,
      returnTokens: true,
    });
    expect(Math.hypot(...embedding)).toBeCloseTo(1, 5);
    expect(tokens).toHaveLength(meta!.tokens);
    expect(tokens[0]!.token).toMatchObject({ piece: "[CLS]", special: true });
    expect(tokens[1]!.values).toHaveLength(16);
    expect(meta!.head).toBe("");
  });

  it("fills the gaps of a text", async () => {
    const text = "the [MASK] sat on the [MASK]";
    const { masks } = await server.client.fillMask({ text, topK: 2 });
    expect(masks.map(({ start, end }) => text.slice(start, end))).toEqual(["[MASK]", "[MASK]"]);
    for (const { candidates } of masks) {
      expect(candidates).toHaveLength(2);
      expect(candidates[0]!.score).toBeGreaterThanOrEqual(candidates[1]!.score);
    }
  });

  it("shows how a text is cut, and what running it would cost", async () => {
    const text = "The cat sat";
    const reply = await server.client.tokenize({ text, textPair: "here" });
    const own = reply.tokens.filter(({ special, segment }) => !special && segment === 0);
    expect(own.map(({ start, end }) => text.slice(start, end).toLowerCase()).join("")).toBe("thecatsat");
    expect(reply).toMatchObject({ maxTokens: 64, fits: true });
    expect(reply.predictedRunMs).toBeGreaterThan(0);
    const long = await server.client.tokenize({ text: "cat ".repeat(100) });
    expect(long.fits).toBe(false);
  });

  it("asks several heads in one pass", async () => {
    const { results, pooled, meta } = await server.client.infer({
      text: "the [MASK] sat",
      textPair: "on the mat",
      heads: [{ head: "sentiment" }, { head: "span" }, { head: "words", topK: 3 }, { head: "order" }],
      returnPooled: true,
    });
    expect(results.map(({ head, result }) => [head, result.case])).toEqual([
      ["sentiment", "classification"],
      ["span", "answers"],
      ["words", "masks"],
      ["order", "sentenceOrder"],
    ]);
    expect(pooled).toHaveLength(16);
    expect(meta!.batchSize).toBe(1);
  });

  it("truncates only when allowed to", async () => {
    const text = "cat ".repeat(100);
    const options = { head: "sentiment", truncation: TruncationPolicy.TRUNCATE };
    const { meta } = await server.client.classify({ text, options });
    expect(meta).toMatchObject({ tokens: 64, truncated: true });
  });

  it("gives each item of a batch its own outcome, in order", async () => {
    const { results } = await server.client.batchInfer({
      items: [
        { correlationId: "a", request: { case: "classify", value: { text: "good", options: { head: "sentiment" } } } },
        { correlationId: "b", request: { case: "classify", value: { text: "", options: { head: "sentiment" } } } },
        { correlationId: "c", request: { case: "encode", value: { text: "good" } } },
        { correlationId: "d" },
      ],
    });
    expect(outcomes(results)).toEqual([
      ["a", "classify"],
      ["b", "error"],
      ["c", "encode"],
      ["d", "error"],
    ]);
  });

  it("gives the same answer alone, in a batch and on a stream", async () => {
    const value = { text: "a cat", options: { head: "sentiment" }, returnLogits: true };
    const alone = await server.client.classify(value);
    const item = { correlationId: "x", request: { case: "classify" as const, value } };
    const { results } = await server.client.batchInfer({ items: [item] });
    const streamed = await stream(server, [{ message: { case: "item", value: item } }]);
    for (const result of [results[0]!, streamed.results[0]!]) {
      expect(result.outcome.case).toBe("classify");
      if (result.outcome.case === "classify") expect(result.outcome.value.labels).toEqual(alone.labels);
    }
  });

  it("keeps a stream's results in the order of the items when asked to", async () => {
    const items = Array.from({ length: 50 }, (_, i) => ({
      message: {
        case: "item" as const,
        value: {
          correlationId: `${i}`,
          request:
            i % 3 === 0
              ? {
                  case: "answerQuestion" as const,
                  value: { question: "who", context: "cat ".repeat(80), options: { head: "span" } },
                }
              : { case: "tokenize" as const, value: { text: "cat" } },
        },
      },
    }));
    const settings = { message: { case: "settings" as const, value: { order: StreamOrder.REQUEST } } };
    const ordered = await stream(server, [settings, ...items]);
    expect(ordered.window).toBe(64);
    expect(ordered.results.map(({ correlationId }) => correlationId)).toEqual(items.map((_, i) => `${i}`));
    const unordered = await stream(server, items);
    expect(unordered.results.map(({ correlationId }) => Number(correlationId)).sort((a, b) => a - b)).toEqual(
      items.map((_, i) => i),
    );
  });

  it("describes its models", async () => {
    const { models } = await server.client.listModels({});
    const { model } = await server.client.getModel({});
    expect(models).toEqual([model]);
    expect(model).toMatchObject({ name: "tiny", version: "1", isDefault: true, ready: true, device: "cpu" });
    expect(model!.heads.map(({ name }) => name)).toEqual(ALL_HEADS.map(({ name }) => name));
    expect(model!.heads[0]).toMatchObject({ kind: HeadKind.CLASSIFICATION, labels: ["negative", "positive"] });
    expect(model!.limits).toMatchObject({ maxTokens: 64, maxChoices: 64, maxMessageBytes: 4_194_304 });
    expect(model!.architecture).toMatchObject({ hiddenSize: 16, numHiddenLayers: 2 });
    const pinned = await server.client.getModel({
      model: "tiny",
      pin: { case: "digest", value: model!.digest.slice(0, 12) },
    });
    expect(pinned.model).toEqual(model);
  });

  it("gives kept answers in the same bytes, by every call and door", async () => {
    const text = "the cat sat on the mat and [MASK]";
    const { client } = server;
    const calls = {
      classify: () => client.classify({ text, options: { head: "topics" }, threshold: 0, returnLogits: true }),
      answerQuestion: () =>
        client.answerQuestion({ question: "who", context: "a dog and a cat ".repeat(20), options: { head: "span" } }),
      chooseAnswer: () => client.chooseAnswer({ question: "what is it?", choices: ["a mat", "a cat"] }),
      encode: () => client.encode({ text, pooling: Pooling.CLS, returnTokens: true }),
      fillMask: () => client.fillMask({ text, topK: 4 }),
      infer: () =>
        client.infer({ text, heads: [{ head: "sentiment" }, { head: "words", topK: 2 }], returnPooled: true }),
    };
    for (const call of Object.values(calls)) {
      const { meta: computed, ...first } = await call();
      const { meta: kept, ...second } = await call();
      expect([computed!.cached, kept!.cached]).toEqual([false, true]);
      expect(second).toEqual(first);
      const { digest, head, tokens, windows, truncated } = computed!;
      expect(kept).toMatchObject({ digest, head, tokens, windows, truncated, batchSize: 0 });
      expect(kept!.requestId).not.toBe(computed!.requestId);
    }
    const item = { case: "classify" as const, value: { text: "twice in a batch", options: { head: "sentiment" } } };
    const { results } = await client.batchInfer({
      items: ["1", "2"].map((correlationId) => ({ correlationId, request: item })),
    });
    const cached = results.map(({ outcome }) => outcome.case === "classify" && outcome.value.meta!.cached);
    expect(cached.sort()).toEqual([false, true]);
    const row = { name: "text", datatype: "BYTES", shape: [1], data: ["kept at another door"] };
    const asked = async () => {
      const response = await fetch(`http://${server.app.addresses.console}/v2/models/tiny/infer`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ parameters: { top_k: 1 }, inputs: [row] }),
      });
      return (await response.json()) as { outputs: unknown; parameters: { cached?: boolean } };
    };
    const [first, second] = [await asked(), await asked()];
    expect([first.parameters.cached, second.parameters.cached]).toEqual([undefined, true]);
    expect(second.outputs).toEqual(first.outputs);
  });

  it("accounts for all of a request's time", async () => {
    for (const text of ["cat", "cat ".repeat(50)]) {
      const { meta } = await server.client.classify({ text, options: { head: "sentiment" } });
      const { totalMs, receiveMs, tokenizeMs, queueMs, assembleMs, runMs, postMs } = meta!.timings!;
      const sum = receiveMs + tokenizeMs + queueMs + assembleMs + runMs + postMs;
      expect(Math.abs(sum - totalMs)).toBeLessThanOrEqual(0.01 * totalMs + 1);
      expect(totalMs).toBeGreaterThan(0);
    }
  });
});

function outcomes(results: readonly InferItemResult[]) {
  return results.map(({ correlationId, outcome }) => [correlationId, outcome.case]);
}

type StreamMessages = Parameters<RunningServer["client"]["streamInfer"]>[0];

async function stream(server: RunningServer, messages: StreamMessages) {
  let window = 0;
  const results: InferItemResult[] = [];
  for await (const { message } of server.client.streamInfer(messages)) {
    if (message.case === "window") window = message.value.items;
    if (message.case === "result") results.push(message.value);
  }
  return { window, results };
}
