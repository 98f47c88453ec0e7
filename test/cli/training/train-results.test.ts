import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { albert, type TinyFolder, tinyFolder } from "../tiny-run.ts";

let folder: TinyFolder;
beforeAll(() => {
  folder = tinyFolder();
});
afterAll(() => folder.remove());

const SQUAD = JSON.stringify({
  version: "v2.0",
  data: [
    {
      title: "t",
      paragraphs: [
        {
          context: "the cat sat on the mat and the dog ran on the yard .",
          qas: [
            { id: "a", question: "who sat", answers: [{ text: "cat", answer_start: 4 }], is_impossible: false },
            { id: "b", question: "who ran", answers: [{ text: "dog", answer_start: 31 }], is_impossible: false },
            { id: "c", question: "a bird", answers: [], is_impossible: true },
          ],
        },
      ],
    },
  ],
});
const v1 = JSON.parse(SQUAD);
v1.data[0].paragraphs[0].qas.pop();
const RACE = `${JSON.stringify({
  id: "high1",
  article: "the cat sat on the mat .",
  questions: ["who sat", "the mat _"],
  options: [
    ["a cat", "a dog"],
    ["sat", "ran"],
  ],
  answers: ["A", "B"],
})}\n`;
const SST = "sentence\tlabel\na fine film\t1\na dull film\t0\na lovely film\t1\nthe bore\t0\n";

const SETTINGS = ["--train_step=2", "--train_batch_size=2", "--max_seq_length=16", "--threads", "1"];
const QUESTIONS = ["--doc_stride=4", "--max_query_length=4", "--max_qa_length=8"];

describe("albert train", () => {
  it.each([
    ["sst-2", "sst.tsv", SST, ["submit_results.tsv", "test_results.tsv"]],
    ["squad-v1", "v1.json", JSON.stringify(v1), ["nbest_predictions.json", "predictions.json"]],
    ["squad-v2", "v2.json", SQUAD, ["nbest_predictions.json", "null_odds.json", "predictions.json"]],
    ["race", "race.txt", RACE, ["predictions.json"]],
  ])(
    "leaves the prediction files that albert evaluate writes for its model: %s",
    async (task, name, content, files) => {
      const data = folder.write(name, content);
      const output = join(folder.path, task);
      const own = task === "squad-v1" || task === "squad-v2" ? QUESTIONS.slice(0, 2) : [];
      const training = await albert(
        ...["train", "--task", task, "--train", data, "--eval", data, "--output", output, "--json"],
        ...[...folder.start, ...SETTINGS, ...own],
      );
      expect(training.error).toBeUndefined();
      const result = JSON.parse(training.printed);
      expect(result.predictionFiles).toEqual(expect.arrayContaining(files.map((file) => join(`${output}.run`, file))));
      const evaluated = join(folder.path, `${task}-evaluated`);
      const evaluation = await albert(
        ...["evaluate", "--task", task, "--model", output, "--data", data, "--output", evaluated, "--threads", "1"],
        ...["--json", ...own],
      );
      expect(evaluation.error).toBeUndefined();
      expect(readdirSync(evaluated).sort()).toEqual(["eval_results.txt", ...files].sort());
      for (const file of files) {
        const [ours, theirs] = [`${output}.run`, evaluated].map((at) => readFileSync(join(at, file), "utf8"));
        expect(ours, file).toBe(theirs);
      }
      expect(JSON.parse(evaluation.printed).metrics).toEqual(result.metrics);
    },
  );

  it("evaluates MNLI's mismatched data besides, under the official names, and for no other task", async () => {
    const row = (id: number, premise: string, hypothesis: string, label: string) =>
      [id, ...Array(7).fill("x"), premise, hypothesis, ...Array(5).fill("y"), label].join("\t");
    const header = [...Array(15).fill("h"), "gold_label"].join("\t");
    const rows = [
      row(0, "a cat sat", "a cat ran", "contradiction"),
      row(1, "a cat sat", "a cat sat", "entailment"),
      row(2, "a cat sat", "a dog sat", "neutral"),
    ];
    const matched = folder.write("dev_matched.tsv", `${[header, ...rows].join("\n")}\n`);
    const mismatched = folder.write("dev_mismatched.tsv", `${[header, ...rows.slice(1)].join("\r\n")}\r\n`);
    const output = join(folder.path, "mnli");
    const flags = [
      "--train",
      matched,
      "--eval",
      matched,
      "--eval-mismatched",
      mismatched,
      ...folder.start,
      ...SETTINGS,
    ];
    const { printed, error } = await albert("train", "--task", "mnli", ...flags, "--output", output, "--json");
    expect(error).toBeUndefined();
    const { metrics } = JSON.parse(printed);
    expect(Object.keys(metrics)).toEqual(expect.arrayContaining(["eval_accuracy", "mnli-mm/eval_accuracy"]));
    const results = readFileSync(join(`${output}.run`, "mnli-mm/eval_results.txt"), "utf8");
    expect(results).toMatch(/^eval_accuracy = .*\neval_loss = .*\n.*\nglobal_step = [12]\n/);
    expect(readFileSync(join(`${output}.run`, "mnli-mm/submit_results.tsv"), "utf8").split("\n")).toHaveLength(4);
    const other = await albert("train", "--task", "rte", ...flags, "--output", join(folder.path, "rte"));
    expect(other.error).toMatch(/eval-mismatched: only MNLI has mismatched data/);
  });

  it("reads a RACE folder as the official reader does: all.txt alone, middle school first", async () => {
    const article = (id: string) => RACE.replace("high1", id);
    for (const level of ["high", "middle"]) mkdirSync(join(folder.path, `RACE/train/${level}`), { recursive: true });
    folder.write("RACE/train/high/1.txt", article("apart"));
    folder.write("RACE/train/high/all.txt", article("high"));
    folder.write("RACE/train/middle/7.txt", article("middle"));
    const data = join(folder.path, "RACE");
    const output = join(folder.path, "race-folder");
    const flags = ["--train", data, "--eval", join(data, "train/high/all.txt"), ...folder.start, ...SETTINGS];
    const { printed, error } = await albert(
      "train",
      "--task",
      "race",
      ...flags,
      "--plan",
      "--output",
      output,
      "--json",
    );
    expect(error).toBeUndefined();
    expect(JSON.parse(printed).examples).toBe(4);
  });
});
