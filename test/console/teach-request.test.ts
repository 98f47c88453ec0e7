import { describe, expect, it } from "vitest";
import { namedColumns, readingInAddress, readingOf, withColumn } from "../../src/console/parts/data/reading.ts";
import { nameInStore } from "../../src/console/parts/words/name-in-store.ts";
import { editsOf, inWords, NOTHING } from "../../src/console/views/data/pending.ts";
import { againstGuessing } from "../../src/console/views/teach/against-guessing.ts";
import { fieldsOf, inAddress, specOf } from "../../src/console/views/teach/teach-request.ts";
import type { EvaluationReport } from "../../src/report/evaluation-report.ts";

describe("what the page of teaching asks for", () => {
  it("stands in its address, and comes back from there", () => {
    const address = { data: "d1", task: "qa", separator: "tab", columns: "question=Q", skip: "0.1", name: "tickets" };
    const more = { start: "encoder@1", more: "d2", share: "25", eval: "d3", steps: "20", promote: "no" };
    const fields = fieldsOf(new URLSearchParams({ ...address, ...more }));
    expect(inAddress(fields)).toEqual({ ...address, ...more });
    const bare = inAddress(fieldsOf(new URLSearchParams()));
    expect(Object.values(bare).filter((value) => value !== "")).toEqual([]);
  });

  it("is a job that takes its labels from the data where the start is another model", () => {
    const given = {
      data: "d1",
      columns: "text=Message",
      name: " tickets ",
      start: "encoder@1",
      skip: "0.1",
      eval: "d3",
    };
    expect(specOf(fieldsOf(new URLSearchParams(given)))).toMatchObject({
      ...{
        model: "tickets",
        task: "classification",
        init: "encoder@1",
        train: { dataset: "d1" },
        eval: { dataset: "d3" },
      },
      recipe: { columns: "text=Message", skip_invalid: "0.1", labels_from: "data" },
    });
    const on = specOf(fieldsOf(new URLSearchParams({ data: "d1", name: "tickets", more: "d2", share: "25" })));
    expect(on).toMatchObject({
      trainWeight: 75,
      furtherTrain: [{ source: { dataset: "d2" }, weight: 25 }],
      recipe: {},
    });
  });
});

describe("how a file is read", () => {
  it("names the columns that are not found by themselves", () => {
    const reading = readingOf(new URLSearchParams("columns=text=Message,label=Team"));
    expect(namedColumns(reading)).toEqual({ text: "Message", label: "Team" });
    expect(withColumn(withColumn(reading, "text", ""), "text_pair", "Note").columns).toBe("label=Team,text_pair=Note");
    expect(readingInAddress(reading)).toEqual({ task: "", separator: "", columns: "text=Message,label=Team" });
  });
});

it.each([
  ["My tickets (new).csv", "My-tickets-new.csv"],
  ["Übersicht 1.2.tsv.gz", "U-bersicht-1.2.tsv.gz"],
  ["..hidden", "data.hidden"],
  ["日本.jsonl", "data.jsonl"],
  [`${"x".repeat(90)}.csv`, `${"x".repeat(60)}.csv`],
])("the file %j is stored as %s", (name, stored) => {
  expect(nameInStore(name)).toBe(stored);
  expect(nameInStore(stored)).toBe(stored);
});

it("changes of data are told in words and as the call takes them", () => {
  const pending = {
    leaveOut: [3],
    problems: ["empty-text"],
    rows: { 7: { text: "a" } },
    labels: [["x", "y"]] as const,
  };
  expect(inWords(pending)).toBe('1 row changed, 1 row left out, all with "empty text" left out, label x written y');
  expect(editsOf(pending)).toEqual({
    ...{ leaveOut: [3], leaveOutProblems: ["empty-text"], renameLabels: [{ from: "x", to: "y" }] },
    edits: [{ row: 7, cells: [{ column: "text", value: "a" }] }],
  });
  expect(inWords(NOTHING)).toBe("");
});

describe("the verdict against guessing", () => {
  const report = (value: number, supports: readonly number[]) =>
    ({
      kind: "single-label",
      data: { examples: 100, judged: 100 },
      figures: [{ name: "eval_accuracy", value, low: value, high: value }],
      classes: supports.map((support, i) => ({ label: "ab"[i], support })),
    }) as unknown as EvaluationReport;

  it.each([
    [0.9, /would be right in 60.0 %: it has learnt to tell them apart\./],
    [0.65, /: whether it has learnt more than that, so few rows do not show\./],
    [0.6, /: it is no better than guessing\. Teach it longer/],
  ])("of %d says so", (value, says) => {
    const [first, second] = againstGuessing(report(value, [60, 40]));
    expect(first).toContain("of 100 rows that it was not taught");
    expect(second).toMatch(says);
    expect(second).toContain('Saying "a" of every row');
  });

  it("is sure of nothing, even where every row was right", () => {
    const [first] = againstGuessing(report(1, [60, 40]));
    expect(first).toContain(
      "Right in 100.0 % of 100 rows that it was not taught; of others like them likely in 96.3 % to",
    );
  });
});
