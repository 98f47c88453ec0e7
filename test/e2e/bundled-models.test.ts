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

  it("are one for each task, and each is the one asked by the calls of its task", async () => {
    const { client } = server;
    const classified = await client.classify({ text: "A gripping, honest film." });
    const answered = await client.answerQuestion({
      question: "Who built the Eiffel Tower?",
      context: "The Eiffel Tower was built by the company of Gustave Eiffel from 1887 to 1889.",
    });
    const chosen = await client.chooseAnswer({ question: "What do bees make?", choices: ["honey", "milk"] });
    const models = [classified, answered, chosen].map(({ meta }) => meta?.model);
    expect(models).toEqual(["sentiment", "question-answering", "multiple-choice"]);
    expect(new Set(models)).toEqual(new Set(names));
  });

  it("answer as the README and the model cards say", async () => {
    const readme = readFileSync(join(root, "README.md"), "utf8");
    const cards = readFileSync(join(root, "models/README.md"), "utf8");
    const { labels } = await server.client.classify({ text: "A gripping, honest film." });
    for (const { label, score } of labels) {
      expect(readme).toContain(`${(100 * score).toFixed(1).padStart(5)} %  ${label}`);
    }
    const { answers } = await server.client.answerQuestion({
      question: "Who built the Eiffel Tower?",
      context:
        "The Eiffel Tower was built by the company of Gustave Eiffel from 1887 to 1889. It is 330 metres tall and stands on the Champ de Mars in Paris.",
    });
    const [best] = answers;
    expect(best?.text).toBe("the company of Gustave Eiffel");
    const line = `${(100 * best!.score).toFixed(1)} %  ${best!.text}`;
    expect(readme).toContain(line);
    expect(cards).toContain(line);
  });

  it("fit into a repository", () => {
    for (const name of names) {
      const files = readdirSync(join(root, "models", name)).map(
        (file) => statSync(join(root, "models", name, file)).size,
      );
      expect(files.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(12 * MEGABYTE);
    }
  });
});
