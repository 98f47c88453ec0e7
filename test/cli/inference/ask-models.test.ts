import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openEngine } from "../../../src/runtime/packed-engine.ts";
import type { ServableModel } from "../../../src/serving/models/reader.ts";
import { runAlbert } from "../../support/command-line.ts";
import { writeTinyModel } from "../../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../../support/running-server.ts";

const albert = async (...args: string[]) => (await runAlbert(...args)).out;

describe("commands that ask a model", () => {
  let directory: string;
  let server: RunningServer;
  beforeAll(async () => {
    directory = await writeTinyModel();
    server = await runServer({ models: [{ name: "tiny", directory }] });
  });
  afterAll(() => server.close());
  const there = () => ["--server", server.address];

  it("print labels with their probabilities, best first", async () => {
    const lines = (await albert("classify", "good film", "--head", "sentiment", ...there())).trimEnd().split("\n");
    expect(lines.map((line) => line.trim().split(/ {2,}/)[1]).sort()).toEqual(["negative", "positive"]);
    expect(lines[0]).toMatch(/^ *\d+\.\d %/);
  });

  describe("with labels of their own", () => {
    const head = { kind: "classification", name: "nli", problemType: "single-label" } as const;
    const labels = ["contradiction", "neutral", "entailment"];
    const names = (out: string) =>
      out
        .trimEnd()
        .split("\n")
        .map((line) => line.trim().split(/ {2,}/)[1]);
    let judge: string;
    let served: RunningServer;
    beforeAll(async () => {
      judge = await writeTinyModel([{ ...head, labels }], 5);
      const exact = (model: ServableModel) => openEngine(model, { threads: 1, calibrationMs: 0 });
      served = await runServer({ models: [{ name: "judge", directory: judge }], openEngine: exact });
    });
    afterAll(() => served.close());

    it("print a probability for each, here as on a server", async () => {
      const asked = ["classify", "a good film", "--labels", "film, law,the sea", "--template", "it is on {label}"];
      const far = ["--server", served.address];
      const single = await albert(...asked, ...far);
      expect(names(single).sort()).toEqual(["film", "law", "the sea"]);
      expect(await albert(...asked, "--model", judge)).toBe(single);
      const several = [...asked, ...far, "--multi-label"];
      expect(names(await albert(...several, "--top", "2"))).toHaveLength(2);
      expect(JSON.parse(await albert(...several, "--json")).problemType).toBe("PROBLEM_TYPE_MULTI_LABEL");
    }, 60_000);

    it("say what is wrong with them, and with a model that cannot judge them", async () => {
      const ask = (...flags: string[]) => albert("classify", "a", "--server", served.address, ...flags);
      await expect(ask("--template", "on {label}", "--multi-label")).rejects.toThrow(
        /--template: means nothing without --labels.*--multi-label: means nothing/s,
      );
      await expect(ask("--labels", "a,,a")).rejects.toThrow(
        /candidate_labels\[1\]: must not be empty.*\[2\]: is the same/s,
      );
      await expect(ask("--labels", "a", "--template", "on it")).rejects.toThrow(
        /hypothesis_template: must hold \{label\}/,
      );
      await expect(albert("classify", "a", "--labels", "b", "--head", "sentiment", ...there())).rejects.toThrow(
        /negative, positive.*albert import --labels/,
      );
    });
  });

  it("print answers with their places", async () => {
    expect(await albert("ask", "who", "the cat sat", "--head", "span", ...there())).toMatch(
      / % {2}\S.* {2}\(\d+-\d+\)\n$/,
    );
  });

  it("mark the chosen answer", async () => {
    const lines = (await albert("choose", "what", "a cat", "a dog", ...there())).trimEnd().split("\n");
    expect(lines.filter((line) => line.startsWith("*"))).toHaveLength(1);
    expect(lines.map((line) => line.slice(11))).toEqual(["a cat", "a dog"]);
  });

  it("print vectors, gaps and pieces", async () => {
    expect((await albert("encode", "a cat", ...there())).trim().split(" ")).toHaveLength(16);
    expect((await albert("fill-mask", "the [MASK]", "--top", "3", ...there())).trimEnd().split("\n")).toHaveLength(3);
    expect(await albert("tokenize", "the cat", ...there())).toMatch(/0-3 +the\n.*4-7 +cat\n(.*\n)+4 tokens\n$/);
  });

  it("print the whole answer as JSON, with every field", async () => {
    const reply = JSON.parse(await albert("classify", "good", "--head", "sentiment", "--json", ...there()));
    expect(reply.labels).toHaveLength(2);
    expect(reply.meta).toMatchObject({ model: "tiny", truncated: false });
  });

  it("wait as long for the answer as they are told to", async () => {
    const long = ["classify", "good ".repeat(2000), "--head", "sentiment", "--truncate"];
    await expect(albert(...long, ...there(), "--timeout-ms", "1")).rejects.toThrow(/answered DEADLINE_EXCEEDED/);
    expect(await albert(...long, ...there(), "--timeout-ms", "600000")).toMatch(/ % /);
    await expect(albert(...long, "--model", "models/sentiment", "--timeout-ms", "9")).rejects.toThrow(
      /--timeout-ms: bounds the wait for a server and means nothing with --model/,
    );
  });

  it("say what the server refused", async () => {
    await expect(albert("classify", "", "--head", "sentiment", ...there())).rejects.toThrow(
      /answered INVALID_ARGUMENT: text: must not be empty/,
    );
  });

  it("refuse flags that contradict each other", async () => {
    await expect(albert("classify", "x", "--model", directory, ...there())).rejects.toThrow(/give one of them/);
  });

  it("read a long document from a file where no server limits it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "albert-ask-"));
    const path = join(folder, "long.txt");
    const text = `${"the cat sat on the mat . ".repeat(4500)}a dog`; // more characters and windows than a server allows
    writeFileSync(path, text);
    try {
      const reply = JSON.parse(
        await albert("ask", "what", "--file", path, "--model", directory, "--head", "span", "--json"),
      );
      const [{ text: answer, start, end }] = reply.answers;
      expect(text.slice(start, end)).toBe(answer);
      expect(reply.meta.windows).toBeGreaterThan(32);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 120_000);

  it("ask a model without a server", async () => {
    const reply = JSON.parse(await albert("tokenize", "the cat", "--model", directory, "--json"));
    expect(reply.tokens.map(({ piece }: { piece: string }) => piece)).toEqual(["[CLS]", "the", "cat", "[SEP]"]);
  });
});
