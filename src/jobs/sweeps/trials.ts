import { type Figures, type Standing, trialValue } from "../../training/sweeps/decide.ts";
import {
  checkTrials,
  planSweep,
  type SweepFields,
  type SweepPlan,
  type SweepSpec,
  type SweepTrial,
} from "../../training/sweeps/sweep.ts";
import type { Job } from "../job.ts";
import { splitRecipe } from "../job-recipe.ts";
import type { JobSpec } from "../job-spec.ts";
import { isTerminal } from "../job-state.ts";

// The trials of a sweep as jobs: what each is asked, and how it stands.

const FIELDS: SweepFields = {
  method: "spec.sweep.method",
  vary: "spec.sweep.vary.",
  trials: "spec.sweep.trials",
  reduction: "spec.sweep.reduction",
};

/** Refuses a sweep of which a trial could not be. @throws AlbertError invalid-input with everything that is wrong */
export function checkSweep(spec: JobSpec, sweep: SweepSpec): void {
  const { settings } = splitRecipe(spec, "spec.recipe.");
  checkTrials(sweepPlanOf(spec, sweep), settings, FIELDS, "spec.recipe.");
}

/** Everything that a sweep will do. @throws AlbertError invalid-input with everything that is wrong */
export function sweepPlanOf(spec: JobSpec, sweep: SweepSpec): SweepPlan {
  return planSweep(sweep, splitRecipe(spec, "spec.recipe.").settings, spec.seed, FIELDS);
}

/** The specification of a trial's job. All start from the version that the sweep found, and hold out the same examples. */
export function trialSpec({ id, spec, startVersion }: Job, plan: SweepPlan, trial: SweepTrial): JobSpec {
  const { sweep: _, ...common } = spec;
  return {
    ...common,
    kind: "fine-tune",
    ...(startVersion === "" ? {} : { init: startVersion }),
    recipe: { ...spec.recipe, ...trial.settings },
    trial: { sweep: id, number: trial.number, shares: plan.rungs.map(({ share }) => share) },
  };
}

/** The request that makes a trial's job: whoever asks, there is one job of each trial. */
export function trialRequest(sweepId: string, { number }: Pick<SweepTrial, "number">): string {
  return `sweep ${sweepId} trial ${number}`;
}

/** The jobs of a sweep's trials, by number. */
export function trialsOf(jobs: readonly Job[], sweepId: string): ReadonlyMap<number, Job> {
  const trials = jobs.flatMap((job) => {
    const { trial } = job.spec;
    return trial?.sweep === sweepId ? [[trial.number, job] as const] : [];
  });
  return new Map(trials.sort(([a], [b]) => a - b));
}

/** How each trial of a plan stands. */
export function standingsOf({ trials }: SweepPlan, jobs: ReadonlyMap<number, Job>): readonly Standing[] {
  return trials.map(({ number }) => {
    const job = jobs.get(number);
    return { number, judged: job?.judged ?? [], state: standingOf(job) };
  });
}

function standingOf(job: Job | undefined): Standing["state"] {
  if (job === undefined) return "missing";
  if (job.state.kind === "held") return "held";
  return isTerminal(job.state) ? "ended" : "at-work";
}

/** The metric that trials are compared by, as their runs name it; empty before one was evaluated. */
export function metricOf(jobs: ReadonlyMap<number, Job>): string {
  return [...jobs.values()].find(({ progress }) => progress.bestMetric !== "")?.progress.bestMetric ?? "";
}

/** Why a trial gave no result; empty where it gave one, or may yet. */
export function failureOf({ state }: Job): string {
  switch (state.kind) {
    case "failed":
      return state.message;
    case "rejected":
      return state.problems.map(({ where, what }) => `${where}: ${what}`).join("; ");
    case "cancelled":
      return "it was cancelled";
    default:
      return "";
  }
}

/** The newest figures that a trial was judged by, with its value. */
export function newestFigures(
  metric: string,
  { judged }: Pick<Job, "judged">,
): { readonly value: number | undefined; readonly figures: Figures } {
  const figures = judged.at(-1) ?? {};
  return { value: trialValue(metric, figures), figures };
}
