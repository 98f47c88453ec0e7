import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type EvaluationSet, openEvaluationSet } from "../../../src/deployment/gate/evaluation-data.ts";
import type { ClassificationHead, ProblemType } from "../../../src/model/heads.ts";
import { checkData } from "../../../src/training/features/task-data.ts";

const directory = mkdtempSync(join(tmpdir(), "albert-evaluation-data-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function fileOf(name: string, rows: readonly object[]): string {
  const path = join(directory, name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
}

const headOf = (problemType: ProblemType, labels: readonly string[]): ClassificationHead => ({
  kind: "classification",
  name: "c",
  problemType,
  labels,
});

async function rowsOf(set: EvaluationSet) {
  const rows: { readonly text: string; readonly label: unknown }[] = [];
  for await (const example of set.examples()) {
    if (example.kind === "classification") rows.push({ text: example.text, label: example.label });
  }
  return rows;
}

describe("the rows that versions are compared on", () => {
  it("have labels of the kind that the model was trained on: names, several names, or numbers", async () => {
    const path = fileOf("numbers.jsonl", [
      { text: "one", label: "1" },
      { text: "two", label: "2.5" },
    ]);
    const labelsFor = async (problemType: ProblemType, file = path) => {
      const data = { kind: "whole", path: file } as const;
      const set = await openEvaluationSet(data, "classification", headOf(problemType, ["1", "2.5"]));
      return (await rowsOf(set)).map(({ label }) => label);
    };
    expect(await labelsFor("single-label")).toEqual(["1", "2.5"]);
    expect(await labelsFor("regression")).toEqual([1, 2.5]);
    const several = fileOf("several.jsonl", [{ text: "both", labels: ["1", "2.5"] }]);
    expect(await labelsFor("multi-label", several)).toEqual([["1", "2.5"]]);
  });

  it("are those that a job with this seed held out, and there must be some", async () => {
    const rows = Array.from({ length: 200 }, (_, i) => ({ text: `text ${i}`, label: i % 2 === 0 ? "a" : "b" }));
    const path = fileOf("train.jsonl", rows);
    const head = headOf("single-label", ["a", "b"]);
    const set = await openEvaluationSet({ kind: "held-out", path, seed: 7 }, "classification", head);
    const ofJob = await checkData({ task: "classification", train: path, holdOut: { share: 0.1, seed: 7 } }, []);
    const heldOut = await rowsOf(set);
    expect(heldOut).toEqual(await rowsOf(ofJob.eval!));
    expect(heldOut.length).toBeGreaterThan(5);
    const other = await openEvaluationSet({ kind: "held-out", path, seed: 8 }, "classification", head);
    expect(await rowsOf(other)).not.toEqual(heldOut);
    const few = { kind: "held-out", path: fileOf("few.jsonl", rows.slice(0, 2)), seed: 7 } as const;
    await expect(openEvaluationSet(few, "classification", head)).rejects.toMatchObject({ reason: "NO_EXAMPLES" });
  });

  it("are known by the digest of their file, whoever computed it", async () => {
    const path = fileOf("same.jsonl", [{ text: "one", label: "a" }]);
    const head = headOf("single-label", ["a", "b"]);
    const digestOf = async (known: object) =>
      (await openEvaluationSet({ kind: "whole", path, ...known }, "classification", head)).digest;
    expect(await digestOf({})).toMatch(/^[0-9a-f]{64}$/);
    expect(await digestOf({ digest: "known" })).toBe("known");
  });
});
