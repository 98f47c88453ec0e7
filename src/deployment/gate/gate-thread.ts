import { lowerThreadPriority } from "../../platform/thread-priority.ts";
import { answerCall } from "../../platform/worker-rpc.ts";
import { type Exam, type ExamResult, sitExam } from "./gate-evaluation.ts";

// The entry point of the gate's thread: reading, tokenising and resampling would keep the main thread from answering.

await answerCall<Exam, ExamResult>(async (exam, signal) => {
  if (exam.background) lowerThreadPriority();
  return await sitExam(exam, signal);
});
