import { performance } from "node:perf_hooks";
import type { Lease, LiveModels } from "../../serving/live-models.ts";
import type { LoadedVersion } from "../../serving/loaded-version.ts";
import type { Scheduler } from "../../serving/scheduler.ts";
import type { TaskPlan } from "../../tasks/plan.ts";
import type { Operation } from "./operation.ts";

/** A comparison nobody waits for may take this long. */
const SHADOW_DEADLINE_MS = 30_000;

/** A champion's answer, and how to get the challenger's. */
export interface ShadowRequest<Answer> {
  readonly lease: Lease;
  // The request type of the operation does not matter here: it is bound inside `planWith`.
  readonly operation: Pick<Operation<never, Answer, unknown>, "task" | "decide">;
  readonly answer: Answer;
  readonly planWith: (version: LoadedVersion) => TaskPlan<Answer>;
  readonly live: LiveModels;
  readonly scheduler: Scheduler;
}

/**
 * Computes a request once more on the challenger and notes whether the two versions agree. Runs behind the champion's
 * answer, which is neither delayed nor changed by it, whatever happens.
 */
export function compareWithShadow<Answer>(shadow: ShadowRequest<Answer>): void {
  const { lease, operation, answer, planWith, live, scheduler } = shadow;
  const challenger = lease.shadow!;
  const decide = operation.decide!;
  // The request's own lease ends with its answer; the challenger is needed a little longer.
  const release = challenger.version.lease();
  const run = async () => {
    const plan = planWith(challenger.version);
    const { outputs } = await scheduler.submit(challenger.version.lane, {
      sequences: plan.sequences,
      priority: "batch",
      deadline: performance.now() + SHADOW_DEADLINE_MS,
    });
    live.compared(lease.version, challenger.comparison, operation.task, [decide(answer), decide(plan.answer(outputs))]);
  };
  run()
    .catch(() => challenger.comparison.addFailure())
    .finally(release);
}
