import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exportTensorFlow } from "../../../src/model/checkpoint/export-checkpoint.ts";
import { openCheckpoint } from "../../../src/model/checkpoint/open-checkpoint.ts";
import { groupOfLayer } from "../../../src/model/config.ts";
import { classesOf, classFor, familyNamed, parseModelConfig } from "../../../src/model/families/families.ts";
import { writeTensorBundle } from "../../../src/model/formats/tensor-bundle-writer.ts";
import { modelParameters } from "../../../src/model/parameters.ts";
import { BUNDLED_FIXTURES } from "../../support/fixtures.ts";
import { scratchDirectory } from "../../support/models/tiny-model.ts";

const scratch = scratchDirectory();

/** A copy of a golden case whose `config.json` has other values. */
function withConfig(name: string, changes: Record<string, unknown>): string {
  const directory = scratch(`${name} ${JSON.stringify(changes).replaceAll(/\W+/g, "-")}`);
  cpSync(join(BUNDLED_FIXTURES, "families", name), directory, { recursive: true });
  const file = join(directory, "config.json");
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...changes }));
  return directory;
}

describe("a family's configuration", () => {
  it.each<[string, Record<string, unknown>, RegExp]>([
    [
      "bert-span",
      { model_type: "roberta" },
      /model_type "roberta"; what opens here is albert, bert.*behind its padding/,
    ],
    ["bert-span", { model_type: "deberta-v2" }, /that is none: its attention reads relative positions/],
    ["bert-span", { model_type: "mpnet" }, /that is none: its attention reads relative positions/],
    [
      "bert-span",
      { model_type: "gpt2" },
      /model_type "gpt2"; what opens here is albert, bert, electra, distilbert; choose/,
    ],
    [
      "bert-span",
      { position_embedding_type: "relative_key" },
      /position_embedding_type asks for "relative_key" positions/,
    ],
    ["electra-span", { position_embedding_type: "relative_key_query" }, /position_embedding_type asks for/],
    [
      "bert-span",
      { model_type: "albert", position_embedding_type: "relative_key" },
      /asks for "relative_key" positions/,
    ],
    ["bert-masked-lm", { is_decoder: true }, /is_decoder asks for a decoder, which is not computed here/],
    ["bert-masked-lm", { add_cross_attention: true }, /add_cross_attention asks for a decoder/],
    ["bert-span", { hidden_act: "mish" }, /hidden_act asks for the activation "mish".*one of gelu, gelu_python/],
    ["distilbert-span", { activation: "mish" }, /activation asks for the activation "mish"/],
    [
      "electra-generator",
      { hidden_act: "relu" },
      /hidden_act asks for "relu" in its layers beside the gelu of its masked-LM/,
    ],
    ["electra-choice", { summary_type: "mean" }, /summary_type asks for the summary "mean".*expected "first"/],
    ["electra-choice", { summary_activation: "tanh" }, /summary_activation asks for the summary "tanh"/],
    [
      "bert-span",
      { architectures: ["BertForTokenClassification"] },
      /"BertForTokenClassification" is not one of BertModel/,
    ],
    ["bert-span", { hidden_size: "wide" }, /hidden_size: expected an integer >= 1/],
    ["distilbert-span", { dim: 13 }, /hidden_size 13 is not divisible by 3 heads/],
  ])("%s with %o is refused with the reason", async (name, changes, message) => {
    await expect(openCheckpoint(withConfig(name, changes))).rejects.toThrow(message);
  });

  it("takes its class's defaults for keys that are absent", () => {
    const bert = parseModelConfig({ model_type: "bert" }, "config.json").config;
    expect(bert).toMatchObject({ vocabSize: 30522, hiddenSize: 768, embeddingSize: 768, numHiddenGroups: 12 });
    expect(bert).toMatchObject({ hiddenAct: "gelu_erf", poolerAct: "tanh", embeddingProjection: false });
    const electra = parseModelConfig({ model_type: "electra" }, "config.json").config;
    expect(electra).toMatchObject({ hiddenSize: 256, embeddingSize: 128, embeddingProjection: true });
    const distilbert = parseModelConfig({ model_type: "distilbert" }, "config.json").config;
    expect(distilbert).toMatchObject({ hiddenSize: 768, numHiddenLayers: 6, typeVocabSize: 0, poolerAct: "relu" });
  });

  it("gives every layer its own weights, also where ALBERT's formula would share some", () => {
    const { config } = parseModelConfig({ model_type: "bert", num_hidden_layers: 22 }, "config.json");
    expect(Array.from({ length: 22 }, (_, layer) => groupOfLayer(config, layer))).toEqual([...Array(22).keys()]);
  });

  it.each(["gelu", "gelu_new", "relu", "silu", "swish", "tanh"])(
    "reads the activation %s and writes it as its library reads it",
    (name) => {
      const { config } = parseModelConfig({ model_type: "bert", hidden_act: name }, "config.json");
      const written = familyNamed("bert").writeConfig(config);
      expect(written["hidden_act"]).toBe(name === "swish" ? "silu" : name);
      expect(Object.keys(written)).not.toContain("num_hidden_groups");
    },
  );
});

describe("a vocab.txt", () => {
  it.each([
    ["keeps case where only the tokenizer.json beside it says so", { type: "BertNormalizer", lowercase: false }, false],
    ["lower-cases where that says so", { type: "BertNormalizer", lowercase: true, strip_accents: null }, true],
    ["lower-cases where that has another normalizer", { type: "NFC" }, true],
  ])("%s", async (_, normalizer, lowerCase) => {
    const directory = withConfig("bert-trunk-cased", { normalizer });
    rmSync(join(directory, "tokenizer_config.json"));
    writeFileSync(join(directory, "tokenizer.json"), JSON.stringify({ normalizer }));
    const { vocabulary } = await openCheckpoint(directory);
    expect(vocabulary).toMatchObject({ kind: "wordpiece", lowerCase });
  });
});

describe("the classes of a family", () => {
  it("are named after the most of its heads", () => {
    const [albert, bert, distilbert] = ["albert", "bert", "distilbert"].map(familyNamed);
    expect(classFor(bert!, ["masked-lm", "sentence-order"])).toBe("BertForPreTraining");
    expect(classFor(bert!, ["sentence-order"])).toBe("BertForNextSentencePrediction");
    expect(classFor(bert!, ["classification", "masked-lm", "sentence-order"])).toBe("BertForSequenceClassification");
    expect(classFor(distilbert!, ["masked-lm", "sentence-order"])).toBe("DistilBertForMaskedLM");
    expect(classFor(albert!, ["sentence-order"])).toBe("AlbertModel");
    expect(classesOf(familyNamed("electra"))["ElectraForPreTraining"]).toEqual([]);
  });
});

describe("Google's BERT", () => {
  it("opens from a TensorFlow checkpoint and its bert_config.json, with optimizer slots left out", async () => {
    const { config, parameters, heads, vocabulary } = await openCheckpoint(
      join(BUNDLED_FIXTURES, "families/bert-pretraining"),
    );
    const directory = withConfig("bert-pretraining", {});
    const nameOf = familyNamed("bert").tensorFlowName!;
    const tensors = new Map(
      modelParameters(config, heads).flatMap(({ name }) => {
        const tensor = parameters.get(name)!;
        return [
          [nameOf(name), tensor],
          [`${nameOf(name)}/adam_m`, tensor],
        ];
      }),
    );
    expect([...tensors.keys()]).toContain("bert/encoder/layer_1/attention/output/LayerNorm/gamma");
    expect([...tensors.keys()]).toContain("bert/encoder/layer_0/intermediate/dense/kernel");
    expect([...tensors.keys()]).toContain("bert/encoder/layer_0/output/LayerNorm/beta");
    const google = scratch("google-bert");
    cpSync(directory, google, { recursive: true, filter: (file) => !/safetensors|config\.json$/.test(file) });
    await writeTensorBundle(join(google, "bert_model.ckpt"), tensors);
    const {
      model_type: _,
      architectures: __,
      ...json
    } = JSON.parse(readFileSync(join(directory, "config.json"), "utf8"));
    writeFileSync(join(google, "bert_config.json"), JSON.stringify(json));
    const opened = await openCheckpoint(google);
    expect(opened.config.family).toBe("bert");
    expect(opened.parameters).toEqual(parameters);
    expect(opened.heads).toEqual(heads);
    expect(opened.unused).toContain("bert/encoder/layer_0/output/dense/kernel/adam_m");

    const refused = exportTensorFlow(scratch("refused"), { config, heads, parameters, vocabulary });
    await expect(refused).rejects.toThrow(/its family is bert; export it with --format hf/);
  });
});
