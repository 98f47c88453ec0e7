import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TruncationPolicy } from "../../src/gen/albert/v1/inference_pb.js";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";

/** Strange texts that are nevertheless texts. */
const TEXTS: readonly (readonly [what: string, text: string])[] = [
  ["one letter", "a"],
  ["only emoji", "😀👩‍👩‍👧‍👦🏳️‍🌈"],
  ["right-to-left text with marks", "שלום \u200f עולם \u202eabc\u202c"],
  ["combining marks on nothing", "a\u0301\u0301\u0301 e\u20dd"],
  ["a byte order mark before the text", "\ufeffcat"],
  ["private use and unassigned characters", "\ue000\u{10ffff} x"],
  ["control characters around a word", "\u0001\u0002cat\u001b[31m"],
  ["line separators", "cat\u2028sat\u2029on\u0085mat"],
  ["special pieces as text", "[CLS] [SEP] [MASK] <pad> </s>"],
  ["a word of 100,000 characters", "a".repeat(100_000)],
  [
    "100,000 characters without spaces, all different",
    Array.from({ length: 50_000 }, (_, i) => String.fromCodePoint(0x4e00 + (i % 20_000))).join(""),
  ],
];

describe("texts that nobody would write", () => {
  let server: RunningServer;
  beforeAll(async () => {
    const models = [{ name: "tiny", directory: await writeTinyModel() }];
    server = await runServer({
      models,
      config: { server: { defaultDeadlineMs: 60_000 } },
      client: { deadlineMs: 60_000 },
    });
  });
  afterAll(() => server.close());

  for (const [what, text] of TEXTS) {
    it(`are answered: ${what}`, async () => {
      const options = { truncation: TruncationPolicy.TRUNCATE };
      const { labels } = await server.client.classify({ text, options: { ...options, head: "sentiment" } });
      expect(labels).toHaveLength(2);
      const { tokens } = await server.client.tokenize({ text: text.slice(0, 1000) });
      for (const { start, end } of tokens) {
        expect(start).toBeLessThanOrEqual(end);
        expect(end).toBeLessThanOrEqual(text.length);
      }
      const context = `${text.slice(0, 200)} the cat sat on the mat`;
      const { answers } = await server.client.answerQuestion({
        question: "who sat?",
        context,
        options: { head: "span" },
      });
      for (const answer of answers) expect(context.slice(answer.start, answer.end)).toBe(answer.text);
    });
  }

  it("keep their byte order mark, so that offsets stay the caller's", async () => {
    const { tokens } = await server.client.tokenize({ text: "\ufeffcat" });
    expect(tokens.find(({ piece }) => piece === "cat")).toMatchObject({ start: 1, end: 4 });
  });

  it("do not make the server wait: others are answered meanwhile", async () => {
    const long = "cat ".repeat(10_000);
    const options = { head: "sentiment", truncation: TruncationPolicy.TRUNCATE };
    const all = await Promise.all([
      ...Array.from({ length: 4 }, () => server.client.classify({ text: long, options })),
      ...Array.from({ length: 8 }, () => server.client.classify({ text: "cat", options })),
    ]);
    expect(all.every(({ labels }) => labels.length === 2)).toBe(true);
  });
});
