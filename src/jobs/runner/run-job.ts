import { invariant } from "../../errors.ts";
import { EMPTY_PLAN, type JobOutcome, type JobPlan } from "../job-outcome.ts";
import type { JobKind } from "../job-spec.ts";
import type { JobControl } from "./job-control.ts";
import { failureOf, rejectionOf } from "./job-failures.ts";
import { calibrateJob, planCalibrateJob } from "./kinds/calibrate-job.ts";
import { convertJob, planConvertJob } from "./kinds/convert-job.ts";
import { evaluateJob, planEvaluateJob } from "./kinds/evaluate-job.ts";
import { fineTuneJob, planFineTuneJob } from "./kinds/fine-tune-job.ts";
import { instancesJob, planInstancesJob } from "./kinds/instances-job.ts";
import { planSweepJob } from "./kinds/plan-sweep.ts";
import { planPretrainingJob, pretrainingJob } from "./kinds/pretraining-job.ts";
import { planQuantiseJob, quantiseJob } from "./kinds/quantise-job.ts";
import { planVocabularyJob, vocabularyJob } from "./kinds/vocabulary-job.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";

// Runs or plans a job of any kind on the thread that calls. It knows no log and no other job.

interface KindOfJob {
  /** Does the job from the check of its data to its result. */
  readonly run: (resolved: ResolvedSpec, control: JobControl) => Promise<JobOutcome>;
  /** Reads and checks everything as the job would, and measures a small part of it. */
  readonly plan: (resolved: ResolvedSpec) => Promise<JobPlan>;
}

/** A sweep runs by its trials, which are jobs. */
const KINDS: Readonly<Record<Exclude<JobKind, "sweep">, KindOfJob>> = {
  "fine-tune": { run: fineTuneJob, plan: planFineTuneJob },
  distil: { run: fineTuneJob, plan: planFineTuneJob },
  pretrain: { run: pretrainingJob, plan: planPretrainingJob },
  evaluate: { run: evaluateJob, plan: planEvaluateJob },
  convert: { run: convertJob, plan: planConvertJob },
  calibrate: { run: calibrateJob, plan: planCalibrateJob },
  quantise: { run: quantiseJob, plan: planQuantiseJob },
  "train-vocabulary": { run: vocabularyJob, plan: planVocabularyJob },
  "pretraining-data": { run: instancesJob, plan: planInstancesJob },
};

/** Runs a job from validation to its result. Never throws: every failure is an outcome. */
export async function runJob(resolved: ResolvedSpec, control: JobControl): Promise<JobOutcome> {
  let prepared = false;
  const hooks: JobControl["hooks"] = {
    ...control.hooks,
    phase: (phase) => {
      prepared ||= phase === "prepared";
      control.hooks.phase(phase);
    },
  };
  try {
    const { kind } = resolved.spec;
    invariant(kind !== "sweep", "trials run, not their sweep");
    return await KINDS[kind].run(resolved, { ...control, hooks });
  } catch (error) {
    if (control.signal.aborted) return { kind: "stopped" };
    return prepared ? failureOf(error) : rejectionOf(error);
  }
}

/** Plans a job. Never throws: everything for which the job would be rejected is among the problems. */
export async function planJob(resolved: ResolvedSpec): Promise<JobPlan> {
  try {
    const { kind } = resolved.spec;
    return await (kind === "sweep" ? planSweepJob(resolved) : KINDS[kind].plan(resolved));
  } catch (error) {
    return { ...EMPTY_PLAN, problems: rejectionOf(error).problems };
  }
}
