import { lowerThreadPriority } from "../../../platform/threads/thread-priority.ts";
import { answerCall } from "../../../platform/threads/worker-rpc.ts";
import type { DatasetReport } from "../../../training/data/dataset-report.ts";
import { validateDataset } from "../../../training/data/validate-dataset.ts";
import { judgingBy, type Validation } from "./judge-data.ts";

// The entry point of a thread: reading, judging and tokenising every row would keep the main thread from answering.

await answerCall<Validation, DatasetReport>(async (validation, signal) => {
  if (validation.background) lowerThreadPriority();
  return validateDataset(validation.data, { ...(await judgingBy(validation, signal)), countLengths: true });
});
