import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ANY_ERROR, type RowEdits, writeEdited } from "../../../../src/training/data/editing/edit-rows.ts";
import { listRows, type RowsWanted } from "../../../../src/training/data/editing/list-rows.ts";
import { writeSplit } from "../../../../src/training/data/editing/split-rows.ts";
import type { DatasetSpec } from "../../../../src/training/data/rows/dataset-rows.ts";
import { validateDataset } from "../../../../src/training/data/validate-dataset.ts";

const directory = mkdtempSync(join(tmpdir(), "albert-editing-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let files = 0;
const newPath = (name: string) => join(directory, `${files++}-${name}`);

function dataset(name: string, content: string, rest: Partial<DatasetSpec> = {}): DatasetSpec {
  const path = newPath(name);
  writeFileSync(path, content);
  return { task: "classification", paths: [path], ...rest };
}

async function edited(spec: DatasetSpec, edits: Partial<RowEdits>, ending = "csv") {
  const output = newPath(`new.${ending}`);
  const none = {
    leaveOut: new Set<number>(),
    leaveOutProblems: new Set<string>(),
    values: new Map(),
    labels: new Map(),
  };
  const counts = await writeEdited(spec, { ...none, ...edits }, output);
  return { counts, text: readFileSync(output, "utf8") };
}

const list = (spec: Parameters<typeof listRows>[0], wanted: Partial<RowsWanted> = {}) =>
  listRows(spec, { problem: "", label: "", text: "", offset: 0, limit: 100, ...wanted });

const TICKETS = `sep=;
Nr;Message;Team
1;"It is ""broken""; twice";billing
2;Where is it;shipping
3;;shipping
4;I was charged; again;billing
5;Where is it;billing
6;Nothing works;biling
7;Where is it;shipping
`;
const READING = { columns: { text: "Message", label: "Team" } } as const;

describe("rows of data", () => {
  it("are listed with their values and all that is wrong with each", async () => {
    const { rows, ...rest } = await list(dataset("tickets.csv", TICKETS, READING));
    expect(rest).toMatchObject({
      ...{ matching: 7, columns: ["Nr", "Message", "Team"], separator: "semicolon" },
      fields: { text: "Message", label: "Team" },
    });
    expect(rows.map(({ number, line, usable }) => [number, line, usable])).toEqual([
      [1, 3, true],
      [2, 4, true],
      [3, 5, false],
      [4, 6, false],
      [5, 7, true],
      [6, 8, true],
      [7, 9, true],
    ]);
    expect(rows[0]!.values[1]).toEqual({ column: "Message", value: 'It is "broken"; twice', shortened: false });
    expect(rows.map(({ problems }) => problems.map(({ kind }) => kind))).toEqual([
      ...[[], [], ["empty-text"], ["wrong-column-count"], ["conflicting-labels"], [], ["duplicate-row"]],
    ]);
    expect(rows[3]).toMatchObject({ text: "4;I was charged; again;billing", values: { length: 4 } });
    expect(rows[3]!.problems[0]!.hint).toContain("must be quoted");
  });

  it("are found by problem, label and text, part by part", async () => {
    const spec = dataset("tickets.csv", TICKETS, READING);
    const numbers = async (wanted: Partial<RowsWanted>) => (await list(spec, wanted)).rows.map(({ number }) => number);
    expect(await numbers({ problem: "any" })).toEqual([3, 4, 5]);
    expect(await numbers({ problem: "duplicate-row" })).toEqual([7]);
    expect(await numbers({ label: "billing" })).toEqual([1, 5]);
    expect(await numbers({ text: "WHERE is" })).toEqual([2, 5, 7]);
    expect(await list(spec, { text: "where is", offset: 1, limit: 1 })).toMatchObject({
      ...{ matching: 3, rows: [{ number: 5 }] },
    });
  });

  it("are shown under the file's own columns before anything is known of them", async () => {
    const { paths } = dataset("own.csv", "a|b\nx|y\nz\n");
    const { rows, columns, separator } = await list({ task: undefined, paths });
    expect({ columns, separator }).toEqual({ columns: ["a", "b"], separator: "bar" });
    expect(rows.map(({ usable, values }) => [usable, values.map(({ value }) => value)])).toEqual([
      [true, ["x", "y"]],
      [false, ["z"]],
    ]);
    expect((await list({ task: undefined, paths, separator: "comma" })).columns).toEqual(["a|b"]);
    const lines = dataset("own.jsonl", '{"body": "x", "n": 1}\n');
    expect((await list({ task: undefined, paths: lines.paths })).columns).toEqual(["body", "n"]);
  });

  it("end where an answer would become too large, and long values are shortened", async () => {
    const long = JSON.stringify({ text: "word ".repeat(3_000), label: "a" });
    const { rows, matching } = await list(dataset("long.jsonl", `${long}\n`.repeat(700)), { limit: 700 });
    expect(matching).toBe(700);
    expect(rows.length).toBeGreaterThan(400);
    expect(rows.length).toBeLessThan(700);
    expect(rows[0]!.values[0]).toEqual({ column: "text", value: "word ".repeat(400), shortened: true });
  });
});

describe("data written anew", () => {
  it("keeps what nobody touched as it stood, and has the new values in its own format", async () => {
    const spec = dataset("tickets.csv", TICKETS, READING);
    const { counts, text } = await edited(spec, {
      leaveOut: new Set([7]),
      values: new Map([
        [3, new Map([["Message", 'Say "so"']])],
        [
          4,
          new Map([
            ["Message", "I was charged; again"],
            ["Team", "billing"],
          ]),
        ],
      ]),
      labels: new Map([["biling", "billing"]]),
    });
    expect(counts).toEqual({ rows: 6, leftOut: 1, changed: 3 });
    expect(text).toBe(`sep=;
Nr;Message;Team
1;"It is ""broken""; twice";billing
2;Where is it;shipping
3;"Say ""so""";shipping
;"I was charged; again";billing
5;Where is it;billing
6;Nothing works;billing
`);
    expect(await validateDataset(dataset("again.csv", text, READING))).toMatchObject({ usable: true, accepted: 6 });
  });

  it("leaves out the rows of a kind of problem, or all that cannot be used", async () => {
    const spec = dataset("tickets.csv", TICKETS, READING);
    const { counts } = await edited(spec, { leaveOutProblems: new Set([ANY_ERROR]) });
    expect(counts).toEqual({ rows: 5, leftOut: 2, changed: 0 });
    expect((await edited(spec, { leaveOutProblems: new Set(["duplicate-row"]) })).counts.leftOut).toBe(1);
  });

  it("keeps the kinds of values in JSON, whatever a key is called", async () => {
    const rows = '{"text":"a","label":1,"n":[1]}\nnot json\n{"text":"b","label":2,"__proto__":"p"}\n';
    const { text } = await edited(
      dataset("rows.jsonl", rows),
      {
        values: new Map([
          [
            2,
            new Map([
              ["text", "c"],
              ["label", "2"],
            ]),
          ],
        ]),
        labels: new Map([["1", "3"]]),
      },
      "jsonl",
    );
    expect(text).toBe(
      '{"text":"a","label":3,"n":[1]}\n{"text":"c","label":"2"}\n{"text":"b","label":2,"__proto__":"p"}\n',
    );
  });

  it.each<[string, string, Partial<RowEdits>, RegExp]>([
    ["a.csv", "text,label\na,x\n", { leaveOut: new Set([2]) }, /there is no row 2: the data has 1/],
    [
      "a.csv",
      "text,label\na,x\n",
      { values: new Map([[1, new Map([["Label", "y"]])]]) },
      /no column "Label"; the header has text, label/,
    ],
    [
      "a.tsv",
      "text\tlabel\na\tx\n",
      { values: new Map([[1, new Map([["text", "a\tb"]])]]) },
      /neither tabs nor line breaks/,
    ],
    ["a.csv", "text,label\na,x\n", { labels: new Map([["y", "z"]]) }, /nothing would change/],
    ["a.csv", "text,label\na,x\n", { leaveOut: new Set([1]) }, /leaves none of 1 rows/],
  ])("of %s %j is refused where it cannot be", async (name, content, edits, says) => {
    await expect(edited(dataset(name, content), edits)).rejects.toMatchObject({
      violations: [{ description: expect.stringMatching(says) }],
    });
  });
});

describe("a split", () => {
  const rows = Array.from({ length: 300 }, (_, i) => `text ${i % 290},${i % 10 === 0 ? "rare" : "common"}`);
  const spec = () => dataset("rows.csv", `text,label\n${rows.join("\n")}\n,broken\n`);
  const split = async (share: number, seed = 1) => {
    const outputs = { train: newPath("train.csv"), heldOut: newPath("held-out.csv") };
    const counts = await writeSplit(spec(), { share, seed }, outputs);
    const read = (path: string) => readFileSync(path, "utf8").trimEnd().split("\n").slice(1);
    return { counts, train: read(outputs.train), heldOut: read(outputs.heldOut) };
  };

  it("has the same share of every label on both sides, and no text on both", async () => {
    const { counts, train, heldOut } = await split(0.2);
    expect(counts).toEqual({ train: train.length, heldOut: heldOut.length, leftOut: 1 });
    expect([...train, ...heldOut].sort()).toEqual([...rows].sort());
    expect(heldOut.length).toBe(60);
    expect(heldOut.filter((row) => row.endsWith("rare")).length).toBe(6);
    const texts = new Set(train.map((row) => row.split(",")[0]));
    expect(heldOut.filter((row) => texts.has(row.split(",")[0]))).toEqual([]);
  });

  it("is the same for the same seed, and another for another", async () => {
    const [first, again, other] = [await split(0.2), await split(0.2), await split(0.2, 2)];
    expect(again.heldOut).toEqual(first.heldOut);
    expect(other.heldOut).not.toEqual(first.heldOut);
  });

  it("is refused where one side would be empty", async () => {
    await expect(split(0.0001)).rejects.toMatchObject({
      violations: [{ field: "held_out_share", description: "leaves nothing to hold out of 300 usable rows" }],
    });
  });
});

describe("a report for people", () => {
  it("says what a label may mean, and how long the rows are", async () => {
    const rows = Array.from({ length: 40 }, (_, i) => `${"word ".repeat(i + 1)}${i},${i % 2 ? "billing" : "shipping"}`);
    const spec = dataset("rows.csv", `text,label\n${rows.join("\n")}\nodd,biling\nodd one,Shipping\n`);
    const { meant, words } = await validateDataset(spec, { countLengths: true });
    expect([...meant]).toEqual([
      ["biling", "billing"],
      ["Shipping", "shipping"],
    ]);
    expect(words!.length).toBeLessThanOrEqual(20);
    expect(words!.reduce((sum, { rows: many }) => sum + many, 0)).toBe(42);
    expect(words!.at(-1)!.to).toBeGreaterThanOrEqual(41);
    const head = {
      kind: "classification",
      name: "classification",
      problemType: "single-label",
      labels: ["billing", "x"],
    } as const;
    const { issues } = await validateDataset(dataset("one.csv", "text,label\na,biling\n"), { head });
    expect(issues.find(({ kind }) => kind === "unknown-label")!.occurrences[0]!.detail).toContain(
      'is "billing" meant?',
    );
  });
});
