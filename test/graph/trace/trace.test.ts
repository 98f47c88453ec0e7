import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { LOWERINGS } from "../../../src/graph/trace/lowerings/table.ts";
import { toGraph, trace } from "../../../src/graph/trace/trace.ts";
import { expectClose } from "../../support/closeness.ts";
import { type Fed, type FedValues, type TensorFunction, traced } from "./run-traced.ts";

/** One way to reach a kernel: random inputs, and a function that calls it. */
interface KernelCase {
  readonly inputs: (shape: number[], random: () => number) => FedValues;
  readonly run: TensorFunction;
}

type Inputs = Readonly<Record<string, tf.Tensor>>;

function reals(shape: readonly number[], random: () => number, low = -2, high = 2): Fed {
  const length = shape.reduce((product, dim) => product * dim, 1);
  return { shape, data: Float32Array.from({ length }, () => low + (high - low) * random()) };
}

function wholes(shape: readonly number[], random: () => number, limit: number): Fed {
  const length = shape.reduce((product, dim) => product * dim, 1);
  return { shape, data: Int32Array.from({ length }, () => Math.floor(random() * limit)) };
}

const one =
  (low = -2, high = 2) =>
  (shape: number[], random: () => number): FedValues => ({ x: reals(shape, random, low, high) });
const pair = (shape: number[], random: () => number): FedValues => ({
  a: reals(shape, random),
  b: reals([shape.at(-1)!], random),
});
const wholePair = (shape: number[], random: () => number): FedValues => ({
  a: wholes(shape, random, 3),
  b: wholes([shape.at(-1)!], random, 3),
});
const unary = (run: (x: tf.Tensor) => tf.Tensor, low?: number, high?: number): KernelCase => ({
  inputs: one(low, high),
  run: ({ x }) => ({ y: run(x!) }),
});
const binary = (run: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): KernelCase => ({
  inputs: pair,
  run: ({ a, b }) => ({ y: run(a!, b!) }),
});
const comparison = (run: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): KernelCase => ({
  inputs: wholePair,
  run: ({ a, b }) => ({ y: tf.cast(run(a!, b!), "float32") }),
});
const positive = (x: tf.Tensor): tf.Tensor => tf.add(tf.abs(x), 0.5);
const rowsOf = (shape: number[]): [number, number] => [shape.slice(0, -1).reduce((p, d) => p * d, 1), shape.at(-1)!];

/** Every kernel of the closed list, at least once. Fused kernels are checked where the model composes them. */
const CASES: Readonly<Record<string, KernelCase>> = {
  Add: binary(tf.add),
  Sub: binary(tf.sub),
  Multiply: binary(tf.mul),
  RealDiv: binary((a, b) => tf.div(a, positive(b))),
  Maximum: binary(tf.maximum),
  Minimum: binary(tf.minimum),
  Pow: binary((a, b) => tf.pow(positive(a), b)),
  Equal: comparison(tf.equal),
  Greater: comparison(tf.greater),
  GreaterEqual: comparison(tf.greaterEqual),
  LogicalAnd: comparison((a, b) => tf.logicalAnd(tf.greater(a, 0), tf.greater(b, 1))),
  Neg: unary(tf.neg),
  Abs: unary(tf.abs),
  Exp: unary(tf.exp),
  Log: unary(tf.log, 0.1, 5),
  Sqrt: unary(tf.sqrt, 0, 5),
  Rsqrt: unary(tf.rsqrt, 0.1, 5),
  Tanh: unary(tf.tanh, -10, 10),
  Sigmoid: unary(tf.sigmoid, -20, 20),
  Relu: unary(tf.relu),
  Erf: unary(tf.erf),
  Floor: unary(tf.floor),
  Square: unary(tf.square),
  Cast: unary((x) => tf.cast(tf.cast(x, "int32"), "float32")),
  Identity: unary((x) => tf.clone(x)),
  Select: {
    inputs: pair,
    run: ({ a, b }) => ({ y: tf.where(tf.greater(a!, b!), tf.mul(a!, 2), tf.neg(a!)) }),
  },
  Reshape: unary((x) => tf.reshape(tf.exp(x), [-1, 1])),
  ExpandDims: unary((x) => tf.expandDims(tf.exp(x), -1)),
  Transpose: unary((x) => tf.transpose(x)),
  Slice: unary((x) => tf.slice(x, [0], [1])),
  PadV2: unary((x) =>
    tf.pad(
      x,
      x.shape.map((_, axis): [number, number] => [axis, 1]),
    ),
  ),
  Concat: binary((a) => tf.concat([a, tf.neg(a), a], -1)),
  Fill: unary((x) => tf.mul(tf.fill(x.shape, 3), x)),
  ZerosLike: unary((x) => tf.add(tf.zerosLike(x), x)),
  OnesLike: unary((x) => tf.add(tf.onesLike(x), x)),
  Sum: { inputs: one(), run: ({ x }) => ({ all: tf.sum(x!), rows: tf.sum(x!, -1, true), columns: tf.sum(x!, 0) }) },
  ArgMax: unary((x) => tf.cast(tf.argMax(x, -1), "float32")),
  Softmax: unary((x) => tf.softmax(x)),
  BatchMatMul: {
    inputs: (shape, random) => {
      const [rows, columns] = rowsOf(shape);
      return { a: reals([2, rows, columns], random), b: reals([2, columns, rows], random) };
    },
    run: ({ a, b }) => ({
      plain: tf.matMul(a!, b!),
      left: tf.matMul(a!, a!, true, false),
      right: tf.matMul(b!, b!, false, true),
      both: tf.matMul(a!, b!, true, true),
    }),
  },
  GatherV2: {
    inputs: (shape, random) => ({ x: reals(shape, random), ids: wholes([5], random, shape[0]!) }),
    run: ({ x, ids }) => ({ y: tf.gather(x!, ids as tf.Tensor1D) }),
  },
  ScatterNd: {
    inputs: (shape, random) => ({ rows: reals([64, shape.at(-1)!], random), ids: wholes([64, 1], random, 3) }),
    run: ({ rows, ids }) => ({ y: tf.scatterND(ids!, rows!, [4, rows!.shape[1]!]) }),
  },
  TensorScatterUpdate: {
    inputs: (shape, random) => ({ x: reals([shape.at(-1)! + 2], random), value: reals([2], random) }),
    run: ({ x, value }) => ({ y: tf.tensorScatterUpdate(x!, tf.tensor2d([[1], [0]], [2, 1], "int32"), value!) }),
  },
};

/** Kernels that TensorFlow.js itself cannot run. */
const FUSED_ONLY = ["LayerNormalization", "FastGelu", "KeepMask", "LogSoftmax"];

function onCpu(run: TensorFunction, fed: FedValues): Record<string, number[]> {
  const results: Record<string, number[]> = {};
  tf.tidy(() => {
    const inputs: Inputs = Object.fromEntries(
      Object.entries(fed).map(([name, { shape, data }]) => [
        name,
        tf.tensor(data, [...shape], data instanceof Int32Array ? "int32" : "float32"),
      ]),
    );
    for (const [name, output] of Object.entries(run(inputs))) results[name] = Array.from(output.dataSync());
  });
  return results;
}

describe("the tracing backend", () => {
  beforeAll(async () => {
    await tf.setBackend("cpu");
  });

  it("has a case here for every kernel of its closed list", () => {
    expect([...Object.keys(CASES), ...FUSED_ONLY].toSorted()).toEqual(Object.keys(LOWERINGS).toSorted());
  });

  it.each(Object.keys(CASES))(
    "%s computes on ONNX Runtime what TensorFlow.js computes, on random shapes",
    async (kernel) => {
      const { inputs, run } = CASES[kernel]!;
      const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
      await fc.assert(
        fc.asyncProperty(
          shapes,
          fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
          async (shape, stream) => {
            const random = () => stream.next().value as number;
            const first = inputs(shape, random);
            const graph = await traced(first, run);
            try {
              // The second feed must go the same way: values of the first must not have stayed in the graph.
              for (const fed of [first, inputs(shape, random)]) {
                const expected = onCpu(run, fed);
                const actual = await graph.run(fed);
                for (const [name, values] of Object.entries(expected)) {
                  expectClose(
                    actual[name]!,
                    values,
                    { absolute: 2e-6, relative: 2e-6 },
                    `${kernel} ${name} [${shape}]`,
                  );
                }
              }
            } finally {
              await graph.close();
            }
          },
        ),
        { numRuns: 6 },
      );
    },
  );

  it("refuses to read a value, which would bake it into the graph", () => {
    expect(() =>
      trace("cpu", (feeds) => ({
        y: tf.mul(feeds.input("x", [1], "float32"), feeds.input("k", [], "float32").dataSync()[0]!),
      })),
    ).toThrow(/read while tracing/);
    expect(tf.getBackend()).toBe("cpu");
  });

  it("refuses kernels outside the list by name", () => {
    expect(() => trace("cpu", (feeds) => ({ y: tf.cumsum(feeds.input("x", [3], "float32")) }))).toThrow(/Cumsum/);
    expect(tf.getBackend()).toBe("cpu");
  });

  it("refuses tensors of another backend", () => {
    const outside = tf.tensor1d([1, 2]);
    expect(() => trace("cpu", (feeds) => ({ y: tf.add(feeds.input("x", [2], "float32"), outside) }))).toThrow();
  });

  it("records equal constants and equal calls once, and nothing that no output needs", () => {
    const graph = trace("cpu", (feeds) => {
      const x = feeds.input("x", [2], "float32");
      feeds.input("unused", [2], "float32");
      tf.exp(x);
      return { y: tf.mul(tf.add(tf.mul(x, 3), 1), tf.add(tf.mul(x, 3), 1)) };
    });
    expect(graph.nodes.map(({ opType }) => opType)).toEqual(["Mul", "Add", "Mul"]);
    expect(graph.constants.size).toBe(2);
    expect(graph.inputs.map(({ name }) => name)).toEqual(["x"]);
  });

  it("computes a result under the name it is published by, and copies it only for a second name", async () => {
    const run: TensorFunction = ({ x }) => {
      const doubled = tf.mul(x!, 2);
      return { doubled, more: tf.add(doubled, 1), again: tf.mul(x!, 2) };
    };
    const fed = { x: { shape: [2], data: Float32Array.of(1, 2) } };
    const graph = trace("cpu", (feeds) => run({ x: feeds.input("x", [2], "float32") }));
    const { nodes } = toGraph("test", graph);
    expect(nodes.map(({ opType, outputs }) => [opType, ...outputs])).toEqual([
      ["Mul", "doubled"],
      ["Add", "more"],
      ["Identity", "again"],
    ]);
    const session = await traced(fed, run);
    const results = await session.run(fed);
    expect(Object.entries(results).map(([name, values]) => [name, ...values])).toEqual([
      ["doubled", 2, 4],
      ["more", 3, 5],
      ["again", 2, 4],
    ]);
    await session.close();
  });

  it("turns a sum of transposed products once", async () => {
    const run: TensorFunction = ({ a, b, c }) => {
      const products = [a!, b!].map((x) => tf.matMul(x, c!, true, false));
      return { y: tf.add(tf.add(products[0]!, products[1]!), products[1]!) };
    };
    const random = () => 0.37;
    const fed = { a: reals([4, 5], random), b: reals([4, 5], () => 0.81), c: reals([4, 3], random) };
    const graph = trace("cpu", (feeds) => {
      const feed = (name: keyof typeof fed) => feeds.input(name, fed[name].shape, "float32");
      return run({ a: feed("a"), b: feed("b"), c: feed("c") });
    });
    const kinds = graph.nodes.map(({ opType }) => opType);
    expect(kinds.filter((kind) => kind === "Transpose")).toHaveLength(2);
    const session = await traced(fed, run);
    expectClose((await session.run(fed))["y"]!, onCpu(run, fed)["y"]!, { relative: 1e-6 });
    await session.close();
  });

  it("uses standard operators, and of ONNX Runtime's own only those that every stock provider has", () => {
    const graph = trace("cpu", (feeds) => ({
      y: tf.matMul(feeds.input("a", [3, 2], "float32"), feeds.input("b", [3, 2], "float32"), false, true),
    }));
    expect(toGraph("test", graph).nodes.map(({ opType, domain }) => `${domain}.${opType}`)).toContain(
      "com.microsoft.FusedMatMul",
    );
    const portable = trace("webgpu", (feeds) => ({
      y: tf.matMul(feeds.input("a", [3, 2], "float32"), feeds.input("b", [3, 2], "float32"), true, false),
    }));
    expect(portable.nodes.map(({ opType, domain }) => `${domain}.${opType}`)).toEqual([".Transpose", ".MatMul"]);
  });
});
