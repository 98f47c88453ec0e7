import { describe, expect, it } from "vitest";
import { transpose } from "../../../src/model/checkpoint/hugging-face-tensors.ts";
import { parseSafetensors } from "../../../src/model/formats/safetensors.ts";
import { type StoredTensor, serializeSafetensors } from "../../../src/model/formats/safetensors-writer.ts";
import { quantiseRows } from "../../../src/model/formats/scaled-int8.ts";
import type { Tensor } from "../../../src/model/tensor.ts";

const read = async (tensors: Readonly<Record<string, StoredTensor>>) =>
  (await parseSafetensors(serializeSafetensors(new Map(Object.entries(tensors))))).tensors;

describe("a matrix in steps of its rows' scales", () => {
  const matrix = { shape: [3, 4], data: Float32Array.of(1.27, -1.27, 0.005, 0.0149, 0, 0, 0, 0, 254, 2, 3, -1) };

  it("has rounded steps, each row to its own scale, zeros where all is zero", () => {
    const { data, scales } = quantiseRows(matrix);
    expect([...data]).toEqual([127, -127, 1, 1, 0, 0, 0, 0, 127, 1, 2, 0]);
    expect(scales).toEqual({ shape: [3, 1], data: Float32Array.of(0.01, 0, 2) });
  });

  it("reads as the float32 matrix that it stands for, its scales being no tensor", async () => {
    const { shape, data, scales } = quantiseRows(matrix);
    const tensors = await read({ w: { shape, data }, w_scale: scales, bias: { shape: [1], data: Float32Array.of(5) } });
    expect([...tensors.keys()].sort()).toEqual(["bias", "w"]);
    expect(tensors.get("w")!.shape).toEqual([3, 4]);
    const largest = [1.27, 0, 254];
    for (const [i, value] of tensors.get("w")!.data.entries()) {
      expect(Math.abs(Number(value) - matrix.data[i]!)).toBeLessThanOrEqual((largest[i >> 2]! / 254) * 1.001);
    }
  });

  it("comes back step for step: what was stored so loses nothing when it is stored again", async () => {
    const data = Float32Array.from({ length: 4096 }, (_, i) => Math.sin(i * i) * (1 + (i % 7)));
    const once = quantiseRows({ shape: [64, 64], data });
    const tensors = await read({ w: { shape: once.shape, data: once.data }, w_scale: once.scales });
    const again = quantiseRows({ shape: [64, 64], data: tensors.get("w")!.data as Float32Array });
    expect(again.data).toEqual(once.data);
  });

  it("is refused where its scales do not fit", async () => {
    const { shape, data } = quantiseRows(matrix);
    const wrong = read({ w: { shape, data }, w_scale: { shape: [4, 1], data: new Float32Array(4) } });
    await expect(wrong).rejects.toThrow(
      "w of shape [3, 4] needs float scales of shape [3, 1]; w_scale has shape [4, 1]",
    );
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 3e38])(
    "is refused where a scale is %s, which makes weights that are not finite",
    async (scale) => {
      const { shape, data } = quantiseRows(matrix);
      const wrong = read({ w: { shape, data }, w_scale: { shape: [3, 1], data: Float32Array.of(1, scale, 1) } });
      await expect(wrong).rejects.toThrow(/the scale of row 1 of w is .*; weights must be finite/);
    },
  );

  it("transposes to the transposed floats, without making the floats first", async () => {
    const { shape, data, scales } = quantiseRows(matrix);
    const stored = (await read({ w: { shape, data }, w_scale: scales })).get("w") as Tensor;
    const floats: Tensor = { shape, data: stored.data.slice() };
    const unread: Tensor = { shape, scaled: stored.scaled!, data: new Float32Array() };
    expect(transpose(unread)).toEqual(transpose(floats));
  });
});
