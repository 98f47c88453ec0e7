import { create, createRegistry, type DescMessage, type Message, toJsonString } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import {
  BatchInferResponseSchema,
  EncodeResponseSchema,
  ProblemType,
  TokenizeResponseSchema,
} from "../../../src/gen/albert/v1/inference_pb.ts";
import { BadRequestSchema, file_google_rpc_error_details } from "../../../src/gen/google/rpc/error_details_pb.ts";
import { jsonInTurns } from "../../../src/server/connect/encode-json.ts";

const options = { alwaysEmitImplicit: true, registry: createRegistry(file_google_rpc_error_details) };
const tokens = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    piece: `"é\u2028${i}`,
    id: i,
    start: i,
    end: i + 1,
    special: i % 2 === 0,
  }));
const vectors = (count: number, size: number) =>
  tokens(count).map((token, i) => ({
    token,
    values: Array.from({ length: size }, (_, j) => Math.fround(i / (j + 1))),
  }));
const detail = anyPack(
  BadRequestSchema,
  create(BadRequestSchema, { fieldViolations: [{ field: "text", description: "no" }] }),
);

const messages: readonly [string, DescMessage, Message][] = [
  ["nothing", TokenizeResponseSchema, create(TokenizeResponseSchema)],
  ["few tokens", TokenizeResponseSchema, create(TokenizeResponseSchema, { tokens: tokens(3), fits: true })],
  [
    "many tokens",
    TokenizeResponseSchema,
    create(TokenizeResponseSchema, { meta: { model: "m" }, tokens: tokens(3000) }),
  ],
  [
    "vectors",
    EncodeResponseSchema,
    create(EncodeResponseSchema, { embedding: [1, -0, 1e-30], tokens: vectors(300, 200) }),
  ],
  [
    "items of all kinds",
    BatchInferResponseSchema,
    create(BatchInferResponseSchema, {
      results: [
        { correlationId: "a", outcome: { case: "tokenize", value: { tokens: tokens(700) } } },
        { outcome: { case: "error", value: { code: 3, message: "no", details: [detail] } } },
        { outcome: { case: "encode", value: { tokens: vectors(2, 9000) } } },
        {
          outcome: {
            case: "classify",
            value: { problemType: ProblemType.SINGLE_LABEL, labels: [{ label: "x", score: 1 }] },
          },
        },
        { correlationId: "" },
      ],
    }),
  ],
];

describe("a large message as JSON, in turns", () => {
  it.each(messages)("is what the library writes at once: %s", async (_, desc, message) => {
    expect(JSON.parse((await jsonInTurns(desc, message, options)).toString())).toEqual(
      JSON.parse(toJsonString(desc, message, options)),
    );
    expect((await jsonInTurns(desc, message, options)).length).toBe(
      Buffer.byteLength(toJsonString(desc, message, options)),
    );
  });

  it.each([
    ["tokens", TokenizeResponseSchema, create(TokenizeResponseSchema, { tokens: tokens(16_384) }), 64],
    ["vectors of words", EncodeResponseSchema, create(EncodeResponseSchema, { tokens: vectors(512, 768) }), 50],
  ] as const)("lets others have their turn: %s", async (_, desc, message, least) => {
    let turns = 0;
    const count = () => {
      turns++;
      timer = setImmediate(count);
    };
    let timer = setImmediate(count);
    await jsonInTurns(desc, message, options);
    clearImmediate(timer);
    expect(turns).toBeGreaterThanOrEqual(least);
  });
});
