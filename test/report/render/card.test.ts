import { describe, expect, it } from "vitest";
import { makeReport } from "../../../src/report/make-report.ts";
import { modelCard } from "../../../src/report/render/card.ts";

const HOSTILE = "<script>alert(1)</script> | a `b` [c](http://evil.example)\n# no heading";

const manifest = {
  description: "Sorts tickets.",
  heads: [{ kind: "classification", name: "team", labels: ["billing", HOSTILE] }],
  tokenizer: { kind: "sentencepiece", lowerCase: true },
  maxSequenceLength: 128,
  metrics: { eval_accuracy: 0.9 },
  lineage: {
    ...{ parent: "p".repeat(64), datasets: { train: "t".repeat(64) }, jobId: "job-1", program: "0.1.0" },
    recipe: { learningRate: 2e-5, schedule: "linear" },
  },
};

function report() {
  const labels = manifest.heads[0]!.labels;
  return makeReport({
    task: "classification",
    data: { name: "held-out.csv" },
    head: { kind: "classification", name: "team", problemType: "single-label", labels },
    examples: Array.from({ length: 40 }, (_, i) => ({
      ...{ kind: "classification", id: `row-${i}`, text: `ticket ${i}`, label: labels[i % 2]! },
      location: { file: "held-out.csv", line: i + 2, column: 1 },
    })),
    evaluation: {
      predictions: {
        kind: "classification",
        rows: Array.from({ length: 40 }, (_, i) => {
          const given = i % 10 === 0 ? 1 : i % 2;
          return {
            id: "",
            probabilities: [given === 0 ? 0.8 : 0.2, given === 0 ? 0.2 : 0.8],
            predicted: labels[given]!,
          };
        }),
      },
    },
  });
}

describe("a model card", () => {
  it("tells what a version is, how well it does with intervals, and where it came from", async () => {
    const made = await report();
    const card = modelCard({ name: "tickets@2", digest: "d".repeat(64), manifest, report: made });
    const [, front = "", body = ""] = card.split(/^---$/m);
    expect(front).toContain("pipeline_tag: text-classification");
    const accuracy = made.figures.find(({ name }) => name === "eval_accuracy")!;
    expect(front).toContain(`- { type: "eval_accuracy", value: ${accuracy.value} }`);
    expect(body).toMatch(/^\n\n# tickets@2\n\nSorts tickets\.\n/);
    expect(body).toContain("On 40 examples of held-out.csv (task classification)");
    expect(body).toMatch(/\| accuracy \| 90\.0 % \| \d\d\.\d % \| \d+\.\d % \|/);
    expect(body).toMatch(/\| billing \| 1\.000 \| 0\.800 \| 0\.889 \| 20 \|/);
    expect(body).toContain(`fine-tuned from \`${"p".repeat(64)}\``);
    expect(body).toContain("| learningRate | 0.00002 |");
    expect(body).toContain('albert classify "A text." --served-model tickets\n');
    for (const finding of made.findings.slice(0, 1)) expect(body).toContain(finding.slice(0, 20));
  });

  it("takes texts of the data as texts", async () => {
    const card = modelCard({ name: "tickets@2", digest: "d".repeat(64), manifest, report: await report() });
    expect(card).not.toContain("<script");
    expect(card).not.toMatch(/^# no heading/m);
    expect(card).not.toMatch(/[^\\]\[c\]/);
    // A table's lines keep their number of cells.
    for (const row of card.split("\n").filter((line) => line.startsWith("| &lt;script"))) {
      expect([4, 6], row).toContain(row.match(/(?<!\\)\|/g)!.length);
    }
  });

  it("says that nobody measured a version, and what its manifest knows", () => {
    const card = modelCard({ name: "tickets", digest: "d".repeat(64), manifest });
    expect(card).toContain("Nobody has evaluated this version here");
    expect(card).toContain("| accuracy | 90.0 % |");
    expect(card).not.toContain("model-index");
  });
});
