import { defaultHeapBytes, inThread } from "../../platform/threads/hosted-thread.ts";
import { callThread } from "../../platform/threads/worker-rpc.ts";
import type { ModelComparison } from "../../report/comparison/model-comparison.ts";
import { type ModelVersion, versionName } from "../../store/versions.ts";
import type { Task } from "../../training/settings/recipes.ts";
import type { EvaluationData } from "../gate/evaluation-data.ts";
import type { GateOptions } from "../gate/run-gate.ts";
import type { ComparedDirectory, ComparisonRequest } from "./compare-directories.ts";

/**
 * Compares two stored versions, of one model or of two, on one data set, by the test that the gate uses and on a thread as the
 * gate's. It keeps and promotes nothing.
 *
 * @param signal  aborting it ends the comparison after the batch in hand
 * @throws AlbertError as `compareDirectories`; corrupt for damaged files; too-large (WORK_TOO_LARGE)
 */
export async function compareVersions(
  options: Pick<GateOptions, "store" | "engine" | "background" | "host">,
  input: {
    readonly before: ModelVersion;
    readonly after: ModelVersion;
    readonly task: Task;
    readonly data: EvaluationData;
  },
  signal: AbortSignal,
): Promise<ModelComparison> {
  const { store, engine, background, host = inThread({ heapBytes: defaultHeapBytes() }) } = options;
  const directory = async (version: ModelVersion): Promise<ComparedDirectory> => ({
    name: versionName(version),
    path: await store.versions.materialise(version),
    bytes: version.bytes,
  });
  const request: ComparisonRequest = {
    task: input.task,
    data: input.data,
    before: await directory(input.before),
    after: await directory(input.after),
    engine: await engine(),
    background,
  };
  const entry = new URL("./comparison-thread", import.meta.url);
  return callThread<ComparisonRequest, ModelComparison>(entry, import.meta.url, request, signal, host);
}
