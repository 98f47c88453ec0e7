import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openModelDirectory } from "../../../src/model/directory/open-model-directory.ts";
import { BUNDLED_FIXTURES, missing } from "../../support/fixtures.ts";
import { albert, tinyFolder } from "../tiny-run.ts";

/** An interpreter that can import torch and transformers. */
const PYTHON = process.env["ALBERT_TEST_TRANSFORMERS_PYTHON"];
const SCRIPT = join(import.meta.dirname, "hugging_face.py");

const folder = tinyFolder();
afterAll(() => folder.remove());
const FAMILIES = ["bert", "electra", "distilbert"] as const;
const golden = (name: string) => join(BUNDLED_FIXTURES, "families", name);
const at = (name: string) => join(folder.path, name);

async function succeed(...args: string[]): Promise<string> {
  const { error, printed } = await albert(...args);
  expect(error).toBeUndefined();
  return printed;
}

describe("a checkpoint of another family", () => {
  it.each(FAMILIES)("%s is imported with its labels, and answers", async (family) => {
    const printed = await succeed("import", golden(`${family}-classification`), "--output", at(family));
    expect(printed).toContain("classification (no, maybe, yes)");
    expect(printed).toContain("missing  none");
    const answer = JSON.parse(
      await succeed("classify", "--model", at(family), "a good film!", "it was bad - the dogs", "--json"),
    ) as { labels: { label: string; score: number }[] };
    const { rows } = JSON.parse(readFileSync(join(golden(`${family}-classification`), "expected.json"), "utf8")) as {
      rows: { outputs: { logits: number[] } }[];
    };
    const exps = rows[1]!.outputs.logits.map(Math.exp);
    const total = exps.reduce((sum, value) => sum + value, 0);
    for (const [i, label] of ["no", "maybe", "yes"].entries()) {
      const { score } = answer.labels.find((entry) => entry.label === label)!;
      expect(score).toBeCloseTo(exps[i]! / total, 5);
    }
  });

  it.each(FAMILIES)(
    "%s is trained further, keeps its family, and is exported in its format",
    {
      timeout: 120_000,
    },
    async (family) => {
      const rows = folder.write(
        `${family}.tsv`,
        "sentence\tlabel\na good film\t1\na bad film\t0\nthe dogs ran\t1\nit was bad\t0\n",
      );
      const trained = at(`${family}-trained`);
      const start = golden(`${family}-span`);
      const flags = [
        "--train_batch_size=2",
        "--max_seq_length=16",
        "--threads",
        "1",
        "--train_step=3",
        "--eval-share",
        "0",
      ];
      const output = await albert(
        ...["train", "--task", "sst-2", "--init", start, "--train", rows, "--output", trained, "--learning_rate=0.01"],
        ...flags,
      );
      expect(output.error).toBeUndefined();
      const before = await openModelDirectory(start);
      const after = await openModelDirectory(trained);
      expect(after.config.family).toBe(family);
      // Every variable of the trunk has moved, also the pooler, which the checkpoint did not hold.
      for (const [name, { data }] of before.parameters) {
        if (!name.startsWith("bert/")) continue; // a head that was not trained
        expect(after.parameters.get(name)!.data, name).not.toEqual(data);
      }
      await succeed("export", trained, "--format", "hf", "--output", at(`${family}-exported`));
      const json = JSON.parse(readFileSync(join(at(`${family}-exported`), "config.json"), "utf8")) as object;
      expect(json).toMatchObject({ model_type: family, id2label: { 0: "0", 1: "1" } });
      const again = await succeed("import", at(`${family}-exported`), "--output", at(`${family}-again`));
      expect(again).toContain("missing  none");
      expect((await openModelDirectory(at(`${family}-again`))).parameters).toEqual(after.parameters);
      await succeed("export", trained, "--format", "onnx", "--output", at(`${family}-onnx`));
      expect(existsSync(join(at(`${family}-onnx`), "model.onnx"))).toBe(true);
    },
  );

  it.skipIf(missing("a Python with transformers (ALBERT_TEST_TRANSFORMERS_PYTHON)", PYTHON))(
    "opens with transformers after the export, without a missing or unexpected weight, and gives the same logits",
    { timeout: 300_000 },
    async () => {
      const cases: [name: string, architecture: string][] = FAMILIES.flatMap((family) => {
        const prefix = { bert: "Bert", electra: "Electra", distilbert: "DistilBert" }[family];
        return (
          [
            ["classification", "SequenceClassification"],
            ["span", "QuestionAnswering"],
            ["choice", "MultipleChoice"],
            ["untied", "MaskedLM"],
            [family === "electra" ? "generator" : "masked-lm", "MaskedLM"],
          ] as const
        ).map(([head, task]): [string, string] => [`${family}-${head}`, `${prefix}For${task}`]);
      });
      const requests: { architecture: string; outputs: Record<string, number[]> }[] = [];
      for (const [name, architecture] of cases) {
        await succeed("export", golden(name), "--format", "hf", "--output", at(`${name}-for-python`));
        const expected = JSON.parse(readFileSync(join(golden(name), "expected.json"), "utf8")) as {
          rows: { ids: number[]; types: number[]; outputs: Record<string, number[]> }[];
        };
        const { ids, types, outputs } = expected.rows[0]!;
        const rows = (row: number[]) => (architecture.endsWith("MultipleChoice") ? [row] : row);
        const token_type_ids = name.startsWith("distilbert") ? undefined : rows(types);
        const inputs = { input_ids: rows(ids), token_type_ids };
        requests.push({ ...{ directory: at(`${name}-for-python`), architecture, outputs }, ...inputs });
      }
      const python = spawnSync(PYTHON!, [SCRIPT], { input: JSON.stringify(requests), encoding: "utf8" });
      expect(python.status, python.stderr).toBe(0);
      const answers = JSON.parse(python.stdout) as {
        missing: string[];
        unexpected: string[];
        mismatched: string[];
        logits: Record<string, number[]>;
      }[];
      answers.forEach(({ missing, unexpected, mismatched, logits }, i) => {
        const { architecture, outputs } = requests[i]!;
        expect([missing, mismatched], architecture).toEqual([[], []]);
        // Classes without a pooler report that they ignore ours.
        const aside = /pooler|pre_classifier|classifier\.dense/;
        const counts = /QuestionAnswering|MaskedLM/.test(architecture)
          ? unexpected.filter((name) => !aside.test(name))
          : unexpected;
        expect(counts, architecture).toEqual([]);
        for (const [output, values] of Object.entries(logits)) {
          expect(values.length).toBe(outputs[output]!.length);
          values.forEach((value, at) => {
            expect(value).toBeCloseTo(outputs[output]![at]!, 5);
          });
        }
      });
    },
  );
});
