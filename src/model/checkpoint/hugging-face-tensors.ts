import { invariant } from "../../errors.ts";
import type { AlbertConfig } from "../config.ts";
import { familyNamed } from "../families/families.ts";
import { type Head, kindsWithoutScope } from "../heads.ts";
import { modelParameters } from "../parameters.ts";
import { type Parameters, sizeOf, type Tensor } from "../tensor.ts";

// Converts parameters to Hugging Face's names and layouts.

/** Where a Hugging Face file keeps the E -> H projection, which it holds even where the official code has none. */
export const HF_PROJECTION = "albert.encoder.embedding_hidden_mapping_in";

/**
 * A model's parameters under Hugging Face's names and layouts (`Linear` weights are `[out, in]`). An ALBERT of E == H
 * without a projection gets the identity that Hugging Face's code expects. The tied decoder matrix is not stored.
 */
export function toHuggingFaceTensors(
  config: AlbertConfig,
  heads: readonly Head[],
  parameters: Parameters,
): Map<string, Tensor> {
  const family = familyNamed(config.family);
  const kinds = kindsWithoutScope(heads);
  const tensors = new Map<string, Tensor>();
  for (const spec of modelParameters(config, heads)) {
    const tensor = parameters.get(spec.name);
    invariant(tensor !== undefined, `parameter ${spec.name} is absent`);
    tensors.set(family.tensorName(spec.hfName, kinds), spec.hfTransposed ? transpose(tensor) : tensor);
  }
  // An untied output layer has a bias of its own, and the class another one, which it does not read.
  const bias = tensors.get(family.tensorName("predictions.decoder.bias", kinds));
  if (bias !== undefined) tensors.set(family.tensorName("predictions.bias", kinds), bias);
  if (!config.embeddingProjection && family.storesIdentityProjection) {
    tensors.set(`${HF_PROJECTION}.weight`, identity(config.hiddenSize));
    tensors.set(`${HF_PROJECTION}.bias`, { shape: [config.hiddenSize], data: new Float32Array(config.hiddenSize) });
  }
  return tensors;
}

/** Rows and columns of a matrix exchanged, in a new array. */
export function transpose(tensor: Tensor): Tensor {
  const { shape, scaled } = tensor;
  const [rows, columns] = shape;
  invariant(shape.length === 2 && rows !== undefined && columns !== undefined, `[${shape}] is not a matrix`);
  // Floats are steps of scale 1: one pass for both, and a product with 1 is exact.
  const { steps, scales } = scaled ?? { steps: tensor.data, scales: new Float32Array(rows).fill(1) };
  const result = new Float32Array(rows * columns);
  const tile = 32; // both sides of a tile stay in the first-level cache
  for (let row0 = 0; row0 < rows; row0 += tile) {
    const rowEnd = Math.min(row0 + tile, rows);
    for (let column0 = 0; column0 < columns; column0 += tile) {
      const columnEnd = Math.min(column0 + tile, columns);
      for (let row = row0; row < rowEnd; row++) {
        const scale = scales[row]!;
        for (let column = column0; column < columnEnd; column++) {
          result[column * rows + row] = steps[row * columns + column]! * scale;
        }
      }
    }
  }
  return { shape: [columns, rows], data: result };
}

/** Whether a projection of E == H changes nothing: the identity matrix and a zero bias. */
export function isIdentityProjection(weight: Tensor, bias: Tensor): boolean {
  const size = bias.data.length;
  return (
    weight.data.length === size * size &&
    bias.data.every((value) => value === 0) &&
    weight.data.every((value, i) => value === (i % (size + 1) === 0 ? 1 : 0))
  );
}

function identity(size: number): Tensor {
  const data = new Float32Array(sizeOf([size, size]));
  for (let i = 0; i < size; i++) data[i * (size + 1)] = 1;
  return { shape: [size, size], data };
}
