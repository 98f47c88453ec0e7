import { slice_util, type TensorInfo, util } from "@tensorflow/tfjs-core";
import { attribute, input, type KernelCall, type Lowering, type LoweringTable, typeOf } from "./lowering.ts";

function reshaped(call: KernelCall, x: TensorInfo, shape: number[]): TensorInfo {
  const { recorder } = call;
  const type = { shape, dtype: typeOf(x).dtype };
  if (util.arraysEqual(shape, x.shape)) return recorder.info(recorder.nameOf(x), type);
  return recorder.op("Reshape", [x, recorder.ints(shape)], type);
}

const reshape: Lowering = (call) => {
  const x = input(call, "x");
  const shape = util.inferFromImplicitShape(attribute(call, "shape"), util.sizeFromShape(x.shape));
  return reshaped(call, x, shape);
};

const expandDims: Lowering = (call) => {
  const x = input(call, "input");
  const dim = attribute<number>(call, "dim");
  const at = dim < 0 ? x.shape.length + dim + 1 : dim;
  return reshaped(call, x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
};

const transpose: Lowering = (call) => {
  const x = input(call, "x");
  const perm = attribute<number[]>(call, "perm");
  const shape = perm.map((axis) => x.shape[axis]!);
  return call.recorder.op(
    "Transpose",
    [x],
    { shape, dtype: typeOf(x).dtype },
    { attributes: { perm: { ints: perm } } },
  );
};

const slice: Lowering = (call) => {
  const x = input(call, "x");
  const [begin = [], size = []] = slice_util.parseSliceParams(x, attribute(call, "begin"), attribute(call, "size"));
  const { recorder } = call;
  const end = begin.map((start, axis) => start + size[axis]!);
  const axes = begin.map((_, axis) => axis);
  return recorder.op("Slice", [x, recorder.ints(begin), recorder.ints(end), recorder.ints(axes)], {
    shape: size,
    dtype: typeOf(x).dtype,
  });
};

const pad: Lowering = (call) => {
  const x = input(call, "x");
  const paddings = attribute<[number, number][]>(call, "paddings");
  const { recorder } = call;
  const shape = x.shape.map((dim, axis) => paddings[axis]![0] + dim + paddings[axis]![1]);
  const pads = recorder.ints([...paddings.map(([before]) => before), ...paddings.map(([, after]) => after)]);
  const value = recorder.float(attribute<number>(call, "constantValue"));
  return recorder.op("Pad", [x, pads, value], { shape, dtype: typeOf(x).dtype });
};

const concat: Lowering = (call) => {
  const tensors = Object.values(call.inputs).filter((tensor) => tensor !== undefined);
  const first = tensors[0]!;
  const axis = util.parseAxisParam(attribute<number>(call, "axis"), first.shape)[0]!;
  const shape = [...first.shape];
  shape[axis] = tensors.reduce((sum, tensor) => sum + tensor.shape[axis]!, 0);
  return call.recorder.op(
    "Concat",
    tensors,
    { shape, dtype: typeOf(first).dtype },
    { attributes: { axis: { int: axis } } },
  );
};

function filled(call: KernelCall, shape: number[], dtype: string, value: number): TensorInfo {
  const { recorder } = call;
  const scalar =
    dtype === "float32"
      ? recorder.float(value)
      : recorder.constant(
          dtype === "bool" ? "bool" : "int32",
          [],
          dtype === "bool" ? Uint8Array.of(value) : Int32Array.of(value),
        );
  const type = { shape, dtype: dtype === "float32" || dtype === "bool" ? dtype : "int32" } as const;
  return shape.length === 0 ? recorder.info(scalar, type) : recorder.op("Expand", [scalar, recorder.ints(shape)], type);
}

const fill: Lowering = (call) =>
  filled(
    call,
    attribute(call, "shape"),
    attribute<string | undefined>(call, "dtype") ?? "float32",
    attribute(call, "value"),
  );

function fillLike(value: number): Lowering {
  return (call) => {
    const x = input(call, "x");
    return filled(call, x.shape, x.dtype, value);
  };
}

/** Kernels that move or make elements without computing. */
export const SHAPE: LoweringTable = {
  Reshape: reshape,
  ExpandDims: expandDims,
  Transpose: transpose,
  Slice: slice,
  PadV2: pad,
  Concat: concat,
  Fill: fill,
  ZerosLike: fillLike(0),
  OnesLike: fillLike(1),
};
