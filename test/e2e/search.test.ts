import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatAccessList, type TokenEntry } from "../../src/access/access-file.ts";
import { newToken, tokenHash } from "../../src/access/tokens.ts";
import { connectAlbert } from "../../src/client/albert-client.ts";
import { OffsetUnit, TruncationPolicy } from "../../src/gen/albert/v1/inference_pb.js";
import { IndexState } from "../../src/gen/albert/v1/search_pb.js";
import { openEngine } from "../../src/runtime/packed-engine.ts";
import { runAlbert } from "../support/command-line.ts";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { type Overrides, type RunningServer, runServer } from "../support/running-server.ts";
import { newIndexFile, writeIndexBy } from "../support/search-index.ts";

const TEXTS = {
  "a.txt": "Été 😀! The cat sat on the mat.\n\nWho was the first man?\n\nThe dog ran to the house.",
  "sub/b.md": "# The harbour\n\nThe first tower of the harbour was made in 1759.",
};

describe("indexes that a server answers from", () => {
  let encoder: string;
  let reader: string;
  let index: string;
  let server: RunningServer;
  beforeAll(async () => {
    encoder = await writeTinyModel([], 1);
    reader = await writeTinyModel([{ name: "span", kind: "span" }], 2);
    index = await writeIndexBy(encoder, TEXTS);
    server = await start();
  }, 60_000);
  afterAll(() => server?.close());

  const start = (config: Overrides = {}, named = "vectors") =>
    runServer({
      models: [
        { name: named, directory: named === "vectors" ? encoder : reader },
        { name: "reader", directory: reader },
      ],
      config: { search: { indexes: [`docs=${index}`, `missing=${newIndexFile()}`] }, ...config },
      openEngine: (model) => openEngine(model, { threads: 1, calibrationMs: 0 }),
    });

  it("are listed, with the served model that made each, and with why one cannot be asked", async () => {
    const { indexes } = await server.client.listIndexes({});
    expect(indexes).toMatchObject([
      {
        ...{ name: "docs", state: IndexState.SERVING, failure: "", files: 2, passageTokens: 16 },
        textBytes: BigInt(Buffer.byteLength(Object.values(TEXTS).join(""))),
        encoder: { name: "tiny", width: 16, model: "vectors" },
      },
      { name: "missing", state: IndexState.FAILED, failure: "FILE_NOT_READABLE", digest: "" },
    ]);
    expect(server.log.join("\n")).toMatch(/a search index cannot be read; the others answer.*"index":"missing"/);
    const page = await server.metrics();
    expect(page).toMatch(/albert_index_passages\{index="docs"\} [1-9]/);
    expect(page).toContain('albert_index_passages{index="missing"} 0');
  });

  it("give the nearest passages, with exact places in every unit", async () => {
    const query = "The dog ran to the house.";
    const request = { index: "docs", query };
    const { passages, meta, indexDigest } = await server.client.findPassages(request);
    expect(passages[0]).toMatchObject({ text: expect.stringContaining(query), place: { file: "a.txt" } });
    expect(meta).toMatchObject({ model: "vectors", head: "" });
    expect(indexDigest).toMatch(/^[0-9a-f]{64}$/);
    const similarities = passages.map(({ similarity }) => similarity);
    expect([...similarities].sort((a, b) => b - a)).toEqual(similarities);
    type Slice = (text: string, start: number, end: number) => string;
    const units = new Map<OffsetUnit, Slice>([
      [OffsetUnit.UTF16, (text, start, end) => text.slice(start, end)],
      [OffsetUnit.CODE_POINT, (text, start, end) => [...text].slice(start, end).join("")],
      [OffsetUnit.UTF8_BYTE, (text, start, end) => Buffer.from(text).subarray(start, end).toString()],
    ]);
    for (const [offsetUnit, slice] of units) {
      const reply = await server.client.findPassages({ ...request, topK: 100, offsetUnit });
      expect(reply.passages.length).toBeGreaterThan(1);
      for (const { place, text } of reply.passages) {
        expect(slice(TEXTS[place!.file as keyof typeof TEXTS], place!.start, place!.end)).toBe(text);
      }
    }
    const least = similarities[0]! - 1e-6;
    expect((await server.client.findPassages({ ...request, minSimilarity: least })).passages).toHaveLength(1);
    expect((await server.client.findPassages({ ...request, topK: 1 })).passages).toHaveLength(1);
  });

  it("answer questions with exact slices, as the command line does from the same file and models", async () => {
    const question = "who sat on the mat?";
    const reply = await server.client.askIndex({ index: "docs", question, nBest: 5, topK: 3 });
    expect(reply.answers.length).toBeGreaterThan(1);
    for (const { place, text, passage } of reply.answers) {
      expect(TEXTS[place!.file as keyof typeof TEXTS].slice(place!.start, place!.end)).toBe(text);
      expect(reply.passages[passage]!.text).toContain(text);
    }
    expect(reply).toMatchObject({ meta: { model: "reader", head: "span" }, questionMeta: { model: "vectors" } });
    const args = [
      "ask",
      index,
      question,
      "--model",
      encoder,
      "--reader",
      reader,
      "--best",
      "5",
      "--top-k",
      "3",
      "--json",
    ];
    const { answers } = JSON.parse((await runAlbert("search", ...args)).out);
    expect(
      reply.answers.map(({ place, text, passage }) => [place!.file, place!.start, place!.end, text, passage]),
    ).toEqual(
      answers.map((one: Record<string, unknown>) => [
        one["file"],
        one["start"],
        one["end"],
        one["text"],
        one["passage"],
      ]),
    );
    for (const [i, { score }] of reply.answers.entries()) expect(score).toBeCloseTo(answers[i].probability, 4);
    expect(await server.metrics()).toMatch(/albert_index_search_duration_seconds_count\{index="docs"\} [1-9]/);
  });

  it("answer over HTTP as JSON", async () => {
    const url = `http://${server.app.addresses.console}/albert.v1.SearchService/AskIndex`;
    const body = JSON.stringify({ index: "docs", question: "who sat?" });
    const response = await fetch(url, { method: "POST", body, headers: { "content-type": "application/json" } });
    expect(await response.json()).toMatchObject({ answers: [{ place: { file: expect.any(String) } }] });
  });

  it("refuse all wrong fields at once, and what would choose another encoder", async () => {
    const asked = server.client.askIndex({ index: "docs", question: " ", topK: 101, nBest: 21 });
    await expect(asked).rejects.toMatchObject({
      reason: "FIELD_INVALID",
      violations: [{ field: "question" }, { field: "top_k" }, { field: "n_best" }],
    });
    const options = { model: "reader", pin: { case: "version", value: "1" }, head: "h", maxTokens: 9 } as const;
    const found = server.client.findPassages({ index: "docs", query: "a", minSimilarity: 2, options });
    await expect(found).rejects.toMatchObject({
      violations: ["model", "version", "head", "max_tokens"]
        .map((field) => ({ field: `options.${field}` }))
        .concat({ field: "min_similarity" }),
    });
  });

  it("refuse a query that is too long, unless it may be cut", async () => {
    const query = "the cat ".repeat(100);
    const long = server.client.findPassages({ index: "docs", query });
    await expect(long).rejects.toMatchObject({ reason: "INPUT_TOO_LONG" });
    const options = { truncation: TruncationPolicy.TRUNCATE };
    const { meta } = await server.client.findPassages({ index: "docs", query, options });
    expect(meta).toMatchObject({ truncated: true });
    expect((await server.client.askIndex({ index: "docs", question: query, options })).answers).toHaveLength(1);
  });

  it("are not asked where no served model made them: the refusal says which did, and what to do", async () => {
    const other = await start({}, "tiny");
    try {
      const refusal = other.client.findPassages({ index: "docs", query: "a" });
      await expect(refusal).rejects.toMatchObject({ status: "FAILED_PRECONDITION", reason: "INDEX_ENCODER" });
      await expect(refusal).rejects.toThrow(
        /made by the encoder tiny of digest [0-9a-f]{12}, and no model of that digest serves here \(tiny serves, of digest [0-9a-f]{12}, .*\): serve that very model, or make the index again/,
      );
      expect((await other.client.listIndexes({})).indexes[0]!.encoder).toMatchObject({ model: "" });
    } finally {
      await other.close();
    }
  });

  it("are for callers whose names allow them, as models are, and so is the model that reads", async () => {
    const tokensFile = join(mkdtempSync(join(tmpdir(), "albert-tokens-")), "tokens.json");
    const tokens: TokenEntry[] = [];
    const token = (models: readonly string[]) => {
      const { id, token: text } = newToken();
      tokens.push({ id, name: id, sha256: tokenHash(text), scopes: ["infer"], models, created: 0 });
      return text;
    };
    const [all, docs, strangers] = [token(["docs", "reader"]), token(["docs"]), token(["other", "reader", "vectors"])];
    writeFileSync(tokensFile, formatAccessList({ tokens, certificates: [] }));
    const guarded = await start({ auth: { tokensFile } });
    const as = (text: string) => connectAlbert(guarded.address, { maxAttempts: 1, token: text });
    const clients = [as(all), as(docs), as(strangers)] as const;
    const [full, finder, stranger] = clients;
    try {
      const question = { index: "docs", question: "who sat?" };
      const query = { index: "docs", query: "the cat" };
      expect((await full.askIndex(question)).answers).toHaveLength(1);
      expect((await finder.findPassages(query)).passages.length).toBeGreaterThan(0);
      const refusal = { status: "PERMISSION_DENIED", reason: "NOT_ALLOWED" };
      await expect(finder.askIndex(question)).rejects.toMatchObject(refusal);
      await expect(stranger.findPassages(query)).rejects.toMatchObject(refusal);
      await expect(stranger.findPassages({ ...query, index: "" })).rejects.toMatchObject(refusal);
      expect((await full.listIndexes({})).indexes.map(({ name }) => name)).toEqual(["docs"]);
      const unknown = stranger.findPassages({ ...query, index: "other" });
      await expect(unknown).rejects.toMatchObject({ reason: "INDEX_NOT_FOUND", metadata: { index: "other" } });
      await expect(unknown).rejects.not.toThrow(/docs/);
    } finally {
      for (const client of clients) client.close();
      await guarded.close();
    }
  });
});
