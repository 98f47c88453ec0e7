import { MICROSOFT } from "../../onnx/graph-builder.ts";
import { attribute, input, type Lowering, type LoweringTable, typeOf } from "./lowering.ts";

/** x [..,n], gamma [n], beta [n] -> the normalised rows, their means and their inverse deviations ([..,1]). */
const layerNormalization: Lowering = (call) => {
  const x = input(call, "x");
  const statistics = { shape: [...x.shape.slice(0, -1), 1], dtype: "float32" } as const;
  return call.recorder.ops(
    "LayerNormalization",
    [x, input(call, "gamma"), input(call, "beta")],
    [typeOf(x), statistics, statistics],
    { attributes: { axis: { int: -1 }, epsilon: { float: attribute(call, "epsilon") } } },
  );
};

/** The tanh form of gelu in one pass. */
const fastGelu: Lowering = (call) => {
  const x = input(call, "x");
  return call.recorder.op("FastGelu", [x], typeOf(x), { domain: MICROSOFT });
};

/** `scale` where x >= threshold, else 0. */
const keepMask: Lowering = (call) => {
  const x = input(call, "x");
  const { recorder } = call;
  const keep = recorder.op("GreaterOrEqual", [x, recorder.float(attribute(call, "threshold"))], {
    shape: x.shape,
    dtype: "bool",
  });
  return recorder.op("Where", [keep, recorder.float(attribute(call, "scale")), recorder.float(0)], typeOf(x));
};

/**
 * Kernels that TensorFlow.js does not have. The model's functions use them where the current backend registers them and
 * compose them from ordinary operations elsewhere (`model/forward/fused-kernels.ts`).
 */
export const FUSED: LoweringTable = {
  LayerNormalization: layerNormalization,
  FastGelu: fastGelu,
  KeepMask: keepMask,
};
