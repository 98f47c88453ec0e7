import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  BatchInferResponseSchema,
  ClassifyResponseSchema,
  InferenceService,
  type InferItemResultSchema,
  ProblemType,
  TokenizeResponseSchema,
} from "../../../src/gen/albert/v1/inference_pb.ts";
import { encodeReply } from "../../../src/server/call/encode-reply.ts";
import { nextTurn } from "../../../src/server/call/large-messages.ts";

const { tokenize, batchInfer, classify } = InferenceService.method;

const tokens = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ piece: `p${i}`, id: i, start: i, end: i + 1, special: i % 2 === 0 }));

describe("a reply as bytes", () => {
  it("is the same, whether it is encoded at once or in turns", async () => {
    for (const count of [0, 1, 255, 256, 257, 1000]) {
      const reply = { meta: { model: "m", tokens: count }, tokens: tokens(count), maxTokens: 512, fits: count < 512 };
      const bytes = await encodeReply(tokenize, reply);
      expect(fromBinary(TokenizeResponseSchema, bytes)).toEqual(create(TokenizeResponseSchema, reply));
    }
    const small = { labels: [{ label: "a", score: 0.5 }], problemType: ProblemType.SINGLE_LABEL };
    expect(await encodeReply(classify, small)).toEqual(
      Buffer.from(toBinary(ClassifyResponseSchema, create(ClassifyResponseSchema, small))),
    );
  });

  it("keeps the order of a batch's items, large and small, answers and errors", async () => {
    const outcomes: NonNullable<MessageInitShape<typeof InferItemResultSchema>["outcome"]>[] = [
      { case: "tokenize", value: { tokens: tokens(600), tokenCount: 600 } },
      { case: "error", value: { code: 3, message: "no" } },
      { case: "classify", value: { labels: [{ label: "x", score: 1 }] } },
      { case: "tokenize", value: { tokens: tokens(700), maxTokens: 4 } },
    ];
    const results = outcomes.map((outcome, i) => ({ correlationId: String(i), outcome }));
    const bytes = await encodeReply(batchInfer, { results });
    const decoded = fromBinary(BatchInferResponseSchema, bytes);
    expect(decoded).toEqual(create(BatchInferResponseSchema, { results }));
    expect(decoded.results.map(({ outcome }) => outcome.case)).toEqual(outcomes.map((outcome) => outcome.case));
  });

  it("lets others have their turn every few milliseconds", async () => {
    const reply = { tokens: tokens(16_384) };
    let turns = 0;
    const count = () => {
      turns++;
      timer = setImmediate(count);
    };
    let timer = setImmediate(count);
    await encodeReply(tokenize, reply);
    clearImmediate(timer);
    expect(turns).toBeGreaterThan(50);
  });

  it("goes on one at a time, however many are large", async () => {
    let turn = 0;
    const count = () => {
      turn++;
      timer = setImmediate(count);
    };
    let timer = setImmediate(count);
    const went: number[] = [];
    await Promise.all(Array.from({ length: 20 }, () => nextTurn().then(() => went.push(turn))));
    clearImmediate(timer);
    expect(new Set(went).size).toBe(20);
  });
});
