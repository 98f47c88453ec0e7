import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import type { ClassificationHead } from "../../../src/model/heads.ts";
import { formatLocation, memorySource, textLines } from "../../../src/tasks/datasets/data-source.ts";
import type { TaskName } from "../../../src/tasks/datasets/examples.ts";
import type { DatasetReport, IssueKind } from "../../../src/training/data/dataset-report.ts";
import { acceptedExamples, type DatasetSpec } from "../../../src/training/data/rows/dataset-rows.ts";
import { delimitedRecords } from "../../../src/training/data/rows/delimited.ts";
import { isHeldOut, phraseSplit } from "../../../src/training/data/split.ts";
import { type ValidationOptions, validateDataset } from "../../../src/training/data/validate-dataset.ts";
import { wordTokenizer } from "../../support/models/toy-model.ts";

const directory = mkdtempSync(join(tmpdir(), "albert-data-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let files = 0;

/** A dataset of one file. */
function dataset(
  task: TaskName,
  name: string,
  content: string | Uint8Array,
  rest: Partial<DatasetSpec> = {},
): DatasetSpec {
  const path = join(directory, `${files++}-${name}`);
  writeFileSync(path, content);
  return { task, paths: [path], ...rest };
}

async function validate(spec: DatasetSpec, options?: ValidationOptions): Promise<DatasetReport> {
  const report = await validateDataset(spec, options);
  expect(report.accepted + report.rejected).toBe(report.read);
  return report;
}

/** Places of an issue as line:column. */
function places(report: DatasetReport, kind: IssueKind): string[] {
  const issue = report.issues.find((candidate) => candidate.kind === kind);
  return (issue?.occurrences ?? []).map(({ location }) => formatLocation(location).split(":").slice(-2).join(":"));
}

function kinds(report: DatasetReport): IssueKind[] {
  return report.issues.map(({ kind }) => kind);
}

const lines = (...rows: string[]) => `${rows.join("\n")}\n`;

describe("a user's classification data", () => {
  it("is read from CSV with quoted commas, quotes and line breaks", async () => {
    const spec = dataset("classification", "a.csv", lines("text,label", '"one, ""two""\nthree",good', "plain,bad"));
    const report = await validate(spec);
    expect(report).toMatchObject({ read: 2, accepted: 2, usable: true, labels: { bad: 1, good: 1 }, issues: [] });
    const examples = [];
    for await (const example of acceptedExamples(spec)) examples.push(example);
    expect(examples[0]).toMatchObject({ text: 'one, "two"\nthree', label: "good", location: { line: 2 } });
    expect(examples[1]).toMatchObject({ text: "plain", location: { line: 4 } });
  });

  it("is read alike from TSV, JSON Lines and gzip, and from Windows text where that is accepted", async () => {
    const rows = [
      ["some \"odd' text", "x"],
      ["other", "y"],
    ];
    const tsv = lines("sentence\tlabel", ...rows.map((row) => row.join("\t")));
    const jsonl = lines(...rows.map(([text, label]) => JSON.stringify({ text, label })));
    for (const [name, content] of [
      ["a.tsv", tsv],
      ["a.tsv.gz", gzipSync(tsv)],
      ["a.jsonl", jsonl],
      ["a.jsonl.gz", gzipSync(jsonl)],
      ["crlf.tsv", tsv.replaceAll("\n", "\r\n")],
      ["bom.tsv", `\ufeff${tsv}`],
    ] as const) {
      const spec = dataset("classification", name, content, { acceptWindowsText: true });
      expect((await validate(spec)).usable, name).toBe(true);
      const found = [];
      for await (const example of acceptedExamples(spec)) {
        if (example.kind === "classification") found.push([example.text, example.label]);
      }
      expect(found, name).toEqual(rows);
    }
  });

  it("names every bad row by line and column, and keeps reading behind it", async () => {
    const invalid = Buffer.concat([Buffer.from("ab"), Buffer.from([0xff]), Buffer.from("c,good\n")]);
    const content = Buffer.concat([
      Buffer.from(lines("text,label", "fine,good", ",bad", 'broken "quote,bad', '"never closed,bad', "short")),
      invalid,
      Buffer.from(lines("nul\0here,bad", "no label,", "last,bad", "", "end,good")),
    ]);
    const report = await validate(dataset("classification", "bad.csv", content));
    expect(places(report, "empty-text")).toEqual(["3:1"]);
    expect(places(report, "bad-quoting")).toEqual(["5:1"]);
    expect(places(report, "wrong-column-count")).toEqual(["6:1"]);
    expect(places(report, "invalid-utf8")).toEqual(["7:3"]);
    expect(places(report, "nul-character")).toEqual(["8:4"]);
    expect(places(report, "missing-label")).toEqual(["9:10"]);
    expect(places(report, "blank-line")).toEqual(["11:1"]);
    expect(report).toMatchObject({ read: 10, accepted: 4, rejected: 6, erroneous: 6, usable: false });
    for (const [skipInvalid, usable] of [
      [0.6, true],
      [0.59, false],
    ] as const) {
      expect((await validateDataset(dataset("classification", "bad2.csv", content, { skipInvalid }))).usable).toBe(
        usable,
      );
    }
  });

  it("must have the columns, under their usual or the user's own names", async () => {
    const content = lines("body,verdict", "a,x", "b,y");
    const missing = await validate(dataset("classification", "m.csv", content));
    expect(missing.usable).toBe(false);
    expect(missing.issues.filter(({ fatal }) => fatal).map(({ kind, count }) => [kind, count])).toEqual([
      ["missing-column", 2],
      ["no-usable-rows", 1],
    ]);
    const named = dataset("classification", "n.csv", content, { columns: { text: "body", label: "verdict" } });
    expect(await validate(named)).toMatchObject({ usable: true, labels: { x: 1, y: 1 } });
  });

  it("may lack labels where it is only to be predicted, but nothing else", async () => {
    const read = (task: TaskName, name: string, content: string) =>
      validate(dataset(task, name, content, { unlabelled: true }), { purpose: "evaluation" });
    expect(await read("classification", "u.csv", lines("text", "a", "b"))).toMatchObject({ accepted: 2, usable: true });
    const empty = await read("classification", "v.csv", lines("text,label", "a,x", ",y"));
    expect([empty.usable, places(empty, "empty-text")]).toEqual([false, ["3:1"]]);
    expect(kinds(await read("classification", "w.csv", lines("words", "a")))).toContain("missing-column");
    const choices = { question: "q", choices: ["x", "y"] };
    expect((await read("multiple-choice", "c.jsonl", lines(JSON.stringify(choices)))).usable).toBe(true);
  });

  it("must hold rows, and of more than one class", async () => {
    for (const content of ["", "text,label\n", "\n\n"]) {
      expect(kinds(await validate(dataset("classification", "empty.csv", content)))).toContain("no-usable-rows");
    }
    const single = await validate(dataset("classification", "one.csv", lines("text,label", "a,x", "b,x")));
    expect([single.usable, kinds(single)]).toEqual([false, ["single-class"]]);
  });

  it("must use the labels of the head that is to be trained further", async () => {
    const head: ClassificationHead = {
      name: "h",
      kind: "classification",
      problemType: "single-label",
      labels: ["x", "y", "z"],
    };
    const spec = dataset("classification", "h.csv", lines("text,label", "a,x", "b,q", "c,y"));
    const report = await validate(spec, { head });
    expect(places(report, "unknown-label")).toEqual(["3:1"]);
    expect(report).toMatchObject({ accepted: 2, usable: false });
    expect(kinds(report)).toContain("label-never-used");
  });

  it("may hold several labels or a number in each row", async () => {
    const several = dataset("classification", "ml.csv", lines("text,label", "a,x|y", "b,", "c,y"), {
      problemType: "multi-label",
    });
    expect((await validate(several)).labels).toEqual({ x: 1, y: 2 });
    const numbers = dataset("classification", "r.csv", lines("text,score", "a,1.5", "b,high", "c,-2"), {
      problemType: "regression",
    });
    const report = await validate(numbers);
    expect([places(report, "bad-number"), report.accepted]).toEqual([["3:3"], 2]);
  });

  it("is searched for duplicates, contradictions, and rows that evaluation has too", async () => {
    const spec = dataset("classification", "d.csv", lines("text,label", "a,x", "b,y", "a,x", "a,y", "c,x"));
    const evaluation = dataset("classification", "e.csv", lines("text,label", "c,y", "d,x"));
    const report = await validate(spec, { evaluation });
    expect(places(report, "duplicate-row")).toEqual(["4:1"]);
    expect(places(report, "conflicting-labels")).toEqual(["5:1"]);
    expect(places(report, "overlap-with-eval")).toEqual(["6:1"]);
    expect(report.usable).toBe(true);
  });

  it("is measured in tokens", async () => {
    const spec = dataset("classification", "t.csv", lines("text,label", "1 2 3,x", "1 2 3 4 5 6 7 8 9,y"));
    const lengths = { tokenizer: wordTokenizer(), maxSequenceLength: 8, maxQueryLength: 4, docStride: 2 };
    const report = await validate(spec, { lengths });
    expect(report.lengths).toMatchObject({ longest: 11, mean: 8, truncatedRows: 1 });
    expect(places(report, "truncated")).toEqual(["3:1"]);
  });

  it("accounts for every row of any CSV, however broken", async () => {
    const cell = fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", "\r", " ", "\u00e9", "\0") });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(cell, cell), { maxLength: 6 }), async (rows) => {
        const content = lines("text,label", ...rows.map((row) => row.join(",")));
        const spec = dataset("classification", "fuzz.csv", content);
        const report = await validate(spec);
        let accepted = 0;
        for await (const _ of acceptedExamples(spec)) accepted++;
        expect(accepted).toBe(report.accepted);
      }),
      { numRuns: 50 },
    );
  });

  it("puts every line of a CSV into exactly one record", async () => {
    const cell = fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", "\r") });
    await fc.assert(
      fc.asyncProperty(fc.array(cell, { maxLength: 12 }), async (parts) => {
        const content = parts.join("\n");
        const seen: number[] = [];
        const source = textLines(memorySource("f", content));
        for await (const record of delimitedRecords(source, "f", { separator: ",", quotes: true })) {
          seen.push(...record.lines.map(({ line }) => line));
        }
        const count = content === "" ? 0 : content.replace(/\n$/, "").split("\n").length;
        expect(seen).toEqual(Array.from({ length: count }, (_, i) => i + 1));
      }),
      { numRuns: 200 },
    );
  });

  it("reads back any text that CSV can quote", async () => {
    const text = fc
      .string({ unit: fc.constantFrom("a", '"', ",", "\n", " ", "\u00e9", "\ud83d\ude00") })
      .filter((value) => value.trim() !== "");
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 5 }), async (texts) => {
        const content = lines("text,label", ...texts.map((value, i) => `"${value.replaceAll('"', '""')}",${i % 2}`));
        const found = [];
        for await (const example of acceptedExamples(dataset("classification", "quoted.csv", content))) {
          if (example.kind === "classification") found.push(example.text);
        }
        expect(found).toEqual(texts);
      }),
      { numRuns: 50 },
    );
  });
});

describe("a user's questions", () => {
  const context = "\ud83d\ude00 Caf\u00e9 Ada was born in London in 1815.";
  const row = (answer: object) => JSON.stringify({ question: "where?", context, ...answer });

  it("take answers in the usual forms, counted in code points", async () => {
    const spec = dataset(
      "qa",
      "q.jsonl",
      lines(
        row({ answers: [{ text: "London", answer_start: 23 }] }),
        row({ answers: { text: ["London"], answer_start: [23] } }),
        row({ answer: "London", answer_start: 23 }),
        row({ answer: "London" }),
        row({ answers: [] }),
        row({ answer: "" }),
      ),
    );
    const report = await validate(spec);
    expect(report).toMatchObject({ accepted: 6, usable: true, labels: { answerable: 4, impossible: 2 } });
    for await (const example of acceptedExamples(spec)) {
      if (example.kind !== "question" || example.isImpossible) continue;
      expect(example.answers).toEqual([{ text: "London", answerStart: 23 }]);
    }
  });

  it("are refused where the answer is not at its offset, and told what the offset seems to count", async () => {
    const report = await validate(
      dataset(
        "qa",
        "q.jsonl",
        lines(
          row({ answer: "London", answer_start: 24 }),
          row({ answer: "London", answer_start: 27 }),
          row({ answer: "London", answer_start: 3 }),
          row({ answer: "Paris", answer_start: 3 }),
          row({ answer: "London", answer_start: 900 }),
          row({ answer: "in" }),
        ),
      ),
    );
    const details = report.issues
      .find(({ kind }) => kind === "answer-not-found")!
      .occurrences.map(({ detail }) => detail);
    expect(details).toEqual([
      "answer_start 24 counts UTF-16 units, not code points",
      "answer_start 27 counts UTF-8 bytes, not code points",
      "not at answer_start 3; it first occurs at 23",
      "the answer is not in the context at all",
      "the answer occurs more than once: give its answer_start",
    ]);
    expect(places(report, "answer-outside-context")).toEqual(["5:1"]);
    expect(report).toMatchObject({ read: 6, accepted: 0, usable: false });
  });

  it("are told by line and column inside of a SQuAD file", async () => {
    const squad = {
      data: [
        {
          title: "t",
          paragraphs: [
            {
              context,
              qas: [
                { id: "1", question: "q", answers: [{ text: "London", answer_start: 23 }] },
                { id: "2", question: "q2", answers: [{ text: "London", answer_start: 1 }] },
                { id: "3", question: "q3", answers: [{ text: "London", answer_start: "x" }] },
                { id: "4", question: "q4", answers: [] },
              ],
            },
          ],
        },
      ],
    };
    const text = JSON.stringify(squad, null, 1);
    const lineOf = (needle: string) => text.slice(0, text.indexOf(needle)).split("\n").length;
    const report = await validate(dataset("squad-v1", "train.json.gz", gzipSync(text)));
    expect(places(report, "answer-not-found")[0]).toMatch(new RegExp(`^${lineOf('"id": "2"') - 1}:`));
    expect(places(report, "missing-field")[0]).toMatch(new RegExp(`^${lineOf('"answer_start": "x"')}:`));
    expect(places(report, "no-answer-given")[0]).toMatch(new RegExp(`^${lineOf('"id": "4"') - 1}:`));
    expect(report).toMatchObject({ read: 4, accepted: 1 });
  });

  it("are refused as a whole where the file is not JSON, with the place", async () => {
    const report = await validate(dataset("squad-v2", "broken.json", '{"data": [\n {"paragraphs": [oops]}]}'));
    expect(places(report, "bad-json")).toEqual(["2:18"]);
    expect(report).toMatchObject({ read: 1, rejected: 1, usable: false });
    const lineWise = await validate(
      dataset("qa", "broken.jsonl", `${row({ answer: "London" })}\n{"question": 1,}\n[1]\n`),
    );
    expect(places(lineWise, "bad-json")).toEqual(["2:16", "3:1"]);
  });
});

describe("a user's multiple-choice data", () => {
  it("takes the right choice as index, letter or text, from lists or numbered columns", async () => {
    const jsonl = dataset(
      "multiple-choice",
      "c.jsonl",
      lines(
        JSON.stringify({ question: "q1", choices: ["x", "y"], answer: 1 }),
        JSON.stringify({ question: "q2", options: ["x", "y", "z"], answer: "C" }),
        JSON.stringify({ question: "q3", context: "story", choices: ["x", "y"], answer: "x" }),
      ),
    );
    const csv = dataset(
      "multiple-choice",
      "c.csv",
      lines("question,choice_1,choice_2,choice_3,answer", "q1,x,y,,B", "q2,x,y,z,z"),
    );
    const answers = async (spec: DatasetSpec) => {
      expect((await validate(spec)).usable).toBe(true);
      const found = [];
      for await (const example of acceptedExamples(spec)) if (example.kind === "choice") found.push(example.answer);
      return found;
    };
    expect(await answers(jsonl)).toEqual([1, 2, 0]);
    expect(await answers(csv)).toEqual([1, 2]);
  });

  it("refuses one choice, and an answer that is none of them", async () => {
    const spec = dataset(
      "multiple-choice",
      "c.jsonl",
      lines(
        JSON.stringify({ question: "q", choices: ["x"], answer: 0 }),
        JSON.stringify({ question: "q", choices: ["x", "y"], answer: "D" }),
        JSON.stringify({ question: "q", choices: ["x", "y"] }),
      ),
    );
    const report = await validate(spec);
    expect(kinds(report)).toEqual(expect.arrayContaining(["too-few-choices", "bad-answer", "missing-field"]));
    expect(report.accepted).toBe(0);
  });
});

describe("official data", () => {
  it("is refused for a label that the task does not have", async () => {
    const report = await validate(
      dataset("sst-2", "train.tsv", lines("sentence\tlabel", "good\t1", "bad\t0", "odd\t2")),
    );
    expect(places(report, "unknown-label")).toEqual(["4:1"]);
    expect(report.usable).toBe(false);
  });

  it("passes over short QQP rows as the official reader does, and says so", async () => {
    const header = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate";
    const report = await validate(
      dataset("qqp", "train.tsv", lines(header, "0\t1\t2\ta\tb\t1", "3\t4\tonly", "5\t6\t7\tc\td\t0")),
    );
    expect(report).toMatchObject({ read: 3, accepted: 2, rejected: 1, erroneous: 0, usable: true });
    expect(kinds(report)).toEqual(["skipped-by-official-reader"]);
  });
});

describe("a split", () => {
  const example = (text: string) =>
    ({ kind: "classification", id: text, text, location: { file: "f", line: 1, column: 1 } }) as const;

  it("keeps its decision about each text, whatever else the data holds, near the share asked for", () => {
    const rule = { share: 0.2, seed: 1 };
    const texts = Array.from({ length: 2000 }, (_, i) => `text ${i}`);
    const held = texts.filter((text) => isHeldOut(example(text), rule));
    expect(held.length / texts.length).toBeGreaterThan(0.16);
    expect(held.length / texts.length).toBeLessThan(0.24);
    expect(texts.filter((text) => isHeldOut(example(text), rule))).toEqual(held);
    expect(texts.filter((text) => isHeldOut(example(text), { ...rule, seed: 2 }))).not.toEqual(held);
  });

  it("holds out a document with all of its questions", () => {
    const question = (id: number, document: string) =>
      ({
        kind: "question",
        id: String(id),
        question: `q${id}`,
        context: "c",
        answers: [],
        isImpossible: true,
        document,
        location: { file: "f", line: 1, column: 1 },
      }) as const;
    for (let d = 0; d < 50; d++) {
      const sides = [0, 1, 2].map((id) => isHeldOut(question(id, `doc ${d}`), { share: 0.5, seed: 3 }));
      expect(new Set(sides).size).toBe(1);
    }
  });

  it("holds out only whole sentences, and trains on no phrase of them", () => {
    const sentences = Array.from({ length: 40 }, (_, i) => `the film number ${i} is a joy`);
    const texts = sentences.flatMap((sentence) => {
      const words = sentence.split(" ");
      return [sentence, words.slice(2, 4).join(" "), words.slice(3).join(" ")];
    });
    const { heldOut, dropped } = phraseSplit([...texts, "a joy", "unrelated words"], { share: 0.3, seed: 7 });
    expect(heldOut.size).toBeGreaterThan(3);
    expect([...heldOut].every((i) => i % 3 === 0 || i === texts.length + 1)).toBe(true);
    for (const i of heldOut)
      if (i < texts.length) expect([dropped.has(i + 1), dropped.has(i + 2)]).toEqual([true, true]);
    expect(dropped.has(texts.length)).toBe(true);
    const kept = texts.map((_, i) => i).filter((i) => i % 3 === 0 && !heldOut.has(i));
    for (const i of kept) expect(dropped.has(i + 1)).toBe(false);
  });
});
