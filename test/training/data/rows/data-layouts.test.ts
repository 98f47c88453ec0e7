import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Example, TaskName } from "../../../../src/tasks/datasets/examples.ts";
import { officialExamples } from "../../../../src/tasks/datasets/official-examples.ts";
import type { DatasetReport, IssueKind } from "../../../../src/training/data/dataset-report.ts";
import { acceptedExamples, type DatasetSpec } from "../../../../src/training/data/rows/dataset-rows.ts";
import { parseColumns } from "../../../../src/training/data/rows/fields.ts";
import { validateDataset } from "../../../../src/training/data/validate-dataset.ts";

const directory = mkdtempSync(join(tmpdir(), "albert-layouts-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let files = 0;

function file(name: string, content: string | Uint8Array): string {
  const folder = join(directory, String(files++));
  mkdirSync(folder);
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

function dataset(task: TaskName, name: string, content: string, rest: Partial<DatasetSpec> = {}): DatasetSpec {
  return { task, paths: [file(name, content)], ...rest };
}

async function all(examples: AsyncIterable<Example>): Promise<Example[]> {
  const found: Example[] = [];
  for await (const example of examples) found.push(example);
  return found;
}

function told(report: DatasetReport, kind: IssueKind): string[] {
  return report.issues.find((issue) => issue.kind === kind)?.occurrences.map(({ detail }) => detail) ?? [];
}

const CONTEXT = "The ferry to Lunna leaves at dawn.";
const answers = { text: ["at dawn"], answer_start: [26] };
const none = { text: [], answer_start: [] };
const record = (id: string | number, more: object = { answers }) => ({
  id,
  title: "Lunna",
  context: CONTEXT,
  question: "When does it leave?",
  ...more,
});
const lines = (...rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

describe("questions as flat records", () => {
  const rows = [record(7), record("b", { answers: [{ text: "at dawn", answer_start: 26 }] })];
  const layouts: readonly (readonly [string, string])[] = [
    ["list.json", JSON.stringify(rows)],
    ["object.json", JSON.stringify({ version: 2, data: rows }, null, 2)],
    ["rows.jsonl", lines(...rows)],
    ["rows-under-another-name.json", lines(...rows)],
    ["list-under-another-name.jsonl", JSON.stringify(rows, null, 1)],
    ["windows.jsonl", lines(...rows).replaceAll("\n", "\r\n")],
  ];
  const tasks = ["squad-v1", "squad-v2", "qa"] as const;

  it.each(tasks.flatMap((task) => layouts.map((layout) => [task, ...layout] as const)))(
    "are read for %s from %s, ids as text",
    async (task, name, content) => {
      const spec = dataset(task, name, content);
      expect(await validateDataset(spec)).toMatchObject({ read: 2, accepted: 2, usable: true });
      const trained = await all(acceptedExamples(spec));
      const expected = ["7", "b"].map((id) => ({
        id,
        context: CONTEXT,
        isImpossible: false,
        answers: [{ text: "at dawn", answerStart: 26 }],
      }));
      expect(trained).toMatchObject(expected);
      if (task === "qa") return;
      expect(await all(officialExamples(task, spec.paths[0]!, "dev"))).toMatchObject(expected);
    },
  );

  it("keep to one rule about questions without an answer, in every format", async () => {
    const mixed = [
      record(1),
      record(2, { answers: none }),
      record(3, { answers: [] }),
      record(4, { is_impossible: true }),
    ];
    const contradiction = record(5, { answers: [], is_impossible: false });
    const nested = (rows: readonly object[]) =>
      JSON.stringify({ data: [{ paragraphs: [{ context: CONTEXT, qas: rows }] }] });
    const write = (rows: readonly object[]): readonly (readonly [string, string])[] => [
      ["a.jsonl", lines(...rows)],
      ["a.json", JSON.stringify(rows)],
      ["nested.json", nested(rows)],
    ];
    for (const task of ["qa", "squad-v2"] as const) {
      for (const [name, content] of write(mixed)) {
        const report = await validateDataset(dataset(task, name, content));
        expect([name, task, report.labels]).toEqual([name, task, { answerable: 1, impossible: 3 }]);
      }
      for (const [name, content] of write([record(1), contradiction])) {
        const report = await validateDataset(dataset(task, name, content));
        expect(told(report, "no-answer-given"), name).toHaveLength(1);
      }
    }
    const v1 = await validateDataset(dataset("squad-v1", "v1.jsonl", lines(...mixed)));
    expect(told(v1, "no-answer-given")).toHaveLength(3);
  });

  it("are refused with the place and the words for what is wrong", async () => {
    const wrong = [
      record(2 ** 60),
      record("a", { answers: { text: ["x", "y"], answer_start: [1] } }),
      record("b", { answers: "at dawn" }),
    ];
    const details = [
      /below 2\^53.*write it as a string/,
      /as many texts as answer_starts, got 2 and 1/,
      /expected a list, got string/,
    ];
    for (const [name, content] of [
      ["w.jsonl", lines(...wrong)],
      ["w.json", `[\n${wrong.map((row) => JSON.stringify(row)).join(",\n")}\n]`],
    ] as const) {
      const report = await validateDataset(dataset("squad-v2", name, content));
      const issue = report.issues.find(({ kind }) => kind === "missing-field")!;
      issue.occurrences.forEach(({ detail, location }, i) => {
        expect(detail).toMatch(details[i]!);
        expect(location.line).toBe(name === "w.json" ? i + 2 : i + 1);
      });
      expect(issue.count).toBe(3);
      await expect(all(officialExamples("squad-v2", file(name, content), "dev"))).rejects.toThrow(/and 2 more/);
    }
  });
});

describe("rows in JSON documents", () => {
  it("are read like those of JSON Lines, with their places", async () => {
    const rows = [
      { text: "calm", label: "good" },
      { text: "loud", label: null },
      { text: "", label: "bad" },
      { text: "wet", label: "bad" },
    ];
    const content = `{"data": [\n${rows.map((row) => JSON.stringify(row)).join(",\n")}]}`;
    const report = await validateDataset(dataset("classification", "rows.json", content));
    expect(report).toMatchObject({ read: 4, accepted: 2, labels: { good: 1, bad: 1 } });
    const places = (kind: IssueKind) => report.issues.find((issue) => issue.kind === kind)!.occurrences[0]!.location;
    expect(places("missing-label")).toMatchObject({ line: 3, column: 1 });
    expect(places("empty-text")).toMatchObject({ line: 4, column: 9 });
  });

  it("must be a list", async () => {
    const report = await validateDataset(
      dataset("classification", "o.json", '{\n"text": {"0": "a"},\n"label": {"0": "b"}}'),
    );
    expect(told(report, "bad-json")).toEqual(["expected a list of rows, or an object whose data is such a list"]);
  });
});

describe("choices in columns", () => {
  const rows =
    "id,sent1,sent2,ending0,ending1,ending2,label\n1,A cook.,She,stirs,paints,sings,0\n2,A girl.,He,reads,glides,,1\n";

  it.each([
    ["as they are", "swag.csv", rows, undefined],
    [
      "named one by one",
      "own.csv",
      rows.replace("ending0,ending1,ending2", "first,second,third"),
      "choices=first|second|third",
    ],
    [
      "of one stem and letters",
      "letters.csv",
      rows.replace("ending0,ending1,ending2", "optionA,optionB,optionC"),
      undefined,
    ],
    [
      "named in JSON Lines",
      "own.jsonl",
      lines(
        { q: "She", x: "stirs", y: "paints", z: "sings", label: 0 },
        { q: "He", x: "reads", y: "glides", z: "", label: 1 },
      ),
      "question=q,choices=x|y|z",
    ],
  ] as const)("are read %s (%s)", async (_, name, content, columns) => {
    const own = columns === undefined ? {} : { columns: parseColumns(columns, "--columns") };
    const spec = dataset("multiple-choice", name, content, own);
    expect(await validateDataset(spec)).toMatchObject({ accepted: 2, usable: true });
    expect(await all(acceptedExamples(spec))).toMatchObject([
      { choices: ["stirs", "paints", "sings"], answer: 0 },
      { choices: ["reads", "glides"], answer: 1 },
    ]);
  });

  it("are told where one is empty, absent, or where answers seem to count from 1", async () => {
    const gap = await validateDataset(dataset("multiple-choice", "gap.csv", "question,A,B,C,answer\nq,x,,z,2\n"));
    expect(told(gap, "empty-text")).toEqual(["choice 2 of 3 is empty"]);
    const named = { columns: parseColumns("choices=ending0|ending9", "--columns") };
    const absent = await validateDataset(dataset("multiple-choice", "absent.csv", rows, named));
    expect(told(absent, "missing-column")).toEqual([
      "no column ending9; the header has id, sent1, sent2, ending0, ending1, ending2, label",
    ]);
    const fromOne = await validateDataset(dataset("multiple-choice", "one.csv", "question,A,B,answer\nq,x,y,2\n"));
    expect(told(fromOne, "bad-answer")).toEqual(["not one of the 2 choices, which are counted from 0"]);
  });

  it("are named in words that are checked", () => {
    for (const [text, says] of [
      ["txt=review", /"txt" is no field of data: expected id, text, /],
      ["text", /--columns: expected field=column, got "text"/],
      ["choices=a,choices=b", /choices is given twice/],
    ] as const) {
      expect(() => parseColumns(text, "--columns")).toThrow(says);
    }
  });
});

describe("delimited text", () => {
  const table = (separator: string, end = "\n") =>
    [`text,label`, `"one; two, three\tfour | five",good`, `plain,bad`]
      .map((line) => line.replace(/,(label|good|bad)$/, `${separator}$1`) + end)
      .join("");

  it.each([
    ["commas", "a.csv", table(","), undefined],
    ["semicolons", "a.csv", table(";"), /separated by semicolons, where \.csv files usually have commas/],
    ["tabs", "a.csv", table("\t"), /separated by tabs/],
    ["vertical bars", "a.csv", table("|"), /separated by vertical bars/],
    ["a declared separator", "a.csv", `sep=;\r\n${table(";", "\r\n")}`, /the first line says so/],
    ["semicolons in a .tsv", "a.tsv", table(";"), /where \.tsv files usually have tabs/],
    ["a byte order mark and CRLF", "a.csv", `\ufeff${table(";", "\r\n")}`, /separated by semicolons/],
  ])("is read with %s, and anything unusual said", async (_, name, content, says) => {
    const spec = dataset("classification", name, content);
    const report = await validateDataset(spec);
    expect(report).toMatchObject({ accepted: 2, usable: true });
    expect(await all(acceptedExamples(spec))).toMatchObject([
      { text: "one; two, three\tfour | five", label: "good" },
      { text: "plain", label: "bad" },
    ]);
    if (says === undefined) expect(report.issues).toEqual([]);
    else expect(told(report, "other-separator")[0]).toMatch(says);
  });

  it("may hold texts of thousands of lines, and goes on behind a quote that is never closed", async () => {
    const text = Array.from({ length: 5000 }, (_, i) => `line ${i}`).join("\r\n");
    const spec = dataset(
      "classification",
      "long.csv",
      `text,label\r\n"${text}",good\r\nshort,bad\r\n"open,bad\r\nlast,good\r\n`,
    );
    const report = await validateDataset(spec);
    expect(told(report, "bad-quoting")).toHaveLength(1);
    const [long, short, last] = await all(acceptedExamples(spec));
    expect(long).toMatchObject({ text: text.replaceAll("\r\n", "\n") });
    expect([short, last]).toMatchObject([{ location: { line: 5002 } }, { text: "last", location: { line: 5004 } }]);
  });

  it("must not have two columns of a name that is used", async () => {
    const report = await validateDataset(dataset("classification", "twice.csv", "text,label,text\na,x,b\n"));
    expect(told(report, "missing-column")).toEqual(["two columns are called text: rename one of them"]);
  });
});

describe("files that are no rows as they stand", () => {
  it.each([
    [
      "old.csv",
      "text,label\rfine,yes\rbad,no\r",
      "missing-column",
      /lines end in carriage returns alone: save it with/,
    ],
    [
      "columns.json",
      '{"text": ["fine", "bad"], "label": ["yes", "no"]}',
      "missing-field",
      /one object for each row \(pandas/,
    ],
    ["index.json", '{"text": {"0": "fine"}, "label": {"0": "yes"}}', "missing-field", /one object for each row/],
    ["nan.jsonl", '{"text": "a", "label": "b", "x": NaN}\n', "bad-json", /NaN is no number of JSON; write null/],
    ["low.jsonl", '{"text": "a", "label": "b", "x": -Infinity}\n', "bad-json", /-Infinity is no number of JSON/],
    ["wide.csv", `${"x".repeat(5000)}\n`, "missing-column", /the header has x{200}…$/],
  ] as const)("say what to do: %s", async (name, content, kind, says) => {
    expect(told(await validateDataset(dataset("classification", name, content)), kind)[0]).toMatch(says);
  });

  it.each([
    ["table.parquet", "PAR1".padEnd(80, "\x01"), /table\.parquet is a Parquet file/],
    ["table.xlsx", "PK\x03\x04".padEnd(80, "\x01"), /table\.xlsx is a zip archive \(as Excel/],
    ["notes.txt", "fine,yes\n", /expected a name ending in \.csv/],
  ])("are refused by what they are: %s", async (name, content, says) => {
    await expect(validateDataset(dataset("classification", name, content))).rejects.toThrow(says);
  });

  it("may be no folder", async () => {
    const spec: DatasetSpec = { task: "classification", paths: [directory] };
    await expect(validateDataset(spec)).rejects.toThrow(/it is a folder, and a file is expected here/);
  });
});

describe("labels", () => {
  /** A report about these labels beside fifteen rows each of two sound ones. */
  async function judge(labels: readonly string[], sound = ["good", "bad"]): Promise<DatasetReport> {
    const rows = [...Array.from({ length: 30 }, (_, i) => sound[i % 2]!), ...labels];
    const content = lines(...rows.map((label, i) => ({ text: `text ${i}`, label })));
    return validateDataset(dataset("classification", "labels.jsonl", content));
  }

  it.each([
    [["nan", "nan"], "label-looks-missing", '2 rows labelled "nan"'],
    [["NULL", "NULL"], "label-looks-missing", '2 rows labelled "NULL"'],
    [["-1", "-1", "-1"], "label-looks-missing", '3 rows labelled "-1"'],
    [["Good", "Good"], "labels-look-alike", '"Good" (2 rows) and "good" (15 rows)'],
    [["good\u200b", "good\u200b"], "labels-look-alike", '"good\u200b" (2 rows) and "good" (15 rows)'],
    [[" good "], "label-trimmed", 'read as "good"'],
    [["godo"], "label-of-one-row", '1 row labelled "godo"'],
    [["goood"], "label-of-one-row", '1 row labelled "goood"; is "good" meant?'],
  ] as const)("%j are warned of as %s", async (labels, kind, detail) => {
    const report = await judge(labels);
    expect(told(report, kind)).toEqual([detail]);
    expect(report.issues.find((issue) => issue.kind === kind)).toMatchObject({ severity: "warning", count: 1 });
    expect(report.usable).toBe(true);
  });

  it("that are numbers may not be missing", async () => {
    const report = await judge(["nan"], ["0", "1"]);
    expect(report.usable).toBe(false);
    expect(told(report, "label-is-no-value")).toEqual(['1 row labelled "nan", where the other labels are numbers']);
    expect(told(await judge(["1.0", "1.0"], ["0", "1"]), "labels-look-alike")).toEqual([
      '"1.0" (2 rows) and "1" (15 rows)',
    ]);
    expect((await judge(["-1", "-1"], ["-2", "1"])).issues).toEqual([]);
  });

  it("that differ in every row are of the wrong column", async () => {
    const content = lines(...Array.from({ length: 25 }, (_, i) => ({ text: `text ${i}`, label: `row ${i}` })));
    const spec = dataset("classification", "ids.jsonl", content);
    expect(told(await validateDataset(spec), "label-for-each-row")).toEqual(["25 labels in 25 rows"]);
    expect(told(await validateDataset(spec, { purpose: "evaluation" }), "label-for-each-row")).toEqual([]);
  });

  it("count whatever they are called", async () => {
    const report = await judge(["__proto__", "constructor", "__proto__"]);
    expect(Object.entries(report.labels)).toEqual([
      ["__proto__", 2],
      ["bad", 15],
      ["constructor", 1],
      ["good", 15],
    ]);
  });
});

describe("a RACE folder", () => {
  const article = JSON.stringify({
    article: "text",
    questions: ["q?"],
    options: [["a", "b"]],
    answers: ["B"],
    id: "1",
  });

  it("is read without what is hidden in it", async () => {
    const folder = join(directory, "race");
    for (const name of [
      "dev/high/1.txt",
      "dev/high/._1.txt",
      "dev/.git/2.txt",
      "__MACOSX/dev/high/3.txt",
      "dev/high/.DS_Store",
    ]) {
      mkdirSync(join(folder, name, ".."), { recursive: true });
      writeFileSync(join(folder, name), name === "dev/high/1.txt" ? article : "\0\x05\x16\x07 no article");
    }
    expect(await all(officialExamples("race", folder, "dev"))).toHaveLength(1);
    expect(await validateDataset({ task: "race", paths: [folder], split: "dev" })).toMatchObject({
      read: 1,
      accepted: 1,
    });
  });

  it.each(["dev", "train"] as const)("of another split than %s is refused with what it holds", async (split) => {
    const folder = join(directory, `only-test-${split}`);
    mkdirSync(join(folder, "test/high"), { recursive: true });
    writeFileSync(join(folder, "test/high/1.txt"), article);
    const says = new RegExp(
      `only-test-${split}: expected articles below a folder called ${split}, found only those of test`,
    );
    await expect(all(officialExamples("race", folder, split))).rejects.toThrow(says);
    await expect(validateDataset({ task: "race", paths: [folder], split })).rejects.toThrow(says);
  });
});
