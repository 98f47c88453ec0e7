import { describe, expect, it } from "vitest";
import type { ArrayTensor } from "../../../src/model/checkpoint/checkpoint-reader.ts";
import { toHuggingFaceTensors, transpose } from "../../../src/model/checkpoint/hugging-face-tensors.ts";
import { loadParameters } from "../../../src/model/checkpoint/load-parameters.ts";
import type { AlbertConfig } from "../../../src/model/config.ts";
import { bytesSource } from "../../../src/model/formats/random-access-file.ts";
import { openSafetensors } from "../../../src/model/formats/safetensors.ts";
import { serializeSafetensors } from "../../../src/model/formats/safetensors-writer.ts";
import type { Head } from "../../../src/model/heads.ts";
import { modelParameters } from "../../../src/model/parameters.ts";
import { tinyModel } from "../../support/models/tiny-model.ts";

const span: readonly Head[] = [{ kind: "span", name: "span" }];
const labels: readonly Head[] = [
  { kind: "classification", name: "c", problemType: "single-label", labels: ["x", "y", "z"] },
];

/** Hugging Face's file of a tiny model, after `edit`. */
async function load(
  heads: readonly Head[],
  edit: (tensors: Map<string, ArrayTensor>, config: AlbertConfig) => void = () => {},
  overrides: Record<string, unknown> = {},
) {
  const model = tinyModel(heads, overrides);
  const tensors = new Map<string, ArrayTensor>(toHuggingFaceTensors(model.config, heads, model.parameters));
  edit(tensors, model.config);
  const reader = await openSafetensors(bytesSource("m.safetensors", serializeSafetensors(tensors)));
  return { model, ...(await loadParameters(reader, model.config, heads)) };
}

describe("loading parameters", () => {
  it("finds every parameter with its kernels the official way round", async () => {
    const { model, parameters, loaded, unused, zeroed } = await load(labels);
    expect(loaded).toEqual(modelParameters(model.config, labels).map(({ name }) => name));
    expect(parameters).toEqual(model.parameters);
    expect([unused, zeroed]).toEqual([[], []]);
  });

  it("names every missing, misshapen and unknown tensor in one error", async () => {
    const broken = load(labels, (tensors) => {
      tensors.delete("albert.embeddings.LayerNorm.bias");
      tensors.set("classifier.weight", { shape: [2, 6], data: new Float32Array(12) });
      tensors.set("albert.encoder.extra", { shape: [1], data: new Float32Array(1) });
    });
    await expect(broken).rejects.toMatchObject({ code: "corrupt", reason: "CHECKPOINT_MISMATCH" });
    const { message } = await broken.then(
      () => new Error("it was read"),
      (error: Error) => error,
    );
    expect(message).toContain("albert.embeddings.LayerNorm.bias [4] is missing");
    expect(message).toContain("classifier.weight has shape [2, 6], the configuration and heads ask for [3, 6]");
    expect(message).toContain("albert.encoder.extra is not a tensor of this architecture");
  });

  it("refuses a kernel that was not transposed", async () => {
    const wrong = load(labels, (tensors) => {
      const name = "albert.encoder.embedding_hidden_mapping_in.weight";
      const { shape, data } = tensors.get(name)!;
      tensors.set(name, { shape: shape.toReversed(), data });
    });
    await expect(wrong).rejects.toThrow("embedding_hidden_mapping_in.weight has shape [4, 6]");
  });

  it("leaves heads that were not asked for, buffers and aliases, and lists them", async () => {
    const { unused } = await load(labels, (tensors) => {
      tensors.set("albert.embeddings.position_ids", { shape: [1, 8], data: new BigInt64Array(8) });
      tensors.set("qa_outputs.weight", { shape: [2, 6], data: new Float32Array(12) });
    });
    expect(unused.toSorted()).toEqual(["albert.embeddings.position_ids", "qa_outputs.weight"]);
  });

  it("takes the masked-LM bias under its tied name, and a decoder that is the embedding table", async () => {
    const heads: readonly Head[] = [{ kind: "masked-lm", name: "masked-lm" }];
    const { model, parameters } = await load(heads, (tensors) => {
      tensors.set("predictions.decoder.bias", tensors.get("predictions.bias")!);
      tensors.delete("predictions.bias");
      tensors.set("predictions.decoder.weight", tensors.get("albert.embeddings.word_embeddings.weight")!);
    });
    expect(parameters.get("cls/predictions/output_bias")).toEqual(model.parameters.get("cls/predictions/output_bias"));
  });

  it("refuses a decoder that is not tied", async () => {
    const untied = load([{ kind: "masked-lm", name: "masked-lm" }], (tensors, { vocabSize, embeddingSize }) => {
      const data = new Float32Array(vocabSize * embeddingSize);
      tensors.set("predictions.decoder.weight", { shape: [vocabSize, embeddingSize], data });
    });
    await expect(untied).rejects.toThrow("predictions.decoder.weight differs from the word embeddings");
  });

  it("opens the bare trunk, whose names have no prefix", async () => {
    const { model, parameters } = await load([], (tensors) => {
      for (const [name, tensor] of [...tensors]) {
        tensors.delete(name);
        tensors.set(name.replace(/^albert\./, ""), tensor);
      }
    });
    expect(parameters).toEqual(model.parameters);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("refuses a weight that is %d", async (value) => {
    const broken = load(labels, (tensors) => {
      tensors.get("albert.pooler.bias")!.data[3] = value;
    });
    await expect(broken).rejects.toThrow(`albert.pooler.bias holds ${value} at element 3`);
  });

  it("refuses a tensor of integers", async () => {
    const broken = load(labels, (tensors) =>
      tensors.set("albert.pooler.bias", { shape: [6], data: new Int32Array(6) }),
    );
    await expect(broken).rejects.toThrow("albert.pooler.bias holds I32, but weights are floats");
  });

  it("says what it found when a file is no ALBERT", async () => {
    const reader = await openSafetensors(
      bytesSource("m", serializeSafetensors(new Map([["gpt", { shape: [1], data: new Float32Array(1) }]]))),
    );
    await expect(loadParameters(reader, tinyModel().config, [])).rejects.toThrow("m holds no ALBERT");
  });
});

describe("a pooler that is not stored", () => {
  const withoutPooler = (tensors: Map<string, ArrayTensor>) => {
    tensors.delete("albert.pooler.weight");
    tensors.delete("albert.pooler.bias");
  };

  it("is zero, with a warning, where no head reads it", async () => {
    const { parameters, zeroed, warnings } = await load(span, withoutPooler);
    expect(zeroed).toEqual(["bert/pooler/dense/kernel", "bert/pooler/dense/bias"]);
    expect(parameters.get("bert/pooler/dense/kernel")!.data.every((value) => value === 0)).toBe(true);
    expect(warnings).toEqual(["m.safetensors has no pooler; every pooled output of this model is zero"]);
  });

  it("is an error where a head needs it, or where only half of it is missing", async () => {
    await expect(load(labels, withoutPooler)).rejects.toThrow("albert.pooler.weight [6, 6] is missing");
    await expect(load(span, (tensors) => tensors.delete("albert.pooler.bias"))).rejects.toThrow(
      "albert.pooler.bias is missing",
    );
  });
});

describe("the projection of a model whose embeddings are as wide as its layers", () => {
  const wide = { embedding_size: 6 };
  const name = "albert.encoder.embedding_hidden_mapping_in";

  it("is written as the identity and dropped when read", async () => {
    const { config, parameters, model } = await load(span, () => {}, wide);
    expect(config.embeddingProjection).toBe(false);
    expect(parameters).toEqual(model.parameters);
  });

  it("is kept when it is not the identity", async () => {
    const weight = Float32Array.from({ length: 36 }, (_, i) => i);
    const { config, parameters } = await load(
      span,
      (tensors) => tensors.set(`${name}.weight`, { shape: [6, 6], data: weight }),
      wide,
    );
    expect(config.embeddingProjection).toBe(true);
    expect(parameters.get("bert/encoder/embedding_hidden_mapping_in/kernel")).toEqual(
      transpose({ shape: [6, 6], data: weight }),
    );
  });

  it("is kept when only its bias is not zero", async () => {
    const bias = Float32Array.of(0, 0, 0, 0, 0, 1e-9);
    const { config } = await load(span, (tensors) => tensors.set(`${name}.bias`, { shape: [6], data: bias }), wide);
    expect(config.embeddingProjection).toBe(true);
  });

  it("is missed by name when it is absent", async () => {
    const absent = load(span, (tensors) => tensors.delete(`${name}.bias`), wide);
    await expect(absent).rejects.toThrow(`${name}.bias [6] is missing`);
  });
});

describe("transpose", () => {
  it("exchanges rows and columns of any size", () => {
    for (const [rows, columns] of [
      [1, 1],
      [1, 40],
      [33, 65],
      [64, 32],
    ] as const) {
      const matrix = { shape: [rows, columns], data: Float32Array.from({ length: rows * columns }, (_, i) => i) };
      const turned = transpose(matrix);
      expect(turned.shape).toEqual([columns, rows]);
      expect(turned.data[(columns - 1) * rows]).toBe(columns - 1);
      expect(transpose(turned)).toEqual(matrix);
    }
  });
});
