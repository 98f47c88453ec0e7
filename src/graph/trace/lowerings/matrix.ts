import { backend_util, type TensorInfo } from "@tensorflow/tfjs-core";
import { MICROSOFT } from "../../onnx/graph-builder.ts";
import type { ValueType } from "../recorder.ts";
import { attribute, input, type KernelCall, type Lowering, type LoweringTable, typeOf } from "./lowering.ts";

const batchMatMul: Lowering = (call) => {
  const a = input(call, "a");
  const b = input(call, "b");
  const transposeA = attribute<boolean>(call, "transposeA");
  const transposeB = attribute<boolean>(call, "transposeB");
  const rows = a.shape.at(transposeA ? -1 : -2)!;
  const columns = b.shape.at(transposeB ? -2 : -1)!;
  const batch = backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const type = { shape: [...batch, rows, columns], dtype: typeOf(a).dtype };
  if (!transposeA && !transposeB) return call.recorder.op("MatMul", [a, b], type);
  if (transposeA && !transposeB && type.shape.length === 2 && call.device === "cpu") {
    return transposedProduct(call, a, b, type);
  }
  if (call.device === "webgpu" || call.device === "openvino") {
    // The WebGPU provider has no kernel for FusedMatMul: the product would be computed on the CPU. OpenVINO makes a product and a
    // pass over its result of it, but takes transposes into products by itself.
    return call.recorder.op("MatMul", [transposeA ? swapped(call, a) : a, transposeB ? swapped(call, b) : b], type);
  }
  const attributes = { transA: { int: transposeA ? 1 : 0 }, transB: { int: transposeB ? 1 : 0 } };
  return call.recorder.op("FusedMatMul", [a, b], type, { attributes, domain: MICROSOFT });
};

/**
 * a^T @ b, the product of every weight's gradient. The CPU's kernel reads a transposed left operand at two thirds of its
 * speed, so the smaller operand is turned beforehand. Where that is b, the product comes out turned, and is turned back;
 * sums of such products are turned once (`turnedSum` of elementwise.ts).
 */
function transposedProduct(call: KernelCall, a: TensorInfo, b: TensorInfo, type: ValueType): TensorInfo {
  const [rows, columns] = type.shape as [number, number];
  if (rows <= columns) return call.recorder.op("MatMul", [swapped(call, a), b], type);
  if (rows > MOST_TURNED * columns) {
    const attributes = { transA: { int: 1 }, transB: { int: 0 } };
    return call.recorder.op("FusedMatMul", [a, b], type, { attributes, domain: MICROSOFT });
  }
  return swapped(call, call.recorder.op("MatMul", [swapped(call, b), a], { ...type, shape: [columns, rows] }));
}

/** Beyond this many rows per column (a vocabulary's table), turning the product costs more than the slow kernel. */
const MOST_TURNED = 8;

function swapped(call: KernelCall, x: TensorInfo): TensorInfo {
  const perm = x.shape.map((_, axis) => axis);
  perm.push(...perm.splice(-2).reverse());
  const shape = perm.map((axis) => x.shape[axis]!);
  return call.recorder.op(
    "Transpose",
    [x],
    { shape, dtype: typeOf(x).dtype },
    { attributes: { perm: { ints: perm } } },
  );
}

/** Matrix products. */
export const MATRIX: LoweringTable = { BatchMatMul: batchMatMul };
