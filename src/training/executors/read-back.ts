import { invariant } from "../../errors.ts";
import { GraphBuilder } from "../../graph/onnx/graph-builder.ts";
import { encodeModel } from "../../graph/onnx/serialise.ts";
import type { DeviceKind } from "../../runtime/engine.ts";
import { floatValues, type SessionTensor, TrainingSession } from "../../runtime/session/training-session.ts";

/**
 * Copies of float32 tensors, wherever they lie. ONNX Runtime cannot download a device tensor by itself, but a graph that
 * returns its input into this process's memory can.
 */
export async function readBack(
  tensors: ReadonlyMap<string, SessionTensor>,
  device: DeviceKind,
): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  const remote: Record<string, SessionTensor> = {};
  for (const [name, tensor] of tensors) {
    if (tensor.location === "cpu") values.set(name, floatValues(tensor).slice());
    else remote[name] = tensor;
  }
  if (Object.keys(remote).length === 0) return values;
  invariant(device !== "openvino", "its tensors lie in this process's memory");
  const graph = new GraphBuilder("read_back");
  for (const [name, tensor] of Object.entries(remote)) {
    graph.output(graph.input(name, "float32", tensor.dims), "float32", tensor.dims, `value/${name}`);
  }
  const session = await TrainingSession.open(encodeModel(graph).bytes, { device });
  try {
    const outputs = Object.fromEntries(Object.keys(remote).map((name) => [`value/${name}`, null]));
    const results = await session.run(remote, outputs);
    for (const name of Object.keys(remote)) values.set(name, floatValues(results[`value/${name}`]!).slice());
  } finally {
    await session.close();
  }
  return values;
}
