import { lowerThreadPriority } from "../../platform/threads/thread-priority.ts";
import { answerCall } from "../../platform/threads/worker-rpc.ts";
import { evaluateForGate, type GateEvaluation, type GateEvaluationResult } from "./gate-evaluation.ts";

// The entry point of the gate's thread: reading, tokenising and resampling would keep the main thread from answering.

await answerCall<GateEvaluation, GateEvaluationResult>(async (request, signal) => {
  if (request.background) lowerThreadPriority();
  return await evaluateForGate(request, signal);
});
