import type { WorkOutcome } from "../job-runner.ts";
import { evaluateJob } from "./evaluate-job.ts";
import { makePretrainingData } from "./instances-job.ts";
import type { WorkControl } from "./job-control.ts";
import { failureOf, rejectionOf } from "./job-failures.ts";
import type { WorkOrder } from "./resolved-spec.ts";
import { fineTuneJob, pretrainJob } from "./training-job.ts";
import { trainVocabularyJob } from "./vocabulary-job.ts";

/** Does a job from validation to its result, on the thread that calls it. Never throws: every failure is an outcome. */
export async function doWork(order: WorkOrder, control: WorkControl): Promise<WorkOutcome> {
  let prepared = false;
  const phases: WorkControl = {
    ...control,
    hooks: {
      ...control.hooks,
      phase: (phase) => {
        prepared ||= phase === "prepared";
        control.hooks.phase(phase);
      },
    },
  };
  try {
    switch (order.spec.kind) {
      case "fine-tune":
        return await fineTuneJob(order, phases);
      case "pretrain":
        return await pretrainJob(order, phases);
      case "evaluate":
        return await evaluateJob(order, phases);
      case "train-vocabulary":
        return await trainVocabularyJob(order, phases);
      case "pretraining-data":
        return await makePretrainingData(order, phases);
    }
  } catch (error) {
    if (control.signal.aborted) return { kind: "stopped" };
    return prepared ? failureOf(error) : rejectionOf(error);
  }
}
