import { describe, expect, it } from "vitest";
import { encodeModel } from "../../../src/graph/onnx/serialise.ts";
import { buildServingGraph, type ServingGraphOptions } from "../../../src/graph/serving/serving-graph.ts";
import { hasExactSignedProducts } from "../../../src/platform/processor.ts";
import { packBatch } from "../../../src/runtime/batch/packed-batch.ts";
import { OrtSession } from "../../../src/runtime/session/ort.ts";
import { randomModel } from "../../support/models/random-model.ts";

describe("the graph for CUDA", () => {
  it("is valid up to the one operator that only CUDA has", async () => {
    const graph = buildServingGraph(randomModel(), { target: "cuda" });
    const create = OrtSession.create(encodeModel(graph).bytes, { device: "cpu", threads: 1 });
    await expect(create).rejects.toThrow("Could not find an implementation for PackedMultiHeadAttention");
  });
});

describe("weights", () => {
  it.each(["cpu", "webgpu", "cuda"] as const)(
    "exist once in the graph for %s, however many layers use them",
    (target) => {
      const model = randomModel({ config: { num_hidden_layers: 12 } });
      const floats = (tensors: Iterable<{ dims?: readonly number[]; shape?: readonly number[] }>) =>
        [...tensors].reduce((sum, { dims, shape }) => sum + (dims ?? shape ?? []).reduce((a, b) => a * b, 1), 0);
      const written = [...buildServingGraph(model, { target }).initializers.values()].filter(
        ({ dtype, dims }) => dtype === "float32" && dims.length > 0,
      );
      expect(floats(written)).toBe(floats(model.parameters.values()));
    },
  );
});

describe("int8", () => {
  // Signed kernels only where they are exact: elsewhere no one is served by them.
  const stored = [...(hasExactSignedProducts() ? ["int8" as const] : []), "uint8" as const];

  it.each([undefined, ...stored])(
    "stays near float32 while its kernels take a quarter of the room (stored as %s)",
    async (roundedType) => {
      const model = randomModel({ config: { hidden_size: 64, num_attention_heads: 4 } });
      const full = await hiddenOf(model, { precision: "fp32" });
      expect(full.kernelTypes).toEqual(["float32"]);
      const rounded = await hiddenOf(model, {
        precision: "int8",
        ...(roundedType === undefined ? {} : { roundedType }),
      });
      expect(rounded.kernelTypes).toEqual([roundedType ?? stored[0]]);
      const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
      const difference = rounded.hidden.map((value, index) => value - full.hidden[index]!);
      expect(norm(difference) / norm(full.hidden)).toBeLessThan(0.03);
      expect(norm(difference)).toBeGreaterThan(0);
    },
  );

  it("is refused where only float32 runs", () => {
    expect(() => buildServingGraph(randomModel(), { target: "webgpu", precision: "int8" })).toThrow(
      "on cpu and openvino only",
    );
  });
});

describe("fp16", () => {
  const model = () => randomModel({ config: { hidden_size: 64, num_attention_heads: 4 } });

  // The processor has no kernels of float16: ONNX Runtime widens what they would read, so that the numbers are those of halves.
  it("stays near float32 while its kernels take half of the room", async () => {
    const full = await hiddenOf(model(), { precision: "fp32", target: "webgpu" });
    const half = await hiddenOf(model(), { precision: "fp16", target: "webgpu" });
    expect(full.kernelTypes).toEqual(["float32"]);
    expect(half.kernelTypes).toEqual(["float16"]);
    const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
    const difference = half.hidden.map((value, index) => value - full.hidden[index]!);
    expect(norm(difference) / norm(full.hidden)).toBeLessThan(0.002);
    expect(norm(difference)).toBeGreaterThan(0);
  });

  it("is a valid graph for CUDA up to the one operator that only CUDA has", async () => {
    const graph = buildServingGraph(model(), { target: "cuda", precision: "fp16" });
    const create = OrtSession.create(encodeModel(graph).bytes, { device: "cpu", threads: 1 });
    await expect(create).rejects.toThrow("Failed to find kernel for com.microsoft.PackedMultiHeadAttention(1)");
  });

  it("is refused on the processor", () => {
    expect(() => buildServingGraph(model(), { target: "cpu", precision: "fp16" })).toThrow(
      "fp16 runs on webgpu and cuda only, not on cpu",
    );
  });

  it("is refused where a weight is larger than any half", () => {
    const large = model();
    const [name, { shape, data }] = [...large.parameters].find(([key]) => key.endsWith("query/kernel"))!;
    const parameters = new Map([...large.parameters, [name, { shape, data: data.map(() => 70_000) }]]);
    const graph = buildServingGraph({ ...large, parameters }, { target: "cuda", precision: "fp16" });
    expect(() => encodeModel(graph)).toThrow(/holds 70000, and float16 ends at 65504; serve in fp32/);
  });
});

/** Hidden states of three texts of different lengths, and the element types of the wide kernels. */
async function hiddenOf(
  model: ReturnType<typeof randomModel>,
  { target = "cpu", ...options }: Partial<ServingGraphOptions>,
) {
  const sequences = [7, 33, 2].map((length) => ({
    inputIds: Int32Array.from({ length }, (_, position) => (position * 7 + length) % model.config.vocabSize),
    tokenTypeIds: new Int32Array(length),
    outputs: ["@sequence"],
  }));
  const graph = buildServingGraph(model, { target, ...options });
  const session = await OrtSession.create(encodeModel(graph).bytes, { device: "cpu", threads: 1 });
  const { feeds } = packBatch({ target, heads: model.heads }, sequences);
  const hidden = (await session.run(feeds))["sequence_output"]!.data as Float32Array;
  await session.dispose();
  const kernels = [...graph.initializers].filter(([name]) => name.includes("ffn_1") && name.includes("kernel"));
  const types = new Set(kernels.filter(([, { dims }]) => dims.length === 2).map(([, { dtype }]) => dtype));
  return { hidden, kernelTypes: [...types] };
}
