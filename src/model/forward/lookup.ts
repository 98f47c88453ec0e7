import {
  customGrad,
  type GradSaveFunc,
  gather,
  reshape,
  scatterND,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
} from "@tensorflow/tfjs-core";

/**
 * Rows of a table. The gradient adds each row's share into place, in the order of `ids`, whatever the device's threads do.
 *
 * @param table float32 [rows, width]
 * @param ids   int32 [n]
 * @returns float32 [n, width]
 */
export function lookup(table: Tensor2D, ids: Tensor1D): Tensor2D {
  const differentiable = customGrad((...args: unknown[]) => {
    const [input, save] = args as [Tensor2D, GradSaveFunc];
    save([]);
    return {
      value: gather(input, ids),
      gradFunc: (dy: Tensor) => scatterND(reshape(ids, [ids.shape[0], 1]), dy, table.shape),
    };
  });
  return differentiable(table) as Tensor2D;
}
