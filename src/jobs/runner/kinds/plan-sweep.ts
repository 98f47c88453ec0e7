import { runsOf } from "../../../training/sweeps/sweep.ts";
import type { JobPlan } from "../../job-outcome.ts";
import { sweepPlanOf } from "../../sweeps/trials.ts";
import { required } from "../job-control.ts";
import type { ResolvedSpec } from "../resolved-spec.ts";
import { planFineTuneJob } from "./fine-tune-job.ts";

/** Says what a sweep would do: that of its first trial, as often as all of its trials together take the steps of a whole run. */
export async function planSweepJob(resolved: ResolvedSpec): Promise<JobPlan> {
  const { sweep: asked, ...spec } = resolved.spec;
  const sweep = sweepPlanOf(resolved.spec, required(asked, "sweep"));
  const first = sweep.trials[0]!; // a plan has one at least
  const recipe = { ...spec.recipe, ...first.settings };
  const plan = await planFineTuneJob({ ...resolved, spec: { ...spec, kind: "fine-tune", recipe } });
  const runs = runsOf(sweep);
  return {
    ...plan,
    steps: Math.round(runs * plan.steps),
    tokens: Math.round(runs * plan.tokens),
    etaSeconds: runs * plan.etaSeconds,
    // Those of halving wait for each other; else there are the best so far, and the one at work.
    diskBytes: (sweep.rungs.length > 1 ? sweep.trials.length : Math.min(2, sweep.trials.length)) * plan.diskBytes,
  };
}
