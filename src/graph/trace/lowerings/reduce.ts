import { util } from "@tensorflow/tfjs-core";
import { DATA_TYPE } from "../../onnx/tensors.ts";
import { attribute, input, type Lowering, type LoweringTable, typeOf } from "./lowering.ts";

const sum: Lowering = (call) => {
  const x = input(call, "x");
  const axes = util.parseAxisParam(attribute<number | number[]>(call, "axis"), x.shape);
  const keepDims = attribute<boolean | undefined>(call, "keepDims") ?? false;
  const shape = keepDims
    ? x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim))
    : x.shape.filter((_, axis) => !axes.includes(axis));
  const { recorder } = call;
  return recorder.op(
    "ReduceSum",
    [x, recorder.ints(axes)],
    { shape, dtype: typeOf(x).dtype },
    { attributes: { keepdims: { int: keepDims ? 1 : 0 } } },
  );
};

const argMax: Lowering = (call) => {
  const x = input(call, "x");
  const axis = util.parseAxisParam(attribute<number>(call, "axis"), x.shape)[0]!;
  const type = { shape: x.shape.filter((_, index) => index !== axis), dtype: "int32" } as const;
  const { recorder } = call;
  // ONNX counts in int64; TensorFlow.js has no such type, so the wide value never leaves this pair of nodes.
  const wide = recorder.op("ArgMax", [x], type, { attributes: { axis: { int: axis }, keepdims: { int: 0 } } });
  return recorder.op("Cast", [wide], type, { attributes: { to: { int: DATA_TYPE.int32 } } });
};

function alongLastAxis(opType: string, tensorName: string): Lowering {
  return (call) => {
    const logits = input(call, tensorName);
    return call.recorder.op(opType, [logits], typeOf(logits), { attributes: { axis: { int: -1 } } });
  };
}

/** Kernels that reduce or normalise along axes. */
export const REDUCE: LoweringTable = {
  Sum: sum,
  ArgMax: argMax,
  Softmax: alongLastAxis("Softmax", "logits"),
  LogSoftmax: alongLastAxis("LogSoftmax", "logits"),
};
