import { backend_util, type DataType, type TensorInfo, upcastType } from "@tensorflow/tfjs-core";
import { invariant } from "../../../errors.ts";
import { DATA_TYPE } from "../../onnx/tensors.ts";
import type { TracedType } from "../recorder.ts";
import { attribute, input, type KernelCall, type Lowering, type LoweringTable, typeOf } from "./lowering.ts";

function unary(opType: string): Lowering {
  return (call) => {
    const x = input(call, "x");
    return call.recorder.op(opType, [x], typeOf(x));
  };
}

function binary(opType: string, result?: TracedType): Lowering {
  return (call) => {
    const a = input(call, "a");
    const b = input(call, "b");
    invariant(a.dtype === b.dtype, `${opType} of ${a.dtype} and ${b.dtype}`);
    const shape = backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
    return call.recorder.op(opType, [a, b], { shape, dtype: result ?? typeOf(a).dtype });
  };
}

const plainAdd = binary("Add");

const add: Lowering = (call) => turnedSum(call) ?? plainAdd(call);

/**
 * The sum of two transposes as the transpose of a sum: of the transposes that a chain of additions would carry along, one
 * remains at its end.
 */
function turnedSum(call: KernelCall): TensorInfo | undefined {
  const { recorder } = call;
  const a = input(call, "a");
  const b = input(call, "b");
  const [first, second] = [recorder.producerOf(a), recorder.producerOf(b)];
  if (first?.opType !== "Transpose" || second?.opType !== "Transpose") return undefined;
  const perm = first.attributes["perm"];
  if (JSON.stringify(perm) !== JSON.stringify(second.attributes["perm"]) || a.shape.length !== 2) return undefined;
  if (a.shape.join() !== b.shape.join()) return undefined;
  const { shape, dtype } = typeOf(a);
  const sum = recorder.op("Add", [first.inputs[0]!, second.inputs[0]!], { shape: shape.toReversed(), dtype });
  return recorder.op("Transpose", [sum], { shape, dtype }, { attributes: first.attributes });
}

const square: Lowering = (call) => {
  const x = input(call, "x");
  return call.recorder.op("Mul", [x, x], typeOf(x));
};

const rsqrt: Lowering = (call) => {
  const x = input(call, "x");
  return call.recorder.op("Reciprocal", [call.recorder.op("Sqrt", [x], typeOf(x))], typeOf(x));
};

const cast: Lowering = (call) => {
  const x = input(call, "x");
  const dtype = attribute<TracedType>(call, "dtype");
  if (dtype === x.dtype) return call.recorder.info(call.recorder.nameOf(x), typeOf(x));
  return call.recorder.op("Cast", [x], { shape: x.shape, dtype }, { attributes: { to: { int: DATA_TYPE[dtype] } } });
};

const identity: Lowering = (call) => {
  const x = input(call, "x");
  return call.recorder.info(call.recorder.nameOf(x), typeOf(x));
};

const select: Lowering = (call) => {
  const condition = input(call, "condition");
  const t = input(call, "t");
  const e = input(call, "e");
  return call.recorder.op("Where", [condition, t, e], {
    shape: t.shape,
    dtype: upcastType(t.dtype, e.dtype as DataType) as TracedType,
  });
};

/** Kernels that work on each element by itself. */
export const ELEMENTWISE: LoweringTable = {
  Add: add,
  Sub: binary("Sub"),
  Multiply: binary("Mul"),
  RealDiv: binary("Div"),
  Maximum: binary("Max"),
  Minimum: binary("Min"),
  Pow: binary("Pow"),
  Equal: binary("Equal", "bool"),
  Greater: binary("Greater", "bool"),
  GreaterEqual: binary("GreaterOrEqual", "bool"),
  LogicalAnd: binary("And", "bool"),
  Neg: unary("Neg"),
  Abs: unary("Abs"),
  Exp: unary("Exp"),
  Log: unary("Log"),
  Sqrt: unary("Sqrt"),
  Tanh: unary("Tanh"),
  Sigmoid: unary("Sigmoid"),
  Relu: unary("Relu"),
  Erf: unary("Erf"),
  Floor: unary("Floor"),
  Square: square,
  Rsqrt: rsqrt,
  Cast: cast,
  Identity: identity,
  Select: select,
};
