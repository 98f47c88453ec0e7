import { describe, expect, it } from "vitest";
import { buildServingGraph } from "../../src/graph/serving/serving-graph.ts";
import { OrtSession } from "../../src/runtime/ort.ts";
import { randomModel } from "../random-model.ts";

describe("the graph for CUDA", () => {
  it("is valid up to the one operator that only CUDA has", async () => {
    const graph = buildServingGraph(randomModel(), { target: "cuda" });
    const create = OrtSession.create(graph.toModelBytes(), { device: "cpu", threads: 1 });
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
