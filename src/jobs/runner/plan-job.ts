import { measurePretraining, planPretraining } from "../../pretraining/plan.ts";
import { preparePretraining } from "../../pretraining/pretrain.ts";
import { openExecutor } from "../../training/executors/open-executor.ts";
import { prepareFineTune } from "../../training/fine-tune.ts";
import { measurePlan, planFineTune } from "../../training/plan.ts";
import { NOTHING_PLANNED } from "../job-plans.ts";
import type { JobPlan } from "../job-service.ts";
import { planEvaluation } from "./evaluate-job.ts";
import { planPretrainingData } from "./instances-job.ts";
import { rejectionOf } from "./job-failures.ts";
import type { WorkOrder } from "./resolved-spec.ts";
import { fineTuneSpec, jobPlanOf, pretrainSpec } from "./training-job.ts";
import { planVocabulary } from "./vocabulary-job.ts";

const TOOLS = {
  openExecutor,
  clock: () => performance.now(),
  residentBytes: () => process.memoryUsage.rss(),
};

/**
 * Says what a job would do, as far as its kind has it: reads and checks everything as the job would, and measures a small
 * part of the work. What would have the job rejected is told as problems.
 */
export async function planWork(order: WorkOrder): Promise<JobPlan> {
  try {
    switch (order.spec.kind) {
      case "fine-tune":
        return await planFineTuneJob(order);
      case "pretrain":
        return await planPretrainJob(order);
      case "evaluate":
        return await planEvaluation(order);
      case "train-vocabulary":
        return await planVocabulary(order);
      case "pretraining-data":
        return await planPretrainingData(order);
    }
  } catch (error) {
    return { ...NOTHING_PLANNED, problems: rejectionOf(error).problems };
  }
}

async function planFineTuneJob(order: WorkOrder): Promise<JobPlan> {
  const prepared = await prepareFineTune(fineTuneSpec(order));
  try {
    return jobPlanOf(await measurePlan(planFineTune(prepared), prepared, TOOLS), order.spec);
  } finally {
    await prepared.close();
  }
}

async function planPretrainJob(order: WorkOrder): Promise<JobPlan> {
  const prepared = await preparePretraining(pretrainSpec(order));
  const plan = await planPretraining(prepared, Object.keys(order.spec.recipe));
  return jobPlanOf(await measurePretraining(plan, prepared, TOOLS), order.spec);
}
