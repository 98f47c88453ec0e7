import type { MessageInitShape } from "@bufbuild/protobuf";
import { AlbertError, type FieldViolation } from "../../errors.ts";
import {
  type GetSweepResponseSchema,
  type JobState,
  SweepMethod,
  type SweepSpec as SweepSpecMessage,
  type SweepSpecSchema,
} from "../../gen/albert/v1/training_pb.js";
import type { Job } from "../../jobs/job.ts";
import type { JobStateKind } from "../../jobs/job-state.ts";
import { failureOf, metricOf, newestFigures, standingsOf, sweepPlanOf, trialsOf } from "../../jobs/sweeps/trials.ts";
import { goalOf } from "../../training/evaluation/head-metrics.ts";
import { decideSweep } from "../../training/sweeps/decide.ts";
import type { SweepSpec } from "../../training/sweeps/sweep.ts";

// Converts what a sweep tries, and the table of its trials, from and to messages.

const METHODS = {
  [SweepMethod.UNSPECIFIED]: "random",
  [SweepMethod.GRID]: "grid",
  [SweepMethod.RANDOM]: "random",
  [SweepMethod.HALVING]: "halving",
} as const;

/** Most settings that a sweep varies, and the longest space of one. */
const MOST_VARIED = 32;
const LONGEST_SPACE = 4096;

/** What a message asks of a sweep; undefined for none, or for a wrong one, which is noted. */
export function readSweep(message: SweepSpecMessage | undefined, violations: FieldViolation[]): SweepSpec | undefined {
  if (message === undefined) return undefined;
  const { vary, trials, reduction } = message;
  const method = (METHODS as Readonly<Record<number, SweepSpec["method"]>>)[message.method];
  const entries = Object.entries(vary);
  if (method === undefined) {
    violations.push({ field: "spec.sweep.method", description: `has no value ${message.method}` });
  }
  if (entries.length > MOST_VARIED) {
    const description = `must hold at most ${MOST_VARIED} settings, got ${entries.length}`;
    violations.push({ field: "spec.sweep.vary", description });
  } else if (entries.some(([name, space]) => name.length > LONGEST_SPACE || space.length > LONGEST_SPACE)) {
    const description = `must have names and spaces of at most ${LONGEST_SPACE} characters`;
    violations.push({ field: "spec.sweep.vary", description });
  }
  return method === undefined ? undefined : { method, vary: { ...vary }, trials, reduction };
}

export function sweepSpecMessage({
  method,
  vary,
  trials,
  reduction,
}: SweepSpec): MessageInitShape<typeof SweepSpecSchema> {
  const methods = { grid: SweepMethod.GRID, random: SweepMethod.RANDOM, halving: SweepMethod.HALVING };
  return { method: methods[method], vary: { ...vary }, trials, reduction };
}

/**
 * The trials of a sweep.
 *
 * @throws AlbertError precondition (NOT_A_SWEEP) for a job of another kind
 */
export function sweepTable(
  sweep: Job,
  jobs: readonly Job[],
  states: Readonly<Record<JobStateKind, JobState>>,
): Omit<MessageInitShape<typeof GetSweepResponseSchema>, "job" | "$typeName"> {
  const { spec } = sweep;
  if (spec.sweep === undefined) {
    const message = `job ${sweep.id} is a ${spec.kind} job: only a sweep has trials`;
    throw new AlbertError("precondition", message, { reason: "NOT_A_SWEEP", metadata: { kind: spec.kind } });
  }
  const plan = sweepPlanOf(spec, spec.sweep);
  const trials = trialsOf(jobs, sweep.id);
  const metric = metricOf(trials);
  const { best } = decideSweep(plan, metric, standingsOf(plan, trials));
  return {
    metric,
    lowerIsBetter: goalOf(metric) === "lowest",
    varied: [...plan.varied],
    rungs: plan.rungs.map(({ share }) => share),
    trials: plan.trials.map(({ number, settings }) => {
      const job = trials.get(number);
      const row = { number, settings: { ...settings }, best: number === best };
      if (job === undefined) return row;
      const { value, figures } = newestFigures(metric, job);
      // A log has no NaN; what was none is null there.
      const metrics = Object.fromEntries(Object.entries(figures).filter(([, figure]) => typeof figure === "number"));
      return {
        ...{ ...row, jobId: job.id, state: states[job.state.kind], judged: job.judged.length },
        ...{ step: job.progress.step, metrics, failed: failureOf(job) },
        ...(value === undefined ? {} : { value }),
      };
    }),
  };
}
