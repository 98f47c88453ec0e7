import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { buildExportGraph } from "../../../src/graph/serving/export-graph.ts";
import { HEAD_KINDS, type Head } from "../../../src/model/heads.ts";
import { randomModel } from "../../support/models/random-model.ts";

const page = readFileSync(new URL("../../../docs/models.md", import.meta.url), "utf8");

/** Rows of a table of the page, each as its cells. */
function tableAfter(heading: string): string[][] {
  const lines = page.slice(page.indexOf(`| ${heading} |`)).split("\n");
  const rows = lines.slice(
    2,
    lines.findIndex((line) => !line.startsWith("|")),
  );
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const namesIn = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);

describe("the documented inputs and outputs of an ONNX export", () => {
  const model = randomModel();
  it.each(HEAD_KINDS)("are those of a model with a %s head", (kind) => {
    const heads: Head[] = model.heads.filter((head) => head.kind === kind);
    expect(heads).not.toEqual([]);
    const graph = buildExportGraph({ ...model, heads: heads.slice(0, 1) }, "cpu");
    const inputs = tableAfter("ONNX input").filter(
      ([, , note]) => !note!.includes("head") || note!.includes(`\`${kind}\``),
    );
    expect(graph.inputs.map(({ name, dtype, dims }) => `${name} ${dtype} [${dims.join(", ")}]`)).toEqual(
      inputs.map(([name, type]) => `${namesIn(name!)[0]} ${type}`),
    );
    const outputs = tableAfter("ONNX output").filter(
      ([, , note]) => !note!.startsWith("of ") || note!.includes(`\`${kind}\``),
    );
    expect(graph.outputs.map(({ name }) => name).sort()).toEqual(outputs.flatMap(([name]) => namesIn(name!)).sort());
  });
});
