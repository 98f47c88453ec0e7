import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { InferenceSession } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { exportHuggingFace } from "../../../src/model/checkpoint/export-checkpoint.ts";
import { openModelDirectory } from "../../../src/model/directory/open-model-directory.ts";
import { runAlbert } from "../../support/command-line.ts";
import { scratchDirectory, tinyModel, tinyVocabulary } from "../../support/models/tiny-model.ts";

const scratch = scratchDirectory();

const albert = async (...args: string[]) => (await runAlbert(...args)).out;

describe("albert import, inspect and export", () => {
  it("make a model directory, describe it, and give back Google's files", async () => {
    await exportHuggingFace(scratch("source"), tinyModel());
    const imported = await albert("import", scratch("source"), "--output", scratch("model"), "--name", "m");
    expect(imported).toMatch(/^m {2}[0-9a-f]{64}\nheads {4}masked-lm; sentence-order\nloaded {3}\d+ tensors/);
    expect(imported).toContain("missing  none\nunused   none\n");

    const report = JSON.parse(await albert("inspect", scratch("model"), "--json"));
    const model = await openModelDirectory(scratch("model"));
    expect(report).toMatchObject({ format: "model directory", name: "m", digest: model.digest });
    expect(report.parameters.total).toBe(
      [...model.parameters.values()].reduce((sum, { data }) => sum + data.length, 0),
    );
    expect(await albert("inspect", scratch("model"))).toContain("bert/embeddings/word_embeddings");

    await albert("export", scratch("model"), "--format", "tf", "--output", scratch("tf"));
    expect(existsSync(scratch("tf/model.ckpt-best.index"))).toBe(true);
    const returned = JSON.parse(await albert("inspect", scratch("tf"), "--json"));
    expect(returned.tensors).toEqual(report.tensors);

    await albert("export", scratch("tf"), "--format", "hf", "--output", scratch("hf"));
    const weights = (name: string) => readFileSync(scratch(`${name}/model.safetensors`));
    expect(weights("hf").equals(weights("source"))).toBe(true);
  });

  it("write a graph that ONNX Runtime opens, with its weights beside it", async () => {
    await exportHuggingFace(scratch("onnx-source"), tinyModel());
    await albert("export", scratch("onnx-source"), "--format", "onnx", "--output", scratch("onnx"));
    const session = await InferenceSession.create(scratch("onnx/model.onnx"));
    expect(session.inputNames).toEqual(["input_ids", "attention_mask", "token_type_ids"]);
    expect(session.outputNames).toContain("sentence-order_logits");
    await session.release();
    const refused = albert(
      "export",
      scratch("onnx-source"),
      "--format",
      "tf",
      "--target",
      "cuda",
      "--output",
      scratch("x"),
    );
    await expect(refused).rejects.toMatchObject({ violations: [{ field: "target" }] });
  });

  it("start a classifier from random values", async () => {
    writeFileSync(scratch("vocab.txt"), tinyVocabulary.bytes);
    const argv = ["import", "--random-init", "2x128", "--vocab", scratch("vocab.txt"), "--output", scratch("random")];
    const printed = JSON.parse(await albert(...argv, "--head", "classification", "--labels", "no,yes", "--json"));
    expect(printed).toMatchObject({ name: "random", seed: 12345, heads: [{ labels: ["no", "yes"] }] });
  });

  it("refuse what they cannot honour, all at once", async () => {
    const refused = albert("import", "x", "--random-init", "base", "--config", "c", "--output", scratch("no"));
    await expect(refused).rejects.toMatchObject({
      violations: [{ field: "source" }, { field: "config" }, { field: "vocab" }],
    });
    await expect(albert("import", "--output", scratch("no"))).rejects.toThrow("name a checkpoint");
    await expect(albert("inspect", scratch("nowhere"))).rejects.toMatchObject({ code: "not-found" });
  });
});
