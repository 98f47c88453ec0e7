import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../../src/graph/onnx/graph-builder.ts";
import { encodeModel } from "../../../src/graph/onnx/serialise.ts";
import { float32, type OnnxType, tensor } from "../../../src/graph/onnx/tensors.ts";

async function run(graph: GraphBuilder, feeds: Record<string, ort.Tensor> = {}) {
  const session = await ort.InferenceSession.create(encodeModel(graph).bytes);
  const outputs = await session.run(feeds);
  await session.release();
  return outputs;
}

describe("an ONNX graph", () => {
  it("computes what its nodes say", async () => {
    const g = new GraphBuilder("sum");
    const x = g.input("x", "float32", ["N", 2]);
    const sum = g.op("ReduceSum", [g.op("Mul", [x, g.float(-3)]), g.ints([1])], { keepdims: { int: 0 } });
    g.output(sum, "float32", ["N"], "y");
    const { y } = await run(g, { x: new ort.Tensor("float32", Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2]) });
    expect([...(y!.data as Float32Array)]).toEqual([-9, -21, -33]);
  });

  it("keeps the constants of a loop's body once, outside of it", async () => {
    const g = new GraphBuilder("power");
    const x = g.input("x", "float32", [1]);
    const body = g.subgraph("body");
    body.input("iteration", "int64", []);
    const condition = body.input("condition", "bool", []);
    const state = body.input("state", "float32", [1]);
    const next = body.op("Mul", [state, body.initializer("factor", tensor("float32", [1], [2]))]);
    body.output(condition, "bool", [], "condition_out");
    body.output(next, "float32", [1]);
    const [y] = g.node("Loop", [g.constant("int64", [], [10]), g.constant("bool", [], [1]), x], {
      attributes: { body: { graph: body } },
    });
    g.output(y!, "float32", [1], "y");
    expect(body.initializers.size).toBe(0);
    expect(g.initializers.has("factor")).toBe(true);
    const outputs = await run(g, { x: new ort.Tensor("float32", Float32Array.of(3), [1]) });
    expect(outputs["y"]!.data[0]).toBe(3072);
  });

  it.each<[OnnxType, number[]]>([
    ["float32", [1.5, -2, 3.25]],
    ["int32", [1, -2, 2 ** 31 - 1]],
    ["int64", [1, -2, Number.MAX_SAFE_INTEGER]],
    ["uint8", [0, 128, 255]],
    ["int8", [0, -128, 127]],
    ["bool", [0, 1, 1]],
    ["float64", [1e300, -2, 0.1]],
    ["uint32", [0, 1, 2 ** 32 - 1]],
  ])("carries %s constants exactly", async (dtype, values) => {
    const g = new GraphBuilder("constant");
    g.output(g.constant(dtype, [3], values), dtype, [3], "y");
    const { y } = await run(g);
    expect(Array.from(y!.data as Int32Array, Number)).toEqual(values);
    expect(y!.type).toBe(dtype);
  });

  it("writes every kind of attribute", async () => {
    const g = new GraphBuilder("attributes");
    const x = g.input("x", "float32", [1, 1, 2, 2]);
    const pooled = g.op("AveragePool", [x], { kernel_shape: { ints: [2, 2] }, auto_pad: { string: "SAME_UPPER" } });
    const elu = g.op("Elu", [pooled], { alpha: { float: 0.5 } });
    const constant = g.op("Constant", [], { value: { tensor: tensor("float32", [2], [7, 8]) } });
    const floats = g.op("Constant", [], { value_floats: { floats: [9, 10] } });
    g.output(elu, "float32", [1, 1, 2, 2], "elu");
    g.output(g.op("Add", [constant, floats]), "float32", [2], "sum");
    const outputs = await run(g, { x: new ort.Tensor("float32", Float32Array.of(1, 2, 3, 4), [1, 1, 2, 2]) });
    expect([...(outputs["elu"]!.data as Float32Array)]).toEqual([2.5, 3, 3.5, 4]);
    expect([...(outputs["sum"]!.data as Float32Array)]).toEqual([16, 18]);
  });

  it("reads large constants from a file beside it", async () => {
    const g = new GraphBuilder("external");
    const table = (scale: number) =>
      float32(
        [1000],
        Float32Array.from({ length: 1000 }, (_, i) => i * scale),
      );
    g.initializer("small", tensor("float32", [1], [1]));
    g.output(g.op("Add", [g.initializer("a", table(1)), g.initializer("b", table(2))]), "float32", [1000], "y");
    const { bytes, external } = encodeModel(g, { externalFile: "weights.bin" });
    expect(external.map(({ name, offset }) => [name, offset])).toEqual([
      ["a", 0],
      ["b", 4096],
    ]);
    const directory = mkdtempSync(join(tmpdir(), "albert-onnx-"));
    try {
      const file = new Uint8Array(8192);
      for (const constant of external) file.set(constant.bytes(), constant.offset);
      writeFileSync(join(directory, "weights.bin"), file);
      writeFileSync(join(directory, "model.onnx"), bytes);
      const session = await ort.InferenceSession.create(join(directory, "model.onnx"));
      const { y } = await session.run({});
      expect(y!.data[999]).toBe(2997);
      await session.release();
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("refuses a wire that leads nowhere and a name used twice", () => {
    const g = new GraphBuilder("wrong");
    g.input("x", "float32", [1]);
    expect(() => g.op("Neg", ["y"])).toThrow("uses y, which is not defined");
    expect(() => g.subgraph("body").input("x", "float32", [1])).toThrow('defines "x" twice');
    expect(() => g.initializer("c", tensor("float32", [3], [1, 2]))).not.toThrow();
    expect(() => encodeModel(g).bytes).toThrow("constant c of type float32 [3] holds 2 elements");
  });

  it("shares equal small constants", () => {
    const g = new GraphBuilder("shared");
    expect(g.ints([1, 2])).toBe(g.ints([1, 2]));
    expect(g.ints([1])).not.toBe(g.constant("int64", [], [1]));
  });
});
