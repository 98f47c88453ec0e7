import type { Precision } from "../../graph/serving/dense.ts";
import { buildServingGraph, type ServingModel } from "../../graph/serving/serving-graph.ts";
import type { DeviceKind } from "../engine.ts";
import { type ModelFiles, writeModelFiles } from "./model-files.ts";

// Writes a model into the files from which sessions are opened, and describes them as plain data.

/**
 * A model whose graph and weights lie in files that sessions load: all that an engine needs. Plain data without a weight in
 * it, so that one thread can prepare what the engines of another run. The preparer removes its files in the end, when
 * the last engine on it has been closed (`removeModelFiles`).
 */
export interface PreparedModel extends Pick<ServingModel, "config" | "heads">, ModelFiles, EngineTarget {
  /** Whether its products round by scales that the model came with, which takes another time than finding them as it runs. */
  readonly hasScales: boolean;
}

/** What a graph is written for. */
export interface EngineTarget {
  readonly device: DeviceKind;
  /** Arithmetic of the trunk's matrix products; int8 needs the cpu or openvino, bf16 openvino, fp16 webgpu or cuda. */
  readonly precision: Precision;
}

/**
 * Writes a model's graph and weights for one kind of device.
 *
 * @param workDirectory  where the files' directory is made; default: the system's directory for temporary files
 * @throws AlbertError corrupt (a variable is missing or misshapen), precondition (PRECISION_UNAVAILABLE)
 */
export async function prepareModel(
  model: ServingModel,
  { device, precision }: EngineTarget,
  workDirectory?: string,
): Promise<PreparedModel> {
  const { config, heads } = model;
  const files = await writeModelFiles(buildServingGraph(model, { target: device, precision }), workDirectory);
  const hasScales = precision === "int8" && model.scales !== undefined;
  return { config, heads, device, precision, hasScales, ...files };
}
