import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PairExample } from "../../../../src/tasks/datasets/examples.ts";
import { acceptedExamples } from "../../../../src/training/data/rows/dataset-rows.ts";
import { validateDataset } from "../../../../src/training/data/validate-dataset.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "albert-pairs-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function file(name: string, content: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

async function pairsOf(name: string, content: string) {
  const paths = [await file(name, content)];
  const found: Pick<PairExample, "anchor" | "positives" | "negatives" | "score">[] = [];
  for await (const example of acceptedExamples({ task: "contrastive", paths })) {
    if (example.kind !== "pair") throw new Error("not a pair");
    const { anchor, positives, negatives, score } = example;
    found.push({ anchor, positives, negatives, ...(score === undefined ? {} : { score }) });
  }
  return found;
}

async function problemsOf(name: string, content: string, purpose: "training" | "evaluation" = "training") {
  const report = await validateDataset({ task: "contrastive", paths: [await file(name, content)] }, { purpose });
  return { usable: report.usable, kinds: report.issues.map(({ kind }) => kind), report };
}

describe("pairs of a user's own", () => {
  it.each([
    [
      "anchor and positive",
      "a.csv",
      "anchor,positive\nwho,she",
      [{ anchor: "who", positives: ["she"], negatives: [] }],
    ],
    [
      "a question and its answer",
      "b.tsv",
      "question\tanswer\nwho\tshe",
      [{ anchor: "who", positives: ["she"], negatives: [] }],
    ],
    [
      "a triplet",
      "c.csv",
      "anchor,positive,negative\nwho,she,it\nwhat,it,",
      [
        { anchor: "who", positives: ["she"], negatives: ["it"] },
        { anchor: "what", positives: ["it"], negatives: [] },
      ],
    ],
    [
      "numbered negatives",
      "d.csv",
      "query,passage,negative_2,negative_1\nwho,she,they,it",
      [{ anchor: "who", positives: ["she"], negatives: ["it", "they"] }],
    ],
    [
      "lists of texts",
      "e.jsonl",
      '{"query":"who","pos":["she","he"],"neg":["it","they"]}',
      [{ anchor: "who", positives: ["she", "he"], negatives: ["it", "they"] }],
    ],
    [
      "a list written in a cell",
      "f.csv",
      'anchor,positive,negatives\nwho,she,"[""it"",""they""]"',
      [{ anchor: "who", positives: ["she"], negatives: ["it", "they"] }],
    ],
    [
      "sentences with a score",
      "g.tsv",
      "sentence1\tsentence2\tscore\na\tb\t4.5",
      [{ anchor: "a", positives: ["b"], negatives: [], score: 4.5 }],
    ],
  ])("are read as %s", async (_, name, content, expected) => {
    expect(await pairsOf(name, content)).toEqual(expected);
  });

  it("tell what a row lacks, where", async () => {
    const { report } = await problemsOf("h.jsonl", '{"anchor":"a","positive":7}\n{"anchor":"a","positive":["b",""]}');
    const told = report.issues.flatMap(({ occurrences }) =>
      occurrences.map(({ location, detail }) => [location.line, detail]),
    );
    expect(told).toContainEqual([1, "positive is neither a string nor a list of strings"]);
    expect(told).toContainEqual([2, "positive is empty"]);
    const missing = await problemsOf("i.csv", "anchor,other\na,b");
    expect(missing.report.issues[0]?.occurrences[0]?.detail).toBe(
      "no column positive, pos, answer; the header has anchor, other",
    );
  });

  it("are refused where a text is to be told from itself", async () => {
    expect((await problemsOf("j.csv", "anchor,positive\na,a\nb,c")).kinds).toContain("same-text");
    expect((await problemsOf("k.csv", "anchor,positive,negative\na,b,b\nb,c,")).kinds).toContain("same-text");
  });

  it("may have a score where they are measured, not where they are learnt", async () => {
    const scored = "sentence1,sentence2,score\na,b,4\nc,c,5";
    expect(await problemsOf("l.csv", scored, "evaluation")).toMatchObject({ usable: true, kinds: [] });
    expect(await problemsOf("m.csv", scored)).toMatchObject({ usable: false, kinds: ["scored-pair"] });
    expect((await problemsOf("n.csv", "anchor,positive,negative,score\na,b,c,4", "evaluation")).kinds).toContain(
      "bad-number",
    );
  });
});
