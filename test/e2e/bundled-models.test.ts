import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openEngine } from "../../src/runtime/packed-engine.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";

const root = resolve(import.meta.dirname, "../..");
const names = readdirSync(join(root, "models")).filter((name) => statSync(join(root, "models", name)).isDirectory());
const MEGABYTE = 2 ** 20;

describe("the bundled models", () => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await runServer({
      models: names.map((name) => ({ name, directory: join(root, "models", name) })),
      openEngine: (model) => openEngine(model, { threads: 1, calibrationMs: 0 }),
    });
  }, 120_000);
  afterAll(() => server?.close());

  it("are one for each task, and each is the one asked by the calls of its task that name none", async () => {
    const { client } = server;
    const classified = await client.classify({ text: "A gripping, honest film." });
    const answered = await client.answerQuestion({
      question: "Who built the Eiffel Tower?",
      context: "The Eiffel Tower was built by the company of Gustave Eiffel from 1887 to 1889.",
    });
    const chosen = await client.chooseAnswer({ question: "What do bees make?", choices: ["honey", "milk"] });
    const encoded = await client.encode({ text: "A gripping, honest film." });
    const sorted = await client.classify({ text: "A gripping, honest film.", candidateLabels: ["art", "sport"] });
    const models = [classified, answered, chosen, encoded, sorted].map(({ meta }) => meta?.model);
    expect(models).toEqual([
      "sentiment",
      "question-answering",
      "multiple-choice",
      "sentence-encoder",
      "natural-language-inference",
    ]);
    expect(new Set(models)).toEqual(new Set(names));
  });

  it("answer as the README and the model cards say", async () => {
    const readme = readFileSync(join(root, "README.md"), "utf8");
    const cards = readFileSync(join(root, "models/README.md"), "utf8");
    const { labels } = await server.client.classify({ text: "A gripping, honest film." });
    for (const { label, score } of labels) {
      expect(readme).toContain(`${(100 * score).toFixed(1).padStart(5)} %  ${label}`);
    }
    const sorted = await server.client.classify({
      text: "The keeper saved two penalties.",
      candidateLabels: ["sport", "politics", "cooking"],
    });
    expect(sorted.labels[0]?.label).toBe("sport");
    for (const { label, score } of sorted.labels) {
      const line = `${(100 * score).toFixed(1).padStart(5)} %  ${label}`;
      expect(readme).toContain(line);
      expect(cards).toContain(line);
    }
    const { answers } = await server.client.answerQuestion({
      question: "Who built the Eiffel Tower?",
      context:
        "The Eiffel Tower was built by the company of Gustave Eiffel from 1887 to 1889. It is 330 metres tall and stands on the Champ de Mars in Paris.",
    });
    const [best] = answers;
    expect(best?.text).toBe("Gustave Eiffel");
    const line = `${(100 * best!.score).toFixed(1)} %  ${best!.text}`;
    expect(readme).toContain(line);
    expect(cards).toContain(line);
  });

  it.each([
    ["The minister resigned after the vote.", "politics"],
    ["Stir the onions until they are golden.", "cooking"],
    ["Our flight to Lisbon leaves at noon.", "travel"],
    ["My knee has hurt since the fall.", "health"],
  ])("sort by labels of the request's own: %s", async (text, label) => {
    const candidateLabels = ["sport", "politics", "cooking", "travel", "health"];
    const { labels } = await server.client.classify({ text, candidateLabels });
    expect(labels[0]?.label).toBe(label);
  });

  it("find texts that mean alike nearer than others", async () => {
    const vectors = await Promise.all(
      ["Where is the railway station?", "How do I get to the train?", "My soup is cold."].map(
        async (text) => (await server.client.encode({ text, options: { model: "sentence-encoder" } })).embedding,
      ),
    );
    const cosine = (a: number, b: number) => vectors[a]!.reduce((sum, value, i) => sum + value * vectors[b]![i]!, 0);
    expect(vectors[0]).toHaveLength(384);
    expect(cosine(0, 0)).toBeCloseTo(1, 5);
    expect(cosine(0, 1)).toBeGreaterThan(cosine(0, 2) + 0.3);
  });

  it("fit into a repository, which holds files that are alike once", () => {
    const sizes = new Map<string, number>();
    for (const name of names) {
      for (const file of readdirSync(join(root, "models", name))) {
        const bytes = readFileSync(join(root, "models", name, file));
        sizes.set(createHash("sha256").update(bytes).digest("hex"), bytes.length);
      }
    }
    expect([...sizes.values()].reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(96 * MEGABYTE);
  });
});
