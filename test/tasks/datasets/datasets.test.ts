import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { pack } from "tar-stream";
import { afterAll, describe, expect, it } from "vitest";
import type { AlbertError } from "../../../src/errors.ts";
import { tarArticles } from "../../../src/tasks/datasets/article-files.ts";
import { type DataSource, memorySource, textLines, wholeText } from "../../../src/tasks/datasets/data-source.ts";
import { GLUE_TASKS, glueExamples } from "../../../src/tasks/datasets/glue.ts";
import { locateInJson, parseJson } from "../../../src/tasks/datasets/json-text.ts";
import { officialExamples, readRace } from "../../../src/tasks/datasets/official-examples.ts";
import { raceQuestions } from "../../../src/tasks/datasets/race.ts";
import { readSquad } from "../../../src/tasks/datasets/squad.ts";

const directory = mkdtempSync(join(tmpdir(), "albert-datasets-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Bytes that arrive in pieces of a given size. */
function inPieces(content: Uint8Array, size: number): DataSource {
  return {
    name: "pieces",
    async *open() {
      for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
    },
  };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe("text files", () => {
  it("have the same lines however their bytes arrive, gzip or not", async () => {
    const text = fc.string({ unit: fc.constantFrom("a", "\n", "\r", "\u00e9", "\ud83d\ude00", "\u2028", "\u0085") });
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 1, max: 7 }), fc.boolean(), async (content, size, gzip) => {
        const bytes = Buffer.from(content);
        const lines = await all(textLines(inPieces(gzip ? gzipSync(bytes) : bytes, size)));
        const expected = content.split("\n");
        if (expected.at(-1) === "") expected.pop();
        expect(lines.map((line) => line.text)).toEqual(expected);
        expect(lines.map(({ line }) => line)).toEqual(expected.map((_, i) => i + 1));
      }),
      { numRuns: 100 },
    );
  });

  it("lose their byte order mark and tell of bytes that are not UTF-8", async () => {
    const content = Buffer.concat([Buffer.from("\ufeffone\n\ufefftwo\n"), Buffer.from([0x61, 0xff])]);
    const lines = await all(textLines(memorySource("f", content)));
    expect(lines.map(({ text, isUtf8 }) => [text, isUtf8])).toEqual([
      ["one", true],
      ["\ufefftwo", true],
      ["a\ufffd", false],
    ]);
    await expect(wholeText(memorySource("f", content))).rejects.toMatchObject({
      message: expect.stringMatching(/^f:3:2: /),
    });
  });

  it("say so when a gzip stream is damaged or a file is not there", async () => {
    const damaged = gzipSync("some text that is long enough").subarray(0, 20);
    await expect(wholeText(memorySource("f.gz", damaged))).rejects.toMatchObject({ reason: "DATA_INVALID" });
    await expect(all(officialExamples("sst-2", join(directory, "absent.tsv"), "dev"))).rejects.toMatchObject({
      code: "not-found",
      reason: "FILE_NOT_READABLE",
    });
  });
});

describe("JSON", () => {
  it("is located by path in any document", () => {
    fc.assert(
      fc.property(fc.json(), fc.integer({ min: 0, max: 3 }), (json, indent) => {
        const text = JSON.stringify(JSON.parse(json), null, indent);
        const visit = (value: unknown, path: (string | number)[]): void => {
          const { line, column } = locateInJson(text, path, "f");
          const offset =
            text
              .split("\n")
              .slice(0, line - 1)
              .join("\n").length +
            (line > 1 ? 1 : 0) +
            column -
            1;
          const rest = text.slice(offset);
          expect(rest.startsWith(JSON.stringify(value)[0]!)).toBe(true);
          if (typeof value !== "object" || value === null) expect(rest.startsWith(JSON.stringify(value))).toBe(true);
          else
            for (const [key, child] of Object.entries(value))
              visit(child, [...path, Array.isArray(value) ? Number(key) : key]);
        };
        visit(JSON.parse(text), []);
      }),
      { numRuns: 100 },
    );
  });

  it("says where it stops being valid", () => {
    const at = (text: string) => {
      try {
        parseJson(text, "f");
      } catch (error) {
        return (error as AlbertError).message.split(": ")[0];
      }
      return "valid";
    };
    expect(at('{"a": [1, 2')).toBe("f:1:12");
    expect(at('{"a": 1,}')).toBe("f:1:9");
    expect(at('{\n "a": tru\n}')).toBe("f:2:7");
    expect(at('["x\ty"]')).toBe("f:1:4");
    expect(at('["\\q"]')).toBe("f:1:3");
    expect(at("[1] 2")).toBe("f:1:5");
    expect(at("")).toBe("f:1:1");
    expect(at("[1]")).toBe("valid");
  });
});

describe("official files", () => {
  it("refuse a GLUE row that is too short, a score that is no number, and the header of another split", async () => {
    const read = (task: "sst-2" | "sts-b", split: "dev" | "test", content: string) =>
      all(glueExamples(memorySource("f.tsv", content), GLUE_TASKS.get(task)!, split));
    await expect(read("sst-2", "dev", "sentence\tlabel\nonly text\n")).rejects.toThrow(/^f\.tsv:2:1: .*2 columns/);
    const row = "0\ta\tb\tc\td\te\tf\tone\ttwo\t";
    await expect(read("sts-b", "dev", `header\n${row}high\n`)).rejects.toThrow(/^f\.tsv:2:23: expected a number/);
    await expect(read("sst-2", "test", "sentence\tlabel\ntext\t1\n")).rejects.toThrow(/^f\.tsv:1:1: .*another split/);
    expect(await read("sts-b", "dev", `header\n\n${row}2.5\r\n`)).toMatchObject([{ guid: "0", label: 2.5 }]);
  });

  it("name the path of what is wrong in SQuAD files", () => {
    const file = (qa: object) => ({ data: [{ paragraphs: [{ context: "c", qas: [qa] }] }] });
    expect(() => readSquad(file({ id: [1], question: "q" }), "f")).toThrow(
      /data\[0\]\.paragraphs\[0\]\.qas\[0\]\.id: expected a string or a whole number, got a list/,
    );
    expect(() => readSquad({ version: 1 }, "f")).toThrow(/f: data: expected a list, got nothing/);
    expect(readSquad(file({ id: "1", question: "q" }), "f")).toMatchObject([{ answers: [], isImpossible: false }]);
  });

  it("give RACE questions from folders, archives and all.txt alike, middle before high", async () => {
    const article = (id: string) =>
      JSON.stringify({ id, article: "text", questions: ["q?"], options: [["a", "b", "c", "d"]], answers: ["B"] });
    const paths = ["RACE/dev/high/2.txt", "RACE/dev/high/10.txt", "RACE/dev/middle/1.txt", "RACE/train/high/5.txt"];
    const archive = pack();
    for (const path of paths) {
      mkdirSync(join(directory, path, ".."), { recursive: true });
      writeFileSync(join(directory, path), article(path));
      archive.entry({ name: path }, article(path));
    }
    archive.finalize();
    const chunks = await all(archive as AsyncIterable<Uint8Array>);
    const expected = ["RACE/dev/middle/1.txt", "RACE/dev/high/2.txt", "RACE/dev/high/10.txt"];
    const ids = (questions: readonly { id: string }[]) => questions.map(({ id }) => id);
    expect(ids(await readRace(directory, { split: "dev" }))).toEqual(expected);
    const bytes = Buffer.concat(chunks);
    for (const content of [bytes, gzipSync(bytes)]) {
      const found = await raceQuestions(tarArticles(memorySource("r.tar", content)), { split: "dev" });
      expect(ids(found)).toEqual(expected);
      expect(found[0]).toMatchObject({ answer: 1, level: "middle" });
    }
    const lines = { path: "dev/middle/all.txt", text: `${article("x")}\n${article("y")}\n` };
    const extra = { path: "dev/middle/1.txt", text: article("z") };
    expect(ids(await raceQuestions([extra, lines]))).toEqual(["x", "y"]);
    const damaged = raceQuestions(tarArticles(memorySource("r.tar", bytes.subarray(0, 700))), {});
    await expect(damaged).rejects.toMatchObject({ reason: "DATA_INVALID" });
  });

  it("refuse RACE articles whose lists do not fit, with their place", async () => {
    const bad = {
      path: "a.txt",
      text: '\n{"article": "t", "questions": ["q"], "options": [["a", "b"]], "answers": ["C"]}\n\n',
    };
    await expect(raceQuestions([bad])).rejects.toThrow(/^a\.txt:\d:1: question 0: expected an answer from A to B/);
  });
});
