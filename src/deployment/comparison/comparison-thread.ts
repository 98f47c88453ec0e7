import { lowerThreadPriority } from "../../platform/threads/thread-priority.ts";
import { answerCall } from "../../platform/threads/worker-rpc.ts";
import type { ModelComparison } from "../../report/comparison/model-comparison.ts";
import { type ComparisonRequest, compareDirectories } from "./compare-directories.ts";

// The entry point of the thread on which two versions are compared, for the reasons for which the gate has one.

await answerCall<ComparisonRequest, ModelComparison>(async (request, signal) => {
  if (request.background) lowerThreadPriority();
  return await compareDirectories(request, signal);
});
