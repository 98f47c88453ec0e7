import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OffsetUnit } from "../../src/gen/albert/v1/inference_pb.js";
import type { SequenceInput } from "../../src/runtime/engine.ts";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";

/** A megabyte, as a person counts it, of words that are many tokens each, with characters of one to three bytes. */
const LENGTH = 1_000_000;
const WORDS = "The quick brown fox, na\u00efve as ever, reads \u4e2d\u6587 and 1,234 other things. ";
const document = WORDS.repeat(Math.ceil(LENGTH / WORDS.length)).slice(0, LENGTH);
/** A server with every default answers it, also where the model's windows are short. */
let server: RunningServer;
let running = 0;
let mostRunning = 0;

beforeAll(async () => {
  const models = [{ name: "tiny", directory: await writeTinyModel(undefined, 1, 128) }];
  server = await runServer({ models, client: { deadlineMs: 110_000 } });
  server.script.before = async (sequences: readonly SequenceInput[]) => {
    running += sequences.length;
    mostRunning = Math.max(mostRunning, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= sequences.length;
  };
}, 60_000);
afterAll(() => server.close());

describe("a document of a megabyte", () => {
  it("is answered by default, says what it cost, and is never in memory as a whole on its way through the model", async () => {
    const request = { options: { head: "span" }, question: "what?", context: document, nBest: 3 };
    const { answers, meta } = await server.client.answerQuestion(request);
    expect(answers.length).toBeGreaterThan(0);
    for (const { text, start, end } of answers) expect(document.slice(start, end)).toBe(text);
    expect(meta!.windows).toBeGreaterThan(2000);
    expect(meta!.tokens).toBeGreaterThan(LENGTH / 8);
    expect(mostRunning).toBeLessThanOrEqual(2 * 32);
  }, 120_000);

  it("lets other callers in between", async () => {
    let finished = false;
    const long = server.client
      .answerQuestion({ options: { head: "answer" }, question: "what?", context: document })
      .finally(() => {
        finished = true;
      });
    let meanwhile = 0;
    while (!finished) {
      await server.client.classify({ options: { head: "sentiment" }, text: "fine" });
      if (!finished) meanwhile++;
    }
    expect((await long).meta!.windows).toBeGreaterThan(2000);
    expect(meanwhile).toBeGreaterThan(20);
  }, 120_000);

  it("is cut into tokens page by page, the same in every way of asking", async () => {
    const text = document.slice(0, 100_000);
    const { tokenCount, tokens: none } = await server.client.tokenize({ text, pageSize: 0 });
    expect(none).toEqual([]);
    await expect(server.client.tokenize({ text })).rejects.toMatchObject({
      reason: "INPUT_TOO_LONG",
      message: `the text has ${tokenCount} tokens, one reply holds at most 16384: ask for pages with page_start and page_size, or for token_count alone with page_size 0`,
    });
    const offsetUnit = OffsetUnit.UTF8_BYTE;
    const pages = [];
    for (let pageStart = 0; pageStart < tokenCount; pageStart += 5000) {
      pages.push(...(await server.client.tokenize({ text, offsetUnit, pageStart, pageSize: 5000 })).tokens);
    }
    expect(pages).toHaveLength(tokenCount);
    const bytes = Buffer.from(text);
    for (const { piece, start, end, special } of [...pages.slice(1, 400), ...pages.slice(-400, -1)]) {
      if (special || piece === "[UNK]") continue;
      const written = bytes
        .subarray(start, end)
        .toString()
        .normalize("NFD")
        .toLowerCase()
        .replaceAll(/\p{Mn}/gu, "");
      expect(written).toBe(piece.replace("##", ""));
    }
    // A short text takes the way of the main thread.
    const start = document.slice(0, 4000);
    const direct = (await server.client.tokenize({ text: start, offsetUnit })).tokens;
    expect(pages.slice(0, direct.length - 20)).toEqual(direct.slice(0, -20));
  }, 60_000);

  it("is refused above the bound, with the bound and what to do", async () => {
    const tooLong = "x".repeat(1_048_577);
    await expect(
      server.client.answerQuestion({ options: { head: "span" }, question: "what?", context: tooLong }),
    ).rejects.toMatchObject({
      violations: [
        {
          field: "context",
          description: "must be at most 1048576 characters (inputs.max_chars), got 1048577: send it in parts",
        },
      ],
    });
    const strided = { options: { head: "span" }, question: "what?", context: document, docStride: 1 };
    await expect(server.client.answerQuestion(strided)).rejects.toMatchObject({
      reason: "INPUT_TOO_LONG",
      message: expect.stringMatching(
        /^the document has \d+ tokens and needs \d+ overlapping windows, one every 1 tokens; the limit is 65536 windows: send the document in parts, or have inputs.max_windows raised; a larger doc_stride needs fewer windows$/,
      ),
    });
  }, 60_000);

  it("is told that its deadline is too short, and what to do", async () => {
    server.script.predictMs = (lengths) => 100 * lengths.length;
    try {
      const request = { options: { head: "span" }, question: "what?", context: document };
      await expect(server.client.answerQuestion(request, { deadlineMs: 5000 })).rejects.toMatchObject({
        reason: "DEADLINE_TOO_SHORT",
        message: expect.stringContaining("set a longer one (the server honours up to server.max_deadline_ms)"),
      });
    } finally {
      server.script.predictMs = undefined;
    }
  }, 60_000);
});
