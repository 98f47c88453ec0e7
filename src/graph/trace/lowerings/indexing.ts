import { type TensorInfo, util } from "@tensorflow/tfjs-core";
import { invariant } from "../../../errors.ts";
import { attribute, input, type KernelCall, type Lowering, type LoweringTable, typeOf } from "./lowering.ts";

const gather: Lowering = (call) => {
  const x = input(call, "x");
  const indices = input(call, "indices");
  const axis = util.parseAxisParam(attribute<number>(call, "axis"), x.shape)[0]!;
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  return call.recorder.op(
    "Gather",
    [x, indices],
    { shape, dtype: typeOf(x).dtype },
    { attributes: { axis: { int: axis } } },
  );
};

/**
 * Adds rows into a table of zeros. ScatterElements rather than ScatterND: on the CPU, ScatterND's additions run in
 * parallel over rows, so that rows which meet in one place are lost or added in a changing order.
 */
const scatterNd: Lowering = (call) => {
  const updates = input(call, "updates");
  const shape = attribute<number[]>(call, "shape");
  const { recorder } = call;
  const zeros = recorder.op("Expand", [recorder.float(0), recorder.ints(shape)], { shape, dtype: "float32" });
  return scatterRows(call, zeros, updates, "add");
};

/** Replaces rows of a table; no row may be named twice. */
const tensorScatterUpdate: Lowering = (call) =>
  scatterRows(call, input(call, "tensor"), input(call, "updates"), "none");

function scatterRows(call: KernelCall, table: TensorInfo, updates: TensorInfo, reduction: "add" | "none"): TensorInfo {
  const { recorder } = call;
  const indices = input(call, "indices");
  invariant(indices.shape.length === 2 && indices.shape[1] === 1, "only whole rows of the first axis are scattered");
  const rows = indices.shape[0]!;
  const rowShape = table.shape.slice(1);
  const column = recorder.op("Reshape", [indices, recorder.ints([rows, ...rowShape.map(() => 1)])], {
    shape: [rows, ...rowShape.map(() => 1)],
    dtype: "int32",
  });
  const index =
    rowShape.length === 0
      ? column
      : recorder.op("Expand", [column, recorder.ints([rows, ...rowShape])], {
          shape: [rows, ...rowShape],
          dtype: "int32",
        });
  return recorder.op("ScatterElements", [table, index, updates], typeOf(table), {
    attributes: { axis: { int: 0 }, reduction: { string: reduction } },
  });
}

/** Kernels that read or write by index. */
export const INDEXING: LoweringTable = {
  GatherV2: gather,
  ScatterNd: scatterNd,
  TensorScatterUpdate: tensorScatterUpdate,
};
