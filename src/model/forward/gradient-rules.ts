import {
  cast,
  fill,
  type GradConfig,
  greater,
  matMul,
  mul,
  neg,
  pad,
  registerGradient,
  reshape,
  slice,
  square,
  sub,
  sum,
  type Tensor,
  transpose,
  util,
} from "@tensorflow/tfjs-core";

type Rule = Omit<GradConfig, "kernelName">;

/** Sums a gradient over the axes along which its operand was broadcast. */
function sumTo(gradient: Tensor, shape: number[]): Tensor {
  if (util.arraysEqual(gradient.shape, shape)) return gradient;
  const leading = gradient.rank - shape.length;
  const axes = gradient.shape.flatMap((dim, axis) =>
    axis < leading || (shape[axis - leading] === 1 && dim !== 1) ? [axis] : [],
  );
  return reshape(axes.length === 0 ? gradient : sum(gradient, axes), shape);
}

const broadcasting = (gradients: (dy: Tensor, a: Tensor, b: Tensor) => { a: () => Tensor; b: () => Tensor }): Rule => ({
  inputsToSave: ["a", "b"],
  gradFunc: (dy, saved) => {
    const [a, b] = saved as [Tensor, Tensor];
    const gradient = gradients(dy as Tensor, a, b);
    return { a: () => sumTo(gradient.a(), a.shape), b: () => sumTo(gradient.b(), b.shape) };
  },
});

const batchMatMul: Rule = {
  inputsToSave: ["a", "b"],
  gradFunc: (gradient, saved, attributes) => {
    const dy = gradient as Tensor;
    const [a, b] = saved as [Tensor, Tensor];
    const { transposeA, transposeB } = attributes as { transposeA: boolean; transposeB: boolean };
    if (transposeA) {
      return {
        a: () => matMul(b, dy, transposeB, true),
        b: () => (transposeB ? matMul(dy, a, true, true) : matMul(a, dy)),
      };
    }
    return {
      a: () => matMul(dy, b, false, !transposeB),
      b: () => (transposeB ? matMul(dy, a, true, false) : matMul(a, dy, true, false)),
    };
  },
};

const concatenation: Rule = {
  saveAllInputs: true,
  gradFunc: (gradient, saved, attributes) => {
    const dy = gradient as Tensor;
    const { axis } = attributes as { axis: number };
    let start = 0;
    const entries = saved.map((part, index): [string, () => Tensor] => {
      const begin = dy.shape.map((_, dim) => (dim === axis ? start : 0));
      start += part.shape[axis]!;
      return [`${index}`, () => slice(dy, begin, part.shape)];
    });
    return Object.fromEntries(entries);
  },
};

const summation: Rule = {
  inputsToSave: ["x"],
  gradFunc: (gradient, saved, attributes) => {
    const x = saved[0]!;
    const axes = util.parseAxisParam((attributes as { axis: number[] }).axis, x.shape);
    const kept = x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
    return { x: () => mul(reshape(gradient as Tensor, kept), fill(x.shape, 1)) };
  },
};

/**
 * The gradient of every TensorFlow.js kernel that the forward pass differentiates through. Kernels with a cheaper gradient
 * than their parts' (gelu, layer normalisation, softmax, cross-entropy, lookup) are custom gradients next to their functions.
 */
const RULES: Readonly<Record<string, Rule>> = {
  Add: broadcasting((dy) => ({ a: () => dy, b: () => dy })),
  Sub: broadcasting((dy) => ({ a: () => dy, b: () => neg(dy) })),
  Multiply: broadcasting((dy, a, b) => ({ a: () => mul(dy, b), b: () => mul(dy, a) })),
  Identity: { gradFunc: (dy) => ({ x: () => dy as Tensor }) },
  Reshape: {
    inputsToSave: ["x"],
    gradFunc: (dy, saved) => ({ x: () => reshape(dy as Tensor, saved[0]!.shape) }),
  },
  Transpose: {
    gradFunc: (dy, _, attributes) => {
      const { perm } = attributes as { perm: number[] };
      return {
        x: () =>
          transpose(
            dy as Tensor,
            perm.map((__, axis) => perm.indexOf(axis)),
          ),
      };
    },
  },
  Slice: {
    inputsToSave: ["x"],
    gradFunc: (gradient, saved, attributes) => {
      const dy = gradient as Tensor;
      const { begin } = attributes as { begin: number[] };
      const paddings = saved[0]!.shape.map((dim, axis): [number, number] => {
        const before = begin[axis] ?? 0;
        return [before, dim - before - dy.shape[axis]!];
      });
      return { x: () => pad(dy, paddings) };
    },
  },
  Concat: concatenation,
  Sum: summation,
  Tanh: {
    outputsToSave: [true],
    gradFunc: (dy, saved) => ({ x: () => mul(dy as Tensor, sub(1, square(saved[0]!))) }),
  },
  Relu: {
    inputsToSave: ["x"],
    gradFunc: (dy, saved) => ({ x: () => mul(dy as Tensor, cast(greater(saved[0]!, 0), "float32")) }),
  },
  BatchMatMul: batchMatMul,
};

let registered = false;

/** Makes the rules known to TensorFlow.js, once per process: its core package comes with none. */
export function registerGradientRules(): void {
  if (registered) return;
  for (const [kernelName, rule] of Object.entries(RULES)) registerGradient({ kernelName, ...rule });
  registered = true;
}
